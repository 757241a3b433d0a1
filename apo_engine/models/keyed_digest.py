"""Digests of what is secret, under a key that never leaves the user's private folder.

A plain hash of a short header or a weak key can be found by trying; one under a random key cannot, unless that key is
known too.
"""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import json
import logging
import os
import secrets
import stat
from pathlib import Path

from apo_engine.private import open_private, private_folder
from apo_engine.set_aside import set_aside

_LOG = logging.getLogger(__name__)
_FILE = "answers.key"
_BYTES = 32


class KeyedDigest:
    """HMAC-SHA256 under a random key, which is made when it is first needed.

    Args:
        folder: where the key is kept, readable by its owner only. None keeps none: digests then hold for this process.
    """

    def __init__(self, folder: Path | None) -> None:
        self._folder = folder
        self._key: bytes | None = None

    def of(self, value: object) -> str:
        """The digest, in hex, of a value that JSON can hold. Never raises: without a folder it is of this process."""
        if self._key is None:
            self._key = secrets.token_bytes(_BYTES) if self._folder is None else _kept_key(self._folder)
        canonical = json.dumps(value, sort_keys=True, separators=(",", ":"))
        return hmac.new(self._key, canonical.encode(), hashlib.sha256).hexdigest()


def _kept_key(folder: Path) -> bytes:
    """The key in the folder; a new one where there is none, or none that can be used."""
    path = folder / _FILE
    try:
        return _read(path) or _made(path)
    except OSError as error:
        _LOG.debug("The key of the answer cache cannot be kept in %s (%s).", path, error)
        return secrets.token_bytes(_BYTES)


def _read(path: Path) -> bytes | None:
    """The key in the file; None where there is none any more."""
    try:
        found = path.lstat()
    except FileNotFoundError:
        return None
    if stat.S_ISREG(found.st_mode) and found.st_size == _BYTES:
        if os.name == "posix" and found.st_uid != os.geteuid():
            # Whoever made it knows it.
            raise PermissionError(f"{path} belongs to somebody else")
        return path.read_bytes()
    aside = set_aside(path, "damaged")
    _LOG.warning(
        "The key of the answer cache was unreadable; it is kept as %s. Some answers are asked for anew.", aside
    )
    return None


def _made(path: Path) -> bytes:
    """A new key, or the one that another process has made meanwhile."""
    private_folder(path.parent, shared=True)
    draft = path.with_name(f"{_FILE}.{os.getpid()}-{secrets.token_hex(4)}")
    with os.fdopen(open_private(draft, os.O_WRONLY | os.O_EXCL), "wb") as out:
        out.write(secrets.token_bytes(_BYTES))
    try:
        # Unlike a renaming, a link takes nobody's place; where there are none, the last one made counts.
        with contextlib.suppress(FileExistsError):
            os.link(draft, path)
    except OSError:
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)
    return path.read_bytes()
