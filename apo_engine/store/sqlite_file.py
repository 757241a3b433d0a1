"""The SQLite file of the store: opened for its owner alone, brought to the present schema, or set aside."""

from __future__ import annotations

import os
import re
import secrets
import sqlite3
import time
from contextlib import suppress
from pathlib import Path

from apo_engine.file_lock import hold_lock
from apo_engine.private import ExposedError, require_private_database
from apo_engine.set_aside import set_aside, set_database_aside
from apo_engine.store.protocol import StoreError

_BUSY_SECONDS = 10.0
# The steps from each schema version to the next; the first makes a new store.
_MIGRATIONS: tuple[tuple[str, ...], ...] = (
    (
        "CREATE TABLE secret (key BLOB NOT NULL)",
        "CREATE TABLE runs (position INTEGER PRIMARY KEY AUTOINCREMENT, run TEXT NOT NULL UNIQUE,"
        " experiment TEXT NOT NULL, started REAL NOT NULL, changed REAL NOT NULL, finished INTEGER NOT NULL DEFAULT 0,"
        " event_format INTEGER NOT NULL)",
        "CREATE INDEX runs_by_experiment ON runs (experiment)",
        "CREATE TABLE events (position INTEGER NOT NULL, number INTEGER NOT NULL, data BLOB NOT NULL,"
        " PRIMARY KEY (position, number)) WITHOUT ROWID",
        "CREATE TABLE sightings (fingerprint BLOB PRIMARY KEY, side TEXT NOT NULL, shown INTEGER NOT NULL)"
        " WITHOUT ROWID",
        "CREATE TABLE executions (execution INTEGER PRIMARY KEY AUTOINCREMENT, experiment BLOB NOT NULL,"
        " earlier INTEGER, opened INTEGER NOT NULL)",
        "CREATE INDEX executions_by_experiment ON executions (experiment)",
        "CREATE TABLE looks (fingerprint BLOB NOT NULL, execution INTEGER NOT NULL,"
        " PRIMARY KEY (fingerprint, execution)) WITHOUT ROWID",
    ),
    ("ALTER TABLE executions ADD COLUMN comparison BLOB",),
    (
        "ALTER TABLE executions ADD COLUMN on_prompt INTEGER NOT NULL DEFAULT 0",
        "CREATE TABLE prompts (name BLOB NOT NULL, execution INTEGER NOT NULL, PRIMARY KEY (name, execution))"
        " WITHOUT ROWID",
        "ALTER TABLE secret ADD COLUMN began REAL",
        # Of an older store, only its runs say when it began.
        "UPDATE secret SET began ="
        " coalesce((SELECT min(started) FROM runs), (julianday('now') - julianday('1970-01-01')) * 86400.0)",
    ),
)
SCHEMA_VERSION = len(_MIGRATIONS)
# The folders of an earlier version, and the names that it gave to what is in them.
_OLD_LAYOUT = {"runs": re.compile(r"[0-9a-f]{12}\.jsonl(\.part)?"), "holdouts": re.compile(r"[0-9a-f]{16}")}


class _OtherVersionError(Exception):
    """The file belongs to a later version of this program."""


