"""Answers in an SQLite file: opening, healing, reading and writing, all blocking."""

from __future__ import annotations

import contextlib
import logging
import math
import os
import sqlite3
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from apo_engine.file_lock import hold_lock
from apo_engine.models.layout import OtherLayoutError, file_id, prepare, set_unusable_aside
from apo_engine.private import (
    SIDE_FILES,
    ExposedError,
    NotPrivateError,
    open_private,
    private_folder,
    require_private_database,
)
from apo_engine.set_aside import set_aside_what_is_no_file

_LOG = logging.getLogger(__name__)
_BUSY_SECONDS = 10.0
_MOST_BYTES = 10 * 2**30
_DAY_SECONDS = 86_400.0
# How many answers make room at a time.
_EVICTED = 64
# ``stored`` is when an answer was stored, or last used.
_SCHEMA = (
    "CREATE TABLE IF NOT EXISTS answers"
    " (key TEXT PRIMARY KEY, value BLOB NOT NULL, stored REAL NOT NULL) WITHOUT ROWID",
    "CREATE INDEX IF NOT EXISTS answers_by_age ON answers (stored)",
)
_LAYOUT = 1


class AnswerStore:
    """A table of answers by key. Used from one thread; any number of processes may use the same file.

    A file that is no sound database, that has another layout than this version's, or that others can write to, is set
    aside under another name, and a new one begun; so is a folder of that name. If nothing can be written (a full disk,
    a read-only folder), reading finds nothing or what is there, writing does nothing, and one warning is logged. The
    same holds for a file, or a folder, that is a link or belongs to somebody else; nothing is read from it. Once the
    answers take ``most`` bytes, those that have not been used for longest make room for new ones; when an answer was
    used is known to the day.
    """

    def __init__(self, path: Path, most: int = _MOST_BYTES) -> None:
        self._path = path
        self._most = most
        self._connection: sqlite3.Connection | None = None
        self._unusable = False
        self._warned = False
        self._opened: tuple[int, int] | None = None

    def read(self, keys: Sequence[str]) -> Mapping[str, bytes]:
        """The values of those keys that have one."""
        for _ in range(2):
            connection = self._open()
            if connection is None:
                break
            try:
                found = {key: row for key in keys if (row := _row(connection, key)) is not None}
                _note_use(connection, {key: used for key, (_, used) in found.items()})
                return {key: value for key, (value, _) in found.items()}
            except sqlite3.DatabaseError as error:
                if not self._heal(error):
                    self._warn(error)
                    break
        return {}

    def write(self, answers: Mapping[str, bytes]) -> None:
        """Store these values; they are on the disk when this returns, or a warning was logged."""
        for _ in range(2):
            connection = self._open()
            if connection is None:
                return
            now = time.time()
            try:
                connection.execute("BEGIN IMMEDIATE")
                rows = [(key, value, now) for key, value in answers.items()]
                connection.executemany("INSERT OR REPLACE INTO answers VALUES (?, ?, ?)", rows)
                _make_room(connection, self._most)
                connection.execute("COMMIT")
                return
            except sqlite3.DatabaseError as error:
                with contextlib.suppress(sqlite3.Error):
                    connection.execute("ROLLBACK")
                if not self._heal(error):
                    self._warn(error)
                    return

    def count(self) -> int:
        """How many answers are stored."""
        connection = self._open()
        if connection is None:
            return 0
        try:
            return int(connection.execute("SELECT count(*) FROM answers").fetchone()[0])
        except sqlite3.DatabaseError as error:
            if not self._heal(error):
                self._warn(error)
            return 0

    def clear(self) -> int:
        """Delete every answer and give the space back; how many there were."""
        count = self.count()
        connection = self._open()
        if connection is not None:
            try:
                connection.execute("DELETE FROM answers")
                connection.execute("VACUUM")
                connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
            except sqlite3.DatabaseError as error:
                self._warn(error)
        return count

    def close(self) -> None:
        """Close the file."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _open(self) -> sqlite3.Connection | None:
        if self._connection is None and not self._unusable:
            try:
                self._connection = self._connect()
                self._opened = file_id(self._path)
            except (OSError, sqlite3.Error) as error:
                self._unusable = True
                self._warn(error)
        return self._connection

    def _connect(self) -> sqlite3.Connection:
        try:
            private_folder(self._path.parent, shared=True)
            with hold_lock(self._path, _BUSY_SECONDS):
                return self._open_sound()
        except NotPrivateError:
            raise
        except OSError as error:
            require_private_database(self._path, writable=False)
            # What is there was paid for.
            self._warn(error)
            return _reading(self._path)

    def _open_sound(self) -> sqlite3.Connection:
        """The file, or a new one in its place if it cannot be used."""
        for path in (self._path, *(Path(f"{self._path}{suffix}") for suffix in SIDE_FILES)):
            if (aside := set_aside_what_is_no_file(path)) is not None:
                _LOG.warning("%s is not a file; it is kept as %s, and a file takes its place.", path, aside)
        try:
            require_private_database(self._path)
        except ExposedError as error:
            self._set_aside(error)
            require_private_database(self._path)
        try:
            return _connected(self._path)
        except sqlite3.OperationalError:
            raise
        except sqlite3.DatabaseError as error:
            self._set_aside(error)
            require_private_database(self._path)
            return _connected(self._path)

    def _heal(self, error: sqlite3.DatabaseError) -> bool:
        """Set a damaged file aside; False when the error is of another kind."""
        # Damage is reported as the bare class; a full disk, a lock or a read-only file as OperationalError.
        if type(error) is not sqlite3.DatabaseError:
            return False
        self.close()
        try:
            with hold_lock(self._path, _BUSY_SECONDS):
                # Another process may have set it aside meanwhile, and begun a new one.
                if file_id(self._path) == self._opened:
                    self._set_aside(error)
        except OSError:
            self._unusable = True
            return False
        return True

    def _set_aside(self, error: Exception) -> None:
        self.close()
        aside = set_unusable_aside(self._path, error)
        with contextlib.suppress(OSError):
            # It keeps its content and loses the rights of others.
            os.close(open_private(aside, os.O_RDWR))
        if isinstance(error, ExposedError):
            reason = error.strerror
        else:
            reason = f"{error}" if isinstance(error, OtherLayoutError) else f"it is damaged: {error}"
        _LOG.warning("The answer cache %s cannot be used: %s. Kept as %s and begun anew.", self._path, reason, aside)

    def _warn(self, error: Exception) -> None:
        if not self._warned:
            self._warned = True
            _LOG.warning("Answers cannot be kept in %s (%s); the run goes on without.", self._path, error)


def _connected(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(path, timeout=_BUSY_SECONDS, isolation_level=None)
    try:
        prepare(connection, _SCHEMA, _LAYOUT)
        connection.execute("PRAGMA journal_mode = WAL").fetchall()
        # An answer is used, and asks for others, once it is on the disk: not even a power cut has it paid twice.
        connection.execute("PRAGMA synchronous = FULL")
    except BaseException:
        connection.close()
        raise
    return connection


def _reading(path: Path) -> sqlite3.Connection:
    """A connection to a file, or a folder, that cannot be written."""
    address = f"{path.absolute().as_uri()}?mode=ro"
    connection = sqlite3.connect(address, timeout=_BUSY_SECONDS, isolation_level=None, uri=True)
    try:
        connection.execute("SELECT count(*) FROM sqlite_schema").fetchall()
    except sqlite3.OperationalError:
        connection.close()
        # What stands beside the file cannot be written either, so nobody else writes it meanwhile.
        connection = sqlite3.connect(f"{address}&immutable=1", isolation_level=None, uri=True)
    return connection


def _row(connection: sqlite3.Connection, key: str) -> tuple[bytes, float] | None:
    row = connection.execute("SELECT value, stored FROM answers WHERE key = ?", (key,)).fetchone()
    if row is None:
        return None
    value, stored = row
    # SQLite keeps values of any kind in any column.
    if not isinstance(value, bytes) or not isinstance(stored, float):
        raise sqlite3.DatabaseError("an answer is stored as something else")
    return value, stored


def _note_use(connection: sqlite3.Connection, used: Mapping[str, float]) -> None:
    """Remember that these answers are used now, unless that was noted within a day; clocks are set back, too."""
    now = time.time()
    rows = [(now, key) for key, before in used.items() if abs(now - before) > _DAY_SECONDS]
    if rows:
        # Where nothing can be written, what is there is read all the same.
        with contextlib.suppress(sqlite3.OperationalError):
            connection.executemany("UPDATE answers SET stored = ? WHERE key = ?", rows)


def _make_room(connection: sqlite3.Connection, most: int) -> None:
    """Delete the answers that have not been used for longest until what is left takes ``most`` bytes at most.

    Those of a clock that was ahead go first: when they were used is not known, and they would outlive all others.
    """
    oldest = "DELETE FROM answers WHERE key IN (SELECT key FROM answers WHERE stored > ? ORDER BY stored LIMIT ?)"
    while _bytes_used(connection) > most:
        if not any(
            connection.execute(oldest, (after, _EVICTED)).rowcount for after in (time.time() + _DAY_SECONDS, -math.inf)
        ):
            return


def _bytes_used(connection: sqlite3.Connection) -> int:
    counted = ("page_count", "freelist_count", "page_size")
    pages, free, size = (int(connection.execute(f"PRAGMA {name}").fetchone()[0]) for name in counted)
    return (pages - free) * size
