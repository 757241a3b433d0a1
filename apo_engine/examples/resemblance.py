"""Texts that are the same, or nearly: by what they say rather than how it is set, and by most of their words."""

from __future__ import annotations

import math
import re
import unicodedata
from array import array
from collections import defaultdict

_PROSE = b" \t\r\n\x0b\x0c.,;:!?\"'()[]_*`"
_PROSE_AND_DASH = _PROSE + b"-"
_DIGIT = re.compile(rb"[0-9]")
# Between two digits a point or a space means something, and so does a dash before one.
_DIGITS_MATTER = re.compile(rb"[0-9][\s.,:]+[0-9]|-")
_BESIDE_DIGITS = re.compile(
    rb"(?<![0-9])[\s.,:]+|[\s.,:]+(?![0-9])|-(?!\s*[0-9])|[;!?\"'()\[\]_*`]+",
)
_WIDE_PROSE = re.compile(
    r"(?<!\d)[\s.,:]+|[\s.,:]+(?!\d)|-(?!\s*\d)"
    r"|[;!?\"'()\[\]_*`‘’“”„«»¿¡–—、。「」\u00ad\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff]+"
)
_WORD, _NUMBERS = re.compile(r"\w+"), re.compile(r"\d+")

# Two texts are alike where at most about one word in ten differs.
_ALIKE = 92.0
_SHARED_WORDS = 0.8
_FEWEST_CHARS, _MOST_CHARS = 40, 1_000
_MOST_RIVALS = 32


def folded(text: str) -> bytes:
    """The text without its case, white space and punctuation; what makes a number a number stays."""
    if not text.isascii():
        plain = unicodedata.normalize("NFKC", text).casefold()
        return _WIDE_PROSE.sub("", plain).encode("utf-8", "surrogatepass")
    raw = text.encode().lower()
    if not _DIGIT.search(raw):
        return raw.translate(None, _PROSE_AND_DASH)
    return _BESIDE_DIGITS.sub(b"", raw) if _DIGITS_MATTER.search(raw) else raw.translate(None, _PROSE)


class Wordings:
    """Finds the texts that have nearly the same words as an earlier one, within bounds of time and memory.

    Two texts that share most words share one of the rarest of each; so only texts with such a word in common are
    compared (the prefix filter of set similarity joins). Texts whose numbers differ are different.
    """

    def __init__(self, most_texts: int, most_chars: int) -> None:
        """Texts past the first ``most_texts`` or ``most_chars`` characters are not looked at."""
        self._most_texts, self._most_chars = most_texts, most_chars
        self.taken = self._chars = 0
        self._texts: dict[int, str] = {}
        self._words: dict[int, array[int]] = {}
        self._numbers: dict[int, int] = {}
        self._vocabulary: dict[str, int] = {}

    @property
    def full(self) -> bool:
        """Whether no further text is looked at."""
        return self.taken >= self._most_texts or self._chars >= self._most_chars

    def add(self, key: int, text: str) -> None:
        """Take up a text under a key of its own; keys grow."""
        self.taken += 1
        text = text[:_MOST_CHARS].casefold()
        self._chars += len(text)
        if len(text) < _FEWEST_CHARS:
            return
        words = _WORD.findall(text)
        vocabulary = self._vocabulary
        known = array("I", [vocabulary.setdefault(word, len(vocabulary)) for word in dict.fromkeys(words)])
        self._texts[key] = " ".join(words)
        self._words[key] = known
        self._numbers[key] = hash(tuple(_NUMBERS.findall(text)))

    def resembling(self) -> dict[int, int]:
        """For each text that has nearly the same words as an earlier one, the key of that one."""
        from rapidfuzz import fuzz, process

        found: dict[int, int] = {}
        rivals: defaultdict[tuple[int, int], list[int]] = defaultdict(list)
        frequency = array("I", bytes(4 * len(self._vocabulary)))
        for words in self._words.values():
            for word in words:
                frequency[word] += 1
        for key, words in self._words.items():
            numbers, text = self._numbers[key], self._texts[key]
            rarest = sorted(words, key=lambda word: (frequency[word], word))
            shared = rarest[: len(rarest) - math.ceil(_SHARED_WORDS * len(rarest)) + 1]
            compared: dict[int, str] = {}
            for word in shared:
                # A word that stands in no other text leads nowhere.
                if frequency[word] > 1:
                    bucket = rivals[word, numbers]
                    compared.update((rival, self._texts[rival]) for rival in bucket)
                    if len(bucket) < _MOST_RIVALS:
                        bucket.append(key)
            best = process.extractOne(text, compared, scorer=fuzz.ratio, score_cutoff=_ALIKE) if compared else None
            if best is not None:
                found[key] = best[2]
        return found
