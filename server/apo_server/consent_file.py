"""What the user has agreed to, on disk: read anew each time, and changed by one server at a time."""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import msgspec

from apo_engine.decoding import decoded
from apo_engine.file_lock import hold_lock
from apo_engine.private import NotPrivateError, private_folder
from apo_engine.private_files import PrivateFolder, warn_once
from apo_server.addresses import holds_any, is_held_by

_NAME = "consent.json"
_VERSION = 6
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
    none). At least ``kept`` rows stay on this machine.
    """

    path: str
    rows: int
    columns: tuple[str, ...]
    answers: str = ""
    kept: int = 0

    def covers(self, needed: FileScope) -> bool:
        """Whether nothing but what was agreed to here would leave."""
        return (
            self.path == needed.path
            and needed.rows <= self.rows
            and needed.kept >= self.kept
            and set(needed.columns) <= set(self.columns)
            and needed.answers in ("", self.answers)
        )


class IncludedText(msgspec.Struct, frozen=True):
    """A file without links on its way whose text may leave beside the prompt's, as long as it has this digest."""

    path: str
    digest: str


class Grant(msgspec.Struct, frozen=True):
    """What may leave one workspace, and where to; ``sealed`` says that the sealed rows may, too.

    ``notices`` are what the question said of parameters that cost more or keep data elsewhere. A run makes at most
    ``calls`` calls, for at most ``usd``; None where the price is unknown. The prompt itself may change, ``texts`` that
    it includes may not.
    """

    workspace: str
    recipients: tuple[Recipient, ...]
    files: tuple[FileScope, ...]
    sealed: bool
    notices: tuple[str, ...] = ()
    calls: int = 0
    usd: float | None = 0.0
    texts: tuple[IncludedText, ...] = ()

    def covers(self, needed: Grant) -> bool:
        """Whether all of ``needed`` was agreed to here."""
        files = {one.path: one for one in self.files}
        return (
            self.workspace == needed.workspace
            and set(self.recipients) >= set(needed.recipients)
            and (self.sealed or not needed.sealed)
            and set(self.notices) >= set(needed.notices)
            and set(self.texts) >= set(needed.texts)
            and needed.calls <= self.calls
            and self._affords(needed.usd)
            and all(one.path in files and files[one.path].covers(one) for one in needed.files)
        )

    @property
    def paths(self) -> tuple[str, ...]:
        """The files whose content may leave."""
        return (*(file.path for file in self.files), *(text.path for text in self.texts))

    def concerns(self, folder: str) -> bool:
        """Whether it is for a folder, given by its address: for a workspace in it, or for files that lie in it."""
        return holds_any(folder, self.workspace, self.paths)

    def _affords(self, usd: float | None) -> bool:
        """Whether a cost was agreed to. A yes to an unknown price is none to a known one."""
        if usd is None or self.usd is None:
            return usd in (0, self.usd)
        return usd <= self.usd


class Remembered(msgspec.Struct, frozen=True):
    """All that was agreed to: what may be sent, and, by workspace and key, which code may be run.

    ``withdrawals`` holds a random mark of the last withdrawal for each workspace that had one.
    """

    version: int
    grants: tuple[Grant, ...] = ()
    code: tuple[tuple[str, str], ...] = ()
    withdrawals: dict[str, str] = {}

    def withdrawal(self, workspace: str, paths: Iterable[str] = ()) -> str:
        """The mark of the last withdrawals that end consent in a workspace to send the files at ``paths``.

        Those are the withdrawals for folders that hold the workspace or any of the files. Empty if there was none.
        """
        paths = tuple(paths)
        marks = (mark for folder, mark in self.withdrawals.items() if holds_any(folder, workspace, paths))
        return " ".join(sorted(marks))

    def without(self, workspace: str) -> Remembered:
        """What is left after a withdrawal for a workspace, which ends consent in all that it holds.

        Consent of another workspace to send files from this one ends, too.
        """
        return msgspec.structs.replace(
            self,
            grants=tuple(one for one in self.grants if not one.concerns(workspace)),
            code=tuple(key for key in self.code if not is_held_by(key[0], workspace)),
            withdrawals={**self.withdrawals, workspace: secrets.token_hex(8)},
        )


NOTHING = Remembered(_VERSION)


@dataclass(frozen=True, slots=True)
class Withdrawals:
    """The withdrawals so far; ``remembered`` is None if nobody knows, as the file cannot be read now."""

    remembered: Remembered | None

    def mark(self, workspace: str, paths: Iterable[str] = ()) -> str:
        """See `Remembered.withdrawal`. If nobody knows, there may have been one: the mark is like no other one."""
        if self.remembered is None:
            return secrets.token_hex(8)
        return self.remembered.withdrawal(workspace, paths)


class ConsentFile:
    """The file in a folder of the user's. What cannot be read as ours, or belongs to somebody else, is no consent."""

    def __init__(self, folder: Path) -> None:
        self._folder = PrivateFolder(folder)
        self._state: tuple[int, ...] = ()
        self._remembered = NOTHING
        # What the last look at the file's name found, and what the file held then.
        self._looked_at: tuple[int, ...] | None = None
        self._held = NOTHING

    def read(self) -> Remembered:
        """What was agreed to so far, by any server of the user's; nothing if it cannot be read now."""
        try:
            return self._read()
        except OSError:
            return NOTHING

    def _read(self) -> Remembered:
        try:
            with self._folder.open(_NAME) as stream:
                state = _state_of(os.fstat(stream.fileno()))
                if state != self._state:
                    self._state, self._remembered = state, _decoded(stream.read(_MOST_BYTES + 1))
        except NotPrivateError as error:
            warn_once(f"Remembered consent does not count, and you are asked again. {error}.")
            return NOTHING
        except FileNotFoundError:
            return NOTHING
        return self._remembered

    def withdrawals(self) -> Withdrawals:
        """The withdrawals so far, by any server of the user's.

        It costs one look at the file's name unless the file has changed, so it can be asked before each request.
        """
        try:
            state = _state_of((self._folder.path / _NAME).lstat())
        except FileNotFoundError:
            state = ()
        except OSError:
            return Withdrawals(None)
        if state != self._looked_at:
            try:
                self._held = self._read()
            except OSError:
                return Withdrawals(None)
            # What cannot be read now may be read soon.
            self._looked_at = None if state and self._held is NOTHING else state
        return Withdrawals(self._held)

    def change(self, update: Callable[[Remembered], Remembered]) -> None:
        """Replace what is on disk by what ``update`` makes of it; it is there, and whole, when this returns.

        Raises:
            OSError: it cannot be written, or another server does not let go of it.
        """
        private_folder(self._folder.path, shared=True)
        with hold_lock(self._folder.path / _NAME, _LOCK_SECONDS):
            before = self._read()
            after = update(before)
            if after != before:
                self._folder.write(_NAME, msgspec.json.encode(after))


def _state_of(found: os.stat_result) -> tuple[int, ...]:
    return found.st_ino, found.st_mtime_ns, found.st_ctime_ns, found.st_size


def _decoded(data: bytes) -> Remembered:
    if len(data) > _MOST_BYTES:
        return NOTHING
    try:
        found = decoded(data, Remembered)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return NOTHING
    return found if found.version == _VERSION else NOTHING
