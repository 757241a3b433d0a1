"""What a request carries that nobody may read: a key, a password, the values of an address's query, custom headers."""

from __future__ import annotations

import base64
import html
import json
import logging
import re
import sys
from bisect import bisect_right
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from itertools import islice
from urllib.parse import quote, quote_plus

# What stands in place of a secret.
_STRUCK = "[key]"
# Striking out every "1" or "true" would leave nothing to read; no secret is that short.
_SHORTEST, _SHORTEST_PART = 6, 8
# Between the parts of a longer secret: "Bearer KEY", "session=KEY; theme=dark", "user:KEY".
_SEPARATORS = re.compile(r"([\s=;:,&]+)")
# Parts of a header that say what kind of secret follows.
_SCHEMES = frozenset({"basic", "bearer", "digest", "negotiate", "authorization"})
# What users set for servers that need no key. An answer may hold such a word, and would lose it.
_PLACEHOLDERS = frozenset({"ollama", "lm-studio", "no-key", "nokey", "not-needed", "dummy-key", "placeholder"})
# Headers and query parameters that hold no secret; an answer may hold the date of a version, or a title.
_PUBLIC_NAMES = frozenset(
    {
        *("accept", "content-type", "user-agent", "referer", "http-referer", "x-title", "openai-beta"),
        *("anthropic-version", "anthropic-beta", "api-version", "version"),
    }
)
# One character, spelled as JSON, Python, JavaScript, HTML, Markdown or a URL may spell it.
_ESCAPE = re.compile(
    r"(?-i:\\U([0-9a-fA-F]{8}))|\\u\{([0-9a-f]{1,6})\}|\\u([0-9a-f]{4})|\\x([0-9a-f]{2})|%u([0-9a-f]{4})|%([0-9a-f]{2})"
    r"|&\#x0*([0-9a-f]{1,6});?|&\#0*([0-9]{1,7});?|(&[a-z]{2,24};)|\\([^\w\s])",
    re.IGNORECASE | re.ASCII,
)
_DECIMAL, _NAMED, _BARE = 8, 9, 10
# Text in a text in a text: more often than that, nobody undoes it by accident. The longest spelling has ten characters
# (`\U0000006b`, and `\\` for a backslash of it).
_MOST_LAYERS, _LONGEST_ESCAPE = 4, 12
# No model writes so many escapes in one answer. Looking through all that 16 MiB can hold would stall the program.
_MOST_ESCAPES = 100_000
# So many characters at either end of a key are too much of it. They hold a digit: a word alone is no part of a key.
_END, _SHORTEST_ENDED = 12, 16
# An error is an object in an object or two; what is nested deeper is not read.
_DEEPEST = 32
_LIBRARIES = ("httpx2", "httpcore2", "openai")
# A filter does not hold for the loggers below its own, and some of these are made by the first request.
_LATE = ("httpcore2.connection", "httpcore2.http11", "httpcore2.http2", "httpcore2.proxy", "httpcore2.socks")


