"""What the user has agreed to, on disk: read anew each time, and changed by one server at a time."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import msgspec

from apo_engine.decoding import decoded
from apo_engine.file_lock import locked
from apo_engine.private import NotPrivateError, private_folder
from apo_engine.private_files import PrivateFolder, warn_once

_NAME = "consent.json"
_VERSION = 3
# A server holds the lock for some milliseconds.
_LOCK_SECONDS = 2.0
_MOST_BYTES = 16 * 2**20


class Recipient(msgspec.Struct, frozen=True):
    """A role of a model at a host; ``proxy`` reads what is sent there."""

    role: str
    host: str
    encrypted: bool
    proxy: str = ""


class FileScope(msgspec.Struct, frozen=True):
    """An example file without links on its way, and what of it may leave.

    At most ``rows`` rows, of the file's ``columns`` alone; and as expected answers the column ``answers`` (empty:
    none). At least ``sealed`` rows stay on this machine.
    """

    path: str
    rows: int
    columns: tuple[str, ...]
    answers: str = ""
    sealed: int = 0

    def covers(self, needed: FileScope) -> bool:
        """Whether nothing but what was agreed to here would leave."""
        return (
            self.path == needed.path
            and needed.rows <= self.rows
            and needed.sealed >= self.sealed
            and set(needed.columns) <= set(self.columns)
            and needed.answers in ("", self.answers)
        )


class Grant(msgspec.Struct, frozen=True):
    """What may leave one workspace, and where to; ``sealed`` says that the sealed rows may, too.

    ``notices`` are what the question said of parameters that cost more or keep data elsewhere.
    """

    workspace: str
    recipients: tuple[Recipient, ...]
    files: tuple[FileScope, ...]
    sealed: bool
    notices: tuple[str, ...] = ()

    def covers(self, needed: Grant) -> bool:
        """Whether all of ``needed`` was agreed to here."""
        files = {one.path: one for one in self.files}
        return (
            self.workspace == needed.workspace
            and set(self.recipients) >= set(needed.recipients)
            and (self.sealed or not needed.sealed)
            and set(self.notices) >= set(needed.notices)
            and all(one.path in files and files[one.path].covers(one) for one in needed.files)
        )


class Remembered(msgspec.Struct, frozen=True):
    """All that was agreed to: what may be sent, and, by workspace and key, which code may be run."""

    version: int
    grants: tuple[Grant, ...] = ()
    code: tuple[tuple[str, str], ...] = ()


NOTHING = Remembered(_VERSION)


class ConsentFile:
    """The file in a folder of the user's. What cannot be read as ours, or belongs to somebody else, is no consent."""

    def __init__(self, folder: Path) -> None:
        self._folder = PrivateFolder(folder)
        self._state: tuple[int, ...] = ()
        self._remembered = NOTHING

    def read(self) -> Remembered:
        """What was agreed to so far, by any server of the user's."""
        try:
            with self._folder.open(_NAME) as stream:
                found = os.fstat(stream.fileno())
                state = (found.st_ino, found.st_mtime_ns, found.st_ctime_ns, found.st_size)
                if state != self._state:
                    self._state, self._remembered = state, _decoded(stream.read(_MOST_BYTES + 1))
        except NotPrivateError as error:
            warn_once(f"Remembered consent does not count, and you are asked again. {error}.")
            return NOTHING
        except OSError:
            return NOTHING
        return self._remembered

    def change(self, update: Callable[[Remembered], Remembered]) -> None:
        """Replace what is on disk by what ``update`` makes of it; it is there, and whole, when this returns.

        Raises:
            OSError: it cannot be written, or another server does not let go of it.
        """
        private_folder(self._folder.path, shared=True)
        with locked(self._folder.path / _NAME, _LOCK_SECONDS):
            before = self.read()
            after = update(before)
            if after != before:
                self._folder.write(_NAME, msgspec.json.encode(after))


def _decoded(data: bytes) -> Remembered:
    if len(data) > _MOST_BYTES:
        return NOTHING
    try:
        found = decoded(data, Remembered)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return NOTHING
    return found if found.version == _VERSION else NOTHING