class SqliteFile:
    """Opens the file when it is first needed. Used from one thread; any number of processes may use the same file.

    A file of an older schema is migrated. A damaged one, and one of a newer schema, holds nothing for a reader; before
    something is written, it is set aside under another name, and a new one is begun. ``notices`` then says so.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._connection: sqlite3.Connection | None = None
        self._inode = 0
        self.notices: list[str] = []

    def connection(self, *, create: bool) -> sqlite3.Connection | None:
        """The open file; None if there is none that can be read, and none is to be made.

        Raises:
            StoreError: it cannot be opened.
        """
        if self._connection is None:
            if not create and not os.path.lexists(self._path):
                return None
            try:
                self._open(set_aside=create)
            except (OSError, sqlite3.Error) as error:
                # What cannot be written can still be read, if it is the owner's.
                self._connection = None if create else self._read_only()
                if self._connection is None:
                    raise StoreError(_reason(error)) from error
        return self._connection

    def recover(self) -> bool:
        """Set a file aside that turned out to be damaged; False if that cannot be done."""
        self.close()
        try:
            with hold_lock(self._path, _BUSY_SECONDS):
                # Another process may have set it aside already.
                if self._path.exists() and self._path.stat().st_ino == self._inode:
                    self._set_aside("damaged", "it is not a sound database")
        except OSError:
            return False
        return True

    def close(self) -> None:
        """Close the file."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    def _open(self, *, set_aside: bool) -> None:
        with hold_lock(self._path, _BUSY_SECONDS):
            if set_aside:
                self._set_old_layout_aside()
            try:
                self._connection = self._connected()
            except (_OtherVersionError, ExposedError, sqlite3.DatabaseError) as error:
                if isinstance(error, sqlite3.DatabaseError) and not is_damage(error):
                    raise
                if not set_aside:
                    return
                if isinstance(error, _OtherVersionError):
                    self._set_aside("newer", "a later version of this program wrote it")
                elif isinstance(error, ExposedError):
                    self._set_aside("exposed", error.strerror or str(error))
                else:
                    self._set_aside("damaged", "it is not a sound database")
                self._connection = self._connected()
            self._inode = self._path.stat().st_ino

    def _connected(self) -> sqlite3.Connection:
        require_private_database(self._path)
        connection = sqlite3.connect(self._path, timeout=_BUSY_SECONDS, isolation_level=None, check_same_thread=False)
        try:
            connection.execute("PRAGMA journal_mode = WAL").fetchall()
            # A look counts once it is on the disk: not even a power cut may lose it after the rows were sent.
            connection.execute("PRAGMA synchronous = FULL")
            connection.execute("PRAGMA secure_delete = ON").fetchall()
            _migrate(connection)
        except BaseException:
            connection.close()
            raise
        return connection

    def _read_only(self) -> sqlite3.Connection | None:
        """The file as it is, unless it cannot be read or has another schema."""
        address = f"{self._path.absolute().as_uri()}?mode=ro"
        # If its side files cannot be made, nobody writes the file meanwhile.
        for more in ("", "&immutable=1"):
            try:
                require_private_database(self._path, writable=False)
                connection = sqlite3.connect(
                    f"{address}{more}", timeout=_BUSY_SECONDS, isolation_level=None, uri=True, check_same_thread=False
                )
            except (OSError, sqlite3.Error):
                return None
            with suppress(sqlite3.Error):
                if _version(connection) == SCHEMA_VERSION:
                    return connection
            connection.close()
        return None

    def _set_aside(self, kind: str, reason: str) -> None:
        aside = set_database_aside(self._path, kind)
        self.notices.append(
            f"The store {self._path} cannot be used ({reason}). It was renamed to {aside.name}, and a new one begun: "
            "earlier runs and earlier looks at hold-out rows are unknown."
        )

    def _set_old_layout_aside(self) -> None:
        """Rename the folders in which an earlier version kept runs and looks."""
        renamed = []
        for name, made_by_us in _OLD_LAYOUT.items():
            folder = self._path.with_name(name)
            if folder.is_dir() and not folder.is_symlink() and _holds_only(folder, made_by_us):
                renamed.append(set_aside(folder, "old").name)
        if renamed:
            self.notices.append(
                f"Runs of an earlier version cannot be read. They were renamed to {' and '.join(renamed)} "
                f"in {self._path.parent}: earlier looks at hold-out rows are unknown."
            )


def is_damage(error: sqlite3.Error) -> bool:
    """Whether the file is damaged."""
    # Damage is reported as the bare class; a full disk, a lock or a read-only file as OperationalError.
    return type(error) is sqlite3.DatabaseError


def _migrate(connection: sqlite3.Connection) -> None:
    version = _version(connection)
    if version > SCHEMA_VERSION:
        raise _OtherVersionError
    if version == SCHEMA_VERSION:
        return
    connection.execute("BEGIN IMMEDIATE")
    try:
        for steps in _MIGRATIONS[version:]:
            for statement in steps:
                connection.execute(statement)
        if version == 0:
            connection.execute("INSERT INTO secret VALUES (?, ?)", (secrets.token_bytes(32), time.time()))
        connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
        connection.execute("COMMIT")
    except BaseException:
        with suppress(sqlite3.Error):
            connection.execute("ROLLBACK")
        raise


def _version(connection: sqlite3.Connection) -> int:
    return int(connection.execute("PRAGMA user_version").fetchone()[0])


def _holds_only(folder: Path, name: re.Pattern[str]) -> bool:
    names = [entry.name for entry in folder.iterdir()]
    return bool(names) and all(map(name.fullmatch, names))


def _reason(error: OSError | sqlite3.Error) -> str:
    return (error.strerror or str(error)) if isinstance(error, OSError) else str(error)
