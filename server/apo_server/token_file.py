"""The token by which a client of a socket shows that the user started it: `--token-file`."""

from __future__ import annotations

import hashlib
import hmac
import os
import re
import stat
from pathlib import Path
from typing import Self

# At least 64 random bits, written in hexadecimal; a token also travels in addresses.
_SHORTEST, _LONGEST = 16, 1024
_TOKEN = re.compile(rb"[\x21-\x7e]{%d,%d}" % (_SHORTEST, _LONGEST))


class BadTokenFile(Exception):
    """A token file cannot be used; the message says why and what to do, and quotes nothing of it."""


class Token:
    """A secret that user, server and editor share. Only its digest is held."""

    def __init__(self, secret: bytes) -> None:
        self._digest = _digest(secret)

    def matches(self, value: object) -> bool:
        """Whether a value is this token. How long this takes does not depend on how much of it is right."""
        text = value if isinstance(value, str) else ""
        equal = hmac.compare_digest(_digest(text.encode("utf-8", "surrogatepass")), self._digest)
        return equal and isinstance(value, str)

    @classmethod
    def read(cls, path: Path) -> Self:
        """The token in a file, without the line break at its end.

        Raises:
            BadTokenFile: the file is missing or a link, is not a regular file, belongs to somebody else, can be read
                or written by others, or does not hold one token.
        """
        content = _content(path)
        secret = content.removesuffix(b"\n").removesuffix(b"\r")
        if not _TOKEN.fullmatch(secret):
            raise BadTokenFile(
                f"does not hold a token. Write one line of {_SHORTEST} to {_LONGEST} letters, digits and signs into it"
            )
        return cls(secret)


def _content(path: Path) -> bytes:
    # A link could lead to a file of somebody else; opening a pipe would wait for somebody to write to it.
    flags = os.O_RDONLY
    for name in ("O_NOFOLLOW", "O_NONBLOCK", "O_CLOEXEC", "O_BINARY"):
        flags |= getattr(os, name, 0)
    try:
        if path.is_symlink():
            raise BadTokenFile("is a link. Name the file itself")
        descriptor = os.open(path, flags)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "the name is not valid"
        raise BadTokenFile(f"cannot be opened: {reason}") from None
    try:
        _check(os.fstat(descriptor))
        return os.read(descriptor, _LONGEST + 3)
    except OSError as error:
        raise BadTokenFile(f"cannot be read: {error.strerror}") from None
    finally:
        os.close(descriptor)


def _check(found: os.stat_result) -> None:
    if not stat.S_ISREG(found.st_mode):
        raise BadTokenFile("is not a regular file")
    if os.name != "posix":
        return
    if found.st_uid != os.geteuid():
        raise BadTokenFile("belongs to another user. Make a file of your own")
    if stat.S_IMODE(found.st_mode) & 0o077:
        raise BadTokenFile("can be read or changed by other users. Run chmod 600 on it")


def _digest(secret: bytes) -> bytes:
    return hashlib.sha256(secret).digest()
