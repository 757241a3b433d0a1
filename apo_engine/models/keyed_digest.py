"""Digests of what is secret, under a key that never leaves the user's private folder.

A plain hash of a short header or a weak key can be found by trying; one under a random key cannot, unless that key is
known too.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import logging
import os
import secrets
import time
from functools import lru_cache
from pathlib import Path

from apo_engine.private import ExposedError, open_private, private_folder
from apo_engine.private_files import PrivateFolder
from apo_engine.set_aside import set_aside, set_aside_what_is_no_file

_LOG = logging.getLogger(__name__)
_FILE = "answers.key"
_BYTES = 32
_TRIES, _PAUSE = 20, 0.02
_ANEW = "The key of the answer cache could not be read; it is kept as %s. Some answers are asked for anew."


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
            self._key = _key_of_this_process() if self._folder is None else _kept_key(self._folder)
        canonical = json.dumps(value, sort_keys=True, separators=(",", ":"))
        return hmac.new(self._key, canonical.encode(), hashlib.sha256).hexdigest()


def _kept_key(folder: Path) -> bytes:
    """The key in the folder; a new one if there is none, or none that can be used."""
    path = folder / _FILE
    try:
        private_folder(folder, shared=True)
        if (aside := set_aside_what_is_no_file(path)) is not None:
            _LOG.warning(_ANEW, aside)
        return _made(path) or _read(path) or _begun_anew(path)
    except OSError as error:
        _LOG.debug("The key of the answer cache cannot be kept in %s (%s).", path, error)
        return _key_of_this_process()


@lru_cache(maxsize=1)
def _key_of_this_process() -> bytes:
    return secrets.token_bytes(_BYTES)


def _made(path: Path) -> bytes | None:
    """A new key; None where there is a file already."""
    try:
        descriptor = open_private(path, os.O_WRONLY | os.O_EXCL)
    except FileExistsError:
        return None
    key = secrets.token_bytes(_BYTES)
    with os.fdopen(descriptor, "wb") as out:
        out.write(key)
    return key


def _read(path: Path) -> bytes | None:
    """The key in the file; None if it holds none, or if others may have written it."""
    for _ in range(_TRIES):
        try:
            key = PrivateFolder(path.parent).read(path.name)
        except ExposedError:
            return None
        if key:
            return key if len(key) == _BYTES else None
        # Another process has just made it.
        time.sleep(_PAUSE)
    return None


def _begun_anew(path: Path) -> bytes:
    _LOG.warning(_ANEW, set_aside(path, "damaged"))
    key = _made(path) or _read(path)
    if key is None:
        raise OSError(f"{path} cannot be read")
    return key