@dataclass(frozen=True)
class Secrets:
    """Secret words, and each form in which a server or a library may return them: plain, quoted, in base64, in hex.

    Characters may be written as escapes of JSON, Python, HTML, Markdown or URLs, some or all of them, several times
    over: whoever decodes the text later finds no secret in it. A long beginning or end of a key counts as well.
    """

    words: tuple[str, ...] = field(default=(), repr=False)

    @staticmethod
    def of(words: Iterable[str | None], *credentials: tuple[str, str] | None) -> Secrets:
        """The secrets among ``words`` and their parts, and those of names and passwords of basic authentication.

        A part of a longer word is a secret by itself: an endpoint may quote the key of "Bearer KEY" alone. A name is
        one only beside its password, as the header has both in base64, or if there is no password.
        """
        given = [pair for pair in credentials if pair is not None]
        found = [word for word in (*words, *(password or name for name, password in given)) if word]
        found = [word for word in found if len(word) >= _SHORTEST and word.casefold() not in _PLACEHOLDERS]
        pairs = [pair for one in given if len(pair := ":".join(one)) >= _SHORTEST]
        return Secrets(tuple(dict.fromkeys([*(one for word in found for one in (word, *_parts(word))), *pairs])))

    @staticmethod
    def named(values: Iterable[tuple[str, str]]) -> list[str]:
        """The values of headers or query parameters, given with their names, that may be secret."""
        return [value for name, value in values if name.casefold() not in _PUBLIC_NAMES]

    def struck(self, text: str, most: int | None = None) -> str:
        """The text, or what its first ``most`` characters say, with every secret struck out.

        A secret that ``most`` would cut is struck out whole.
        """
        end = len(text) if most is None else most
        pieces, at = [], 0
        for begin, after in self._spans(text[: end + self._longest * _LONGEST_ESCAPE]):
            if begin >= end:
                break
            pieces += [text[at:begin], _STRUCK]
            at = after
        return "".join([*pieces, text[at : max(at, end)]])

    def struck_in(self, value: object, depth: int = _DEEPEST) -> object:
        """A value of JSON with every secret struck out of its texts; what is nested too deeply is left out."""
        if isinstance(value, str):
            return self.struck(value)
        if isinstance(value, (list, dict)) and depth == 0:
            return None
        if isinstance(value, list):
            return [self.struck_in(one, depth - 1) for one in value]
        if isinstance(value, dict):
            return {self.struck(key): self.struck_in(one, depth - 1) for key, one in value.items()}
        return value

    def _spans(self, text: str) -> list[tuple[int, int]]:
        """Where secrets stand, in order; those that overlap count as one."""
        if not self.words:
            return []
        found = self._found(text)
        layers: list[_Decoded] = []
        decoded, rest = text, _beyond_escapes(text)
        if rest < len(text):
            decoded = text[:rest]
            found.append((rest, len(text)))
        while len(layers) < _MOST_LAYERS and (layer := _Decoded.of(decoded)) is not None:
            layers.insert(0, layer)
            decoded = layer.text
            for begin, end in self._found(decoded):
                first, last = begin, end - 1
                for outer in layers:
                    first, last = outer.begin(first), outer.end(last) - 1
                found.append((first, last + 1))
        merged: list[tuple[int, int]] = []
        for begin, end in sorted(found):
            if merged and begin < merged[-1][1]:
                merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
            else:
                merged.append((begin, end))
        return merged

    def _found(self, text: str) -> list[tuple[int, int]]:
        """Where forms of secrets stand in a text as it is."""
        lowered = text.lower()
        if len(lowered) != len(text):
            # Positions must be those of the text, and a few letters become two.
            lowered = "".join(small if len(small := char.lower()) == 1 else char for char in text)
        found = [(at, at + len(form)) for form in self._forms for at in _places(lowered, form)]
        for key, least in self._beginnings:
            for at in _places(lowered, key[:least]):
                found.append((at, at + _alike(key, lowered[at : at + len(key)])))
        for key, least in self._ends:
            for at in _places(lowered, key[-least:]):
                end = at + least
                found.append((end - _alike(key[::-1], lowered[max(0, end - len(key)) : end][::-1]), end))
        return found

    @cached_property
    def _forms(self) -> tuple[str, ...]:
        # In small letters: percent-encoding and hex have letters of either case.
        return tuple({form.lower() for word in self.words for form in _forms(word)})

    @cached_property
    def _beginnings(self) -> tuple[tuple[str, int], ...]:
        """Keys in small letters, and how much of each is too much."""
        return tuple((key, least) for key in self._keys if (least := _least(key)))

    @cached_property
    def _ends(self) -> tuple[tuple[str, int], ...]:
        return tuple((key, least) for key in self._keys if (least := _least(key[::-1])))

    @cached_property
    def _keys(self) -> tuple[str, ...]:
        # A longer secret, such as a header, may begin with what is public: its parts count by themselves.
        alone = (word.lower() for word in self.words if not _SEPARATORS.search(word))
        return tuple(word for word in alone if len(word) >= _SHORTEST_ENDED)

    @cached_property
    def _longest(self) -> int:
        return max(map(len, self._forms), default=0)


@dataclass(frozen=True, slots=True)
class _Decoded:
    """A text with one layer of escapes decoded, each to one character: ``at`` that position, from that of ``spans``."""

    text: str
    at: list[int]
    spans: list[tuple[int, int]]

    @staticmethod
    def of(text: str) -> _Decoded | None:
        """The decoded text; None if nothing in it is an escape."""
        pieces: list[str] = []
        at: list[int] = []
        spans: list[tuple[int, int]] = []
        length = done = 0
        for escape in _ESCAPE.finditer(text) if "\\" in text or "&" in text or "%" in text else ():
            char = _character(escape)
            if char is None:
                continue
            begin, end = escape.span()
            pieces += [text[done:begin], char]
            length += begin - done
            at.append(length)
            spans.append((begin, end))
            length, done = length + 1, end
        return _Decoded("".join([*pieces, text[done:]]), at, spans) if at else None

    def begin(self, position: int) -> int:
        """Where a character of the decoded text begins in the text."""
        return self._span(position)[0]

    def end(self, position: int) -> int:
        """Where a character of the decoded text ends in the text."""
        return self._span(position)[1]

    def _span(self, position: int) -> tuple[int, int]:
        before = bisect_right(self.at, position) - 1
        if before < 0:
            return position, position + 1
        if self.at[before] == position:
            return self.spans[before]
        begin = self.spans[before][1] + position - self.at[before] - 1
        return begin, begin + 1


