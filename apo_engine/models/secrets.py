"""What a request carries that nobody may read: a key, a password, the values of an address's query, custom headers."""

from __future__ import annotations

import base64
import html
import json
import logging
import re
import sys
import unicodedata
from bisect import bisect_right
from collections.abc import Iterable, Iterator
from contextlib import suppress
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
# One character, spelled as JSON, Python, JavaScript, HTML, Markdown or a URL may spell it. What is escaped several
# times over in the same way (`%252573`, `&amp;amp;#115;`) is one spelling.
_ESCAPE = re.compile(
    r"(?-i:\\U([0-9a-fA-F]{8}))|\\(?:[ux]\{|N\{U\+)0*([0-9a-f]{1,6})\}|\\u([0-9a-f]{4})|\\x([0-9a-f]{2})|%u([0-9a-f]{4})"
    r"|%(?:25){0,999}([0-9a-f]{2})"
    r"|&(?:amp;){0,999}(?:\#x0*([0-9a-f]{1,6});?|\#0*([0-9]{1,7});?|([a-z]{2,24};))"
    r"|(?-i:\\N)\{([^{}\\]{1,100})\}|\\([0-7]{1,3})|\\(\S)",
    re.IGNORECASE | re.ASCII,
)
# JavaScript and shells read a character behind a backslash as itself. Shells do so for those that begin an escape in
# other languages too, so that what holds such a one is read both ways.
_BACKSLASHED, _AMBIGUOUS = re.compile(r"\\(\S)"), re.compile(r"\\[0-7nux]", re.IGNORECASE)
_DECIMAL, _NAMED, _UNICODE_NAMED, _OCTAL, _BARE = 8, 9, 10, 11, 12
_BASES = {_DECIMAL: 10, _OCTAL: 8}
# Text in a text in a text, in ways that take turns: nobody writes or undoes more layers. What is below them is struck.
_MOST_LAYERS, _LONGEST_ESCAPE = 32, 100
# No model writes so many escapes, or a key so often, in one answer. To look through all that 16 MiB can hold would take
# many seconds: what comes after so many is struck.
_MOST_ESCAPES, _MOST_PLACES = 100_000, 10_000
# So many characters may be looked through, all layers together, and for so many a place that is found counts.
_MOST_WORK, _WORK_OF_PLACE = 50_000_000, 20
# So many characters at either end of a key are too much of it.
_END = 12
_LIBRARIES = ("httpx2", "httpcore2", "openai")
# A filter does not hold for the loggers below its own, and some of these are made by the first request.
_LATE = ("httpcore2.connection", "httpcore2.http11", "httpcore2.http2", "httpcore2.proxy", "httpcore2.socks")


