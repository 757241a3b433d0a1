"""What a request carries that nobody may read: a key, a password, the values of an address's query, custom headers."""

from __future__ import annotations

import base64
import logging
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from urllib.parse import quote, quote_plus

# What stands in place of a secret.
_STRUCK = "[key]"
# Striking out every "1" or "true" would leave nothing to read; no secret is that short.
_SHORTEST = 6
_LIBRARIES = ("httpx2", "httpcore2", "openai")
# A filter does not hold for the loggers below its own, and some of these are made by the first request.
_LATE = ("httpcore2.connection", "httpcore2.http11", "httpcore2.http2", "httpcore2.proxy", "httpcore2.socks")


@dataclass(frozen=True)
class Secrets:
    """Secret words, and each form in which a server or a library may give them back: plain, quoted, in base64."""

    words: tuple[str, ...] = field(default=(), repr=False)

    @staticmethod
    def of(words: Iterable[str | None], credentials: tuple[str, str] | None = None) -> Secrets:
        """Those of ``words`` that are there, and the user's name and password of basic authentication."""
        found = [word for word in words if word]
        if credentials is not None:
            found += [credentials[1], base64.b64encode(":".join(credentials).encode()).decode()]
        return Secrets(tuple(word for word in dict.fromkeys(found) if len(word) >= _SHORTEST))

    def struck(self, text: str) -> str:
        """The text with every secret struck out."""
        return self._pattern.sub(_STRUCK, text) if self.words else text

    @cached_property
    def _pattern(self) -> re.Pattern[str]:
        forms = {form for word in self.words for form in _forms(word)}
        # The longest first: a secret may begin with another one. Percent-encoding has letters of either case.
        return re.compile("|".join(re.escape(form) for form in sorted(forms, key=len, reverse=True)), re.IGNORECASE)


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


def _forms(word: str) -> Iterator[str]:
    yield word
    yield quote(word, safe="")
    yield quote(word)
    yield quote_plus(word)
    encoded = word.encode("utf-8", "surrogatepass")
    yield base64.b64encode(encoded).decode().rstrip("=")
    yield base64.urlsafe_b64encode(encoded).decode().rstrip("=")
    # As `repr` and JSON write it.
    yield repr(word)[1:-1]


def _loggers() -> Iterator[logging.Logger]:
    known = logging.root.manager.loggerDict
    for name in (*known, *_LATE):
        if name.partition(".")[0] in _LIBRARIES:
            yield logging.getLogger(name)