class SecretsStruck(logging.Filter):
    """Strikes secrets out of what HTTP libraries log: whole addresses, and the headers of answers.

    Those log for whoever has turned their debug logging on, and know nothing of what is secret.
    """

    def __init__(self, secrets: Secrets) -> None:
        super().__init__()
        self._secrets = secrets

    def filter(self, record: logging.LogRecord) -> bool:
        """Let every record pass, without secrets."""
        said = record.getMessage()
        struck = self._secrets.struck(said)
        if struck != said:
            record.msg, record.args = struck, ()
        return True

    def watch(self) -> None:
        """Stand before every logger of the HTTP libraries that are loaded."""
        for logger in _loggers():
            logger.addFilter(self)

    def leave(self) -> None:
        """Stand there no longer."""
        for logger in _loggers():
            logger.removeFilter(self)


def _character(escape: re.Match[str]) -> str | None:
    """The character that an escape stands for; None if it stands for none, or for several."""
    kind = escape.lastindex or 0
    written = escape[kind]
    if kind == _BARE:
        return written
    if kind == _NAMED:
        named = html.unescape(written)
        return named if len(named) == 1 else None
    code = int(written, 10 if kind == _DECIMAL else 16)
    return chr(code) if code <= sys.maxunicode else None


def _beyond_escapes(text: str) -> int:
    """Where more may be escaped in a text than is looked through; its length where nothing is."""
    if sum(map(text.count, "\\&%")) <= _MOST_ESCAPES:
        return len(text)
    begins = (found.start() for found in re.finditer(r"[\\&%]", text))
    return next(islice(begins, _MOST_ESCAPES, None))


def _places(text: str, part: str) -> Iterator[int]:
    at = text.find(part)
    while at >= 0:
        yield at
        at = text.find(part, at + 1)


def _alike(one: str, other: str) -> int:
    """How many characters both begin with."""
    return next((at for at, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other)))


def _least(key: str) -> int:
    """How many characters at the beginning of a key are too much of it; 0 if it is not made as keys are."""
    digit = re.search("[0-9]", key)
    return 0 if digit is None else max(_END, digit.end())


def _parts(word: str) -> Iterator[str]:
    pieces = [*_SEPARATORS.split(word.strip()), ""]
    for part, separator in zip(pieces[::2], pieces[1::2], strict=True):
        # The name of a value, as in "session=KEY", is not a secret.
        is_name = "=" in separator and part.replace("-", "").replace("_", "").isalpha()
        if len(part) >= _SHORTEST_PART and part.casefold() not in _SCHEMES and not is_name:
            yield part


def _forms(word: str) -> Iterator[str]:
    yield word
    yield quote(word, safe="")
    yield quote(word)
    yield quote_plus(word)
    yield quote(quote(word, safe=""), safe="")
    yield word[::-1]
    yield html.escape(word)
    encoded = word.encode("utf-8", "surrogatepass")
    yield encoded.hex()
    yield base64.b64encode(encoded).decode().rstrip("=")
    yield base64.urlsafe_b64encode(encoded).decode().rstrip("=")
    # Inside of a longer text in base64, such as "Bearer KEY", the word begins at one of three places in a group.
    for before in range(3):
        inside = slice((8 * before + 5) // 6, 8 * (before + len(encoded)) // 6)
        padded = bytes(before) + encoded
        yield base64.b64encode(padded).decode()[inside]
        yield base64.urlsafe_b64encode(padded).decode()[inside]
    # As `repr` and JSON write it.
    yield repr(word)[1:-1]
    yield json.dumps(word)[1:-1]


def _loggers() -> Iterator[logging.Logger]:
    known = logging.root.manager.loggerDict
    for name in (*known, *_LATE):
        if name.partition(".")[0] in _LIBRARIES:
            yield logging.getLogger(name)
