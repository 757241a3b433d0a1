"""What a row's text is recognized by after small edits, wherever in the row it stands and whatever stands beside it.

Only letters count, in a form without case, accents, lookalikes, doubled letters, digits and characters that nobody
sees; so ids, dates and digits that are added to words make no difference. What many texts of a set share belongs to
none of them.
"""

from __future__ import annotations

import hashlib
import html
import re
from bisect import bisect_left
from collections import Counter
from dataclasses import dataclass
from math import log2
from struct import Struct
from typing import TYPE_CHECKING
from zlib import crc32

from apo_engine.examples.lookalikes import as_latin
from apo_engine.unseen import is_unseen

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

# The names of formatting elements are no text. Attributes, comments and unknown names are: a reader sees `<my> order`.
_TAG = re.compile(
    r"</?(?:a|abbr|b|big|br|code|del|div|em|font|h[1-6]|hr|i|ins|kbd|li|mark|ol|p|pre|q|s|small|span|strong|sub|sup|tt|"
    r"u|ul)(?=[\s/>])",
    re.IGNORECASE,
)
_MOST_UNESCAPED = 4
_WORD = re.compile(r"[^\W_]+")
_DOUBLED = re.compile(r"(\w)\1+")
_DIGIT = re.compile(r"\d")
# A word with a letter and a digit beside it, and one that has its letters at one end.
_MIXED = re.compile(r"[^\W\d_]\d|\d[^\W\d_]")
_LETTERS_AT_END = re.compile(r"\d*[^\W\d_]{4,}\d*")
# Between letters, these digits may stand for letters.
_LETTER_DIGIT = re.compile(r"(?<=[^\W\d_])[01]+(?=[^\W\d_])")
_LETTER_OF = str.maketrans("01", "oi")
# What looks the same in many fonts is the same: l and a capital I, m and rn, w and vv.
_ALIKE = (("l", "i"), ("rn", "m"), ("vv", "w"))