@dataclass(frozen=True)
class Secrets:
    """Secret words, and each form in which a server or a library may return them: plain, quoted, in base64, in hex.

    Characters may be written as escapes of JSON, Python, HTML, Markdown or URLs, some or all of them, however often
    over: whoever decodes the text later finds no secret in it. A long beginning or end of a key counts as well, be it
    plain, in base64 or in hex.
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
        work = _MOST_WORK - len(text)
        while (layer := _Decoded.of(decoded)) is not None:
            read = [layer, *([_Decoded.of(decoded, _BACKSLASHED)] if _AMBIGUOUS.search(decoded) else [])]
            for one in filter(None, read):
                places = self._found(one.text)
                work -= len(one.text) + len(places) * (len(layers) + 1) * _WORK_OF_PLACE
                found += (_outermost(place, (one, *layers)) for place in places)
            layers.insert(0, layer)
            decoded = layer.text
            if len(layers) == _MOST_LAYERS or work < 0:
                if (layer := _Decoded.of(decoded)) is not None:
                    found.append((_outermost(layer.spans[0], layers)[0], len(text)))
                break
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
        found: list[tuple[int, int]] = []

        def places(part: str) -> list[int]:
            nonlocal lowered
            many = list(islice(_places(lowered, part), _MOST_PLACES + 1))
            if len(many) > _MOST_PLACES:
                at = many.pop()
                found.append((at, len(text)))
                lowered = lowered[: at + len(part) - 1]
            return many

        for form in self._forms:
            found += ((at, at + len(form)) for at in places(form))
        for key in self._keys:
            for at in places(key.form[: key.head]):
                found.append((at, at + _alike(key.form, lowered[at : at + len(key.form)])))
            for at in places(key.form[-key.tail :]):
                end = at + key.tail
                before = lowered[max(0, end - len(key.form)) : end]
                found.append((end - _alike(key.form[::-1], before[::-1]), end))
        return found

    @cached_property
    def _forms(self) -> tuple[str, ...]:
        # In small letters: percent-encoding and hex have letters of either case.
        return tuple({form.lower() for word in self._spelled for form in _forms(word)})

    @cached_property
    def _keys(self) -> tuple[_Key, ...]:
        """Secrets of which a long beginning or end is too much."""
        keys = (word for word in self._spelled if len(word) > _END and not _has_longer_part(word))
        return tuple({key for word in keys for key in _Key.forms(word)})

    @cached_property
    def _spelled(self) -> tuple[str, ...]:
        """The words, and what is left of one that holds an escape itself where text is decoded over and over."""
        plain = (word for word in map(_decoded, self.words) if len(word) >= _SHORTEST)
        return tuple(dict.fromkeys([*self.words, *plain]))

    @cached_property
    def _longest(self) -> int:
        return max(map(len, self._forms), default=0)


@dataclass(frozen=True, slots=True)
class _Key:
    """A form of a secret, in small letters; so many characters at its ends, ``head`` and ``tail``, are too much."""

    form: str
    head: int
    tail: int

    @staticmethod
    def forms(word: str) -> Iterator[_Key]:
        """Plain, in hex, and in base64 as it stands inside of a longer text."""
        encoded = _bytes(word)
        head, tail = len(_bytes(word[:_END])), len(_bytes(word[-_END:]))
        yield _Key(word.lower(), _END, _END)
        yield _Key(encoded.hex(), 2 * head, 2 * tail)
        for before in range(3):
            first, last = len(_inside(before, head)), len(_inside(before + len(encoded) - tail, tail))
            for form in _in_base64(encoded, before):
                yield _Key(form.lower(), first, last)


@dataclass(frozen=True, slots=True)
class _Decoded:
    """A text with one layer of escapes decoded, each to one character: ``at`` that position, from that of ``spans``."""

    text: str
    at: list[int]
    spans: list[tuple[int, int]]

    @staticmethod
    def of(text: str, escapes: re.Pattern[str] = _ESCAPE) -> _Decoded | None:
        """The decoded text; None if nothing in it is one of these escapes."""
        pieces: list[str] = []
        at: list[int] = []
        spans: list[tuple[int, int]] = []
        length = done = 0
        for escape in escapes.finditer(text) if "\\" in text or "&" in text or "%" in text else ():
            char = _character(escape) if escapes is _ESCAPE else escape[1]
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
        named = html.unescape(f"&{written}")
        return named if len(named) == 1 else None
    if kind == _UNICODE_NAMED:
        with suppress(KeyError):
            named = unicodedata.lookup(written)
            return named if len(named) == 1 else None
        return None
    code = int(written, _BASES.get(kind, 16))
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


def _decoded(text: str) -> str:
    while (layer := _Decoded.of(text)) is not None:
        text = layer.text
    return text


def _outermost(place: tuple[int, int], layers: Iterable[_Decoded]) -> tuple[int, int]:
    """Where what stands in the innermost of these layers stands in the text that the outermost was decoded from."""
    first, last = place[0], place[1] - 1
    for layer in layers:
        first, last = layer.begin(first), layer.end(last) - 1
    return first, last + 1


def _has_longer_part(word: str) -> bool:
    """Whether a secret, such as a header, has a part that counts by itself: it may begin with what is public."""
    bare = word.rstrip("=")
    return any(len(part) >= _END and part != bare for part in _parts(bare))


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
    encoded = _bytes(word)
    yield encoded.hex()
    yield base64.b64encode(encoded).decode().rstrip("=")
    yield base64.urlsafe_b64encode(encoded).decode().rstrip("=")
    # Inside of a longer text in base64, such as "Bearer KEY", the word begins at one of three places in a group.
    for before in range(3):
        yield from _in_base64(encoded, before)
    # As `repr` and JSON write it.
    yield repr(word)[1:-1]
    yield json.dumps(word)[1:-1]


def _in_base64(encoded: bytes, before: int) -> Iterator[str]:
    """What base64 makes of these bytes alone, in either alphabet, if so many bytes precede them."""
    inside = _inside(before, len(encoded))
    padded = bytes(before) + encoded
    for encode in (base64.b64encode, base64.urlsafe_b64encode):
        yield encode(padded).decode()[inside.start : inside.stop]


def _inside(before: int, count: int) -> range:
    """The characters of base64 that hold nothing but bits of ``count`` bytes behind ``before`` others."""
    return range((8 * before + 5) // 6, 8 * (before + count) // 6)


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")


def _loggers() -> Iterator[logging.Logger]:
    known = logging.root.manager.loggerDict
    for name in (*known, *_LATE):
        if name.partition(".")[0] in _LIBRARIES:
            yield logging.getLogger(name)
