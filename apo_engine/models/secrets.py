"""What a request carries that nobody may read: a key, a password, the values of an address's query, custom headers."""

from __future__ import annotations

import base64
import html
import json
import logging
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
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
# An error is an object in an object or two; what is nested deeper is not read.
_DEEPEST = 32
_LIBRARIES = ("httpx2", "httpcore2", "openai")
# A filter does not hold for the loggers below its own, and some of these are made by the first request.
_LATE = ("httpcore2.connection", "httpcore2.http11", "httpcore2.http2", "httpcore2.proxy", "httpcore2.socks")


@dataclass(frozen=True)
class Secrets:
    """Secret words, and each form in which a server or a library may return them: plain, quoted, in base64, in hex."""

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
        for begin, after in self._spans(text[: end + self._longest]):
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
        lowered = text.lower()
        if len(lowered) != len(text):
            # Positions must be those of the text, and a few letters become two.
            lowered = "".join(small if len(small := char.lower()) == 1 else char for char in text)
        found: list[tuple[int, int]] = []
        for form in self._forms:
            at = lowered.find(form)
            while at >= 0:
                found.append((at, at + len(form)))
                at = lowered.find(form, at + 1)
        merged: list[tuple[int, int]] = []
        for begin, end in sorted(found):
            if merged and begin < merged[-1][1]:
                merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
            else:
                merged.append((begin, end))
        return merged

    @cached_property
    def _forms(self) -> tuple[str, ...]:
        # In small letters: percent-encoding and hex have letters of either case.
        return tuple({form.lower() for word in self.words for form in _forms(word)})

    @cached_property
    def _longest(self) -> int:
        return max(map(len, self._forms), default=0)


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