# Fewer letters than this say nothing. Words with digits in them are ids, unless they have so many letters together.
_FEWEST_LETTERS, _FEWEST_SPELLED_LETTERS = 8, 16
# Words that more texts than this share are a form that each text fills in.
_FORM_SHARE = 0.5
_GRAM = 5
_FEWEST_GRAMS = 12
# Which grams are shared by many is counted on this many texts, and on this many letters of them together.
_COUNTED_TEXTS, _COUNTED_LETTERS, _SHARED_GRAMS, _SHARED_BY = 2_000, 5_000_000, 0.1, 5
# Of a text, so many grams count that few texts share, and of so many letters at most. It is read in parts.
_MOST_GRAMS, _MOST_LETTERS, _PART = 2_000, 20_000, 250
# A band is eight hashes of grams in a row, from one of six places on. For texts of a similarity s, one is the same
# with a probability of about s**8: texts that are 85 % similar share one of the six mostly, 70 % in one case of
# four, and 30 % in one of 2,000. A set is recognized by any of its rows.
_BAND = Struct("8I")
_PLACES = tuple((at << 32) // 6 for at in range(6))
# A hint is four hashes in a row, from one of twelve places on: texts of 70 letters that differ in two of them are about
# 74 % similar and share a hint in 98 % of cases, and texts that are 10 % similar in one of 800.
_HINT_BAND = Struct("4I")
_HINT_PLACES = tuple((at << 32) // 12 for at in range(12))
# Words in whatever order tell one text from another if they are rare enough: about one in 2**24 texts has these. Those
# that one in 2**8 has are a hint.
_FEWEST_BITS, _FEWEST_HINT_BITS = 24, 8
# A cell alone can be a hint if this share of the rows has a text of its own in its column: tags and names repeat.
_OWN_TEXTS = 0.9
# Texts of so few letters are compared without each one word, and without some of their letters.
_SHORT_LETTERS, _FEWEST_HINT_LETTERS = 40, 4
_MOST_WITHOUT_LETTER = 8

Words = tuple[str, ...]


def letters(text: str) -> Words:
    """The words of a text, in the form that is compared. Ids are none: they have more digits than letters."""
    for _ in range(_MOST_UNESCAPED):
        if "&" not in text or text == (unescaped := html.unescape(text)):
            break
        text = unescaped
    if "<" in text:
        text = _TAG.sub(" ", text)
    if not text.isascii():
        text = "".join(c for c in text if not is_unseen(c))
    text = as_latin(text)
    words = _WORD.findall(text)
    if _DIGIT.search(text):
        mixed = [word for word in words if _MIXED.search(word)]
        # If many words have digits, somebody added them.
        is_spelled = 2 * len(mixed) >= len(words) and sum(map(_letter_count, mixed)) >= _FEWEST_SPELLED_LETTERS
        words = [_without_digits(word, is_spelled) for word in words]
    text = " ".join(words)
    for seen, read in _ALIKE:
        text = text.replace(seen, read)
    return tuple(_DOUBLED.sub(r"\1", text).split())


def _letter_count(word: str) -> int:
    return sum(map(str.isalpha, word))


def _without_digits(word: str, is_spelled: bool) -> str:
    if word.isalpha():
        return word
    if not is_spelled and len(word) > 2 * _letter_count(word) and not _LETTERS_AT_END.fullmatch(word):
        return ""
    return "".join(filter(str.isalpha, _LETTER_DIGIT.sub(lambda digits: digits[0].translate(_LETTER_OF), word)))


@dataclass(frozen=True, slots=True)
class Sketch:
    """Digests of a text: some of all its words, others that texts which differ in a few letters share one of, mostly.

    Those of what is ``own`` leave out what one in ten texts of the set has, so texts of one form differ in them. Those
    of the ``whole`` leave out what most texts have, so they depend little on what else there is in the set. Those of
    the ``cells`` are made of each long cell alone, as own ones are. ``hints`` are weaker: one of another text may be
    the same by chance. A short cell beside a long one may be the subject of many rows: it is looked up, but not among
    the ``recorded_hints``.
    """

    own: tuple[bytes, ...]
    whole: tuple[bytes, ...]
    cells: tuple[bytes, ...]
    hints: tuple[bytes, ...]
    recorded_hints: frozenset[bytes]


def sketches(
    texts: Mapping[bytes, Mapping[str, Words]], is_stopped: Callable[[], bool] = lambda: False
) -> dict[bytes, Sketch]:
    """The sketches of texts by their names; a text is given as the words of each of its cells, by column.

    Incomplete if ``is_stopped`` says so.
    """
    frequency = Counter(word for cells in texts.values() for word in {word for cell in cells.values() for word in cell})
    most = max(_SHARED_BY, _FORM_SHARE * len(texts))
    bits = {word: log2(len(texts) / times) for word, times in frequency.items() if times <= most}
    distinct: dict[str, set[Words]] = {}
    for cells in texts.values():
        for column, words in cells.items():
            distinct.setdefault(column, set()).add(words)
    telling = {column for column, found in distinct.items() if len(found) >= _OWN_TEXTS * len(texts)}
    constant, shared = _shared_grams(texts, is_stopped)
    found = {}
    for name, cells in texts.items():
        if is_stopped():
            break
        found[name] = _sketch(cells, telling, bits, constant, shared)
    return found


def _sketch(
    cells: Mapping[str, Words], telling: set[str], bits: Mapping[str, float], constant: set[int], shared: set[int]
) -> Sketch:
    """The sketch of one text. A cell alone is a hint in a ``telling`` column."""
    grams = {column: _grams(words, constant, shared) for column, words in cells.items()}
    whole = set().union(*grams.values())
    ring = sorted(whole - shared)
    own = (*_wordings([*cells.values()], bits), *_bands(ring))
    of_cells: dict[bytes, None] = {}
    hints = dict.fromkeys(_hints([word for words in cells.values() for word in words], bits))
    hints.update(dict.fromkeys(_bands(ring, _HINT_BAND, _HINT_PLACES)))
    recorded = frozenset(hints)
    if len(cells) > 1:
        long = [column for column in cells if len(grams[column]) >= _FEWEST_GRAMS]
        for column in long:
            ring = sorted(grams[column] - shared)
            of_cells.update(dict.fromkeys((*_wordings([cells[column]], bits), *_bands(ring))))
            hints.update(dict.fromkeys(_bands(ring, _HINT_BAND, _HINT_PLACES)))
        recorded = frozenset(hints)
        for column in telling.intersection(cells):
            hints.update(dict.fromkeys(_hints(cells[column], bits)))
        if not long:
            recorded = frozenset(hints)
    return Sketch(own, _bands(sorted(whole)), tuple(of_cells), tuple(hints), recorded)


def _shared_grams(
    texts: Mapping[bytes, Mapping[str, Words]], is_stopped: Callable[[], bool]
) -> tuple[set[int], set[int]]:
    """The grams that most texts have, and those that one in ten has."""
    times: Counter[int] = Counter()
    counted = letters_read = 0
    for name in sorted(texts)[:_COUNTED_TEXTS]:
        if is_stopped() or letters_read > _COUNTED_LETTERS:
            break
        grams = set().union(*(_grams(words) for words in texts[name].values()))
        times.update(grams)
        counted += 1
        letters_read += len(grams)
    return _frequent(times, _FORM_SHARE * counted), _frequent(times, _SHARED_GRAMS * counted)


def _frequent(times: Counter[int], most: float) -> set[int]:
    most = max(_SHARED_BY, most)
    return {gram for gram, count in times.items() if count > most}


def _wordings(cells: Sequence[Words], bits: Mapping[str, float]) -> tuple[bytes, ...]:
    """Digests of the words in order, with the cells in either order, and of rare words in any order.

    ``bits`` say how rare a word is; those without are part of a form.
    """
    said = [" ".join(word for word in cell if word in bits) for cell in cells]
    said = [cell for cell in said if cell]
    if sum(map(len, said)) < _FEWEST_LETTERS:
        return ()
    found = {"words " + " ".join(said): None, "words " + " ".join(sorted(said)): None}
    distinct = set(" ".join(said).split())
    if sum(bits[word] for word in distinct) >= _FEWEST_BITS:
        found["any order " + " ".join(sorted(distinct))] = None
    return tuple(hashlib.sha256(one.encode()).digest() for one in found)


def _hints(words: Iterable[str], bits: Mapping[str, float]) -> Iterator[bytes]:
    """Digests without the s of a plural: of the words in any order, of a short text also without a word or a letter."""
    known = [word for word in words if word in bits]
    words = [word.rstrip("s") for word in known]
    if sum(bits[word] for word in set(known)) >= _FEWEST_HINT_BITS:
        yield _hint("any order " + " ".join(sorted(set(words))))
    text = "".join(words)
    if not _FEWEST_HINT_LETTERS <= len(text) <= _SHORT_LETTERS:
        return
    yield _hint(text)
    if len(words) > 2:
        for at in range(len(words)):
            rest = "".join((*words[:at], *words[at + 1 :]))
            if len(rest) >= _FEWEST_LETTERS:
                yield _hint(rest)
    if len(text) > _FEWEST_LETTERS:
        yield from sorted({_hint(text[:at] + text[at + 1 :]) for at in range(len(text))})[:_MOST_WITHOUT_LETTER]


def _hint(text: str) -> bytes:
    return hashlib.sha256(b"hint " + text.encode()).digest()[:16]


def _grams(words: Words, constant: Iterable[int] = (), shared: set[int] | None = None) -> set[int]:
    """Hashes of all runs of five letters within a cell, blanks left out; of a long one, until enough are not shared."""
    text = "".join(words)[:_MOST_LETTERS]
    if len(text) <= _MOST_GRAMS or shared is None:
        return _hashes(text).difference(constant)
    found: set[int] = set()
    own = 0
    for start in range(0, len(text), _PART):
        part = _hashes(text[start : start + _PART + _GRAM - 1]).difference(constant)
        found |= part
        own += len(part - shared)
        if own >= _MOST_GRAMS:
            break
    return found


def _hashes(text: str) -> set[int]:
    if text.isascii():
        raw = text.encode()
        return {crc32(raw[at : at + _GRAM]) for at in range(len(raw) - _GRAM + 1)}
    return {crc32(text[at : at + _GRAM].encode()) for at in range(len(text) - _GRAM + 1)}


def _bands(ring: Sequence[int], band: Struct = _BAND, places: Sequence[int] = _PLACES) -> tuple[bytes, ...]:
    """Of grams in ascending order, runs from each of the places on; after the last gram comes the first."""
    last = len(ring)
    if last < _FEWEST_GRAMS:
        return ()
    in_a_row = band.size // 4
    wrapped = [*ring, *ring[:in_a_row]]
    starts = [bisect_left(ring, place) for place in places]
    return tuple({band.pack(*wrapped[start : start + in_a_row]): None for start in starts})
