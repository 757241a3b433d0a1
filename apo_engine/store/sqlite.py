"""The store in one SQLite file below the cache folder. One thread of its own does all work on the file."""

from __future__ import annotations

import asyncio
import hmac
import sqlite3
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

from apo_engine.file_lock import FileLock
from apo_engine.store.memory import looks_at
from apo_engine.store.protocol import (
    Looks,
    RowFingerprints,
    Sighting,
    StoredEvent,
    StoredRun,
    StoreError,
    WriterLock,
)
from apo_engine.store.sqlite_file import SqliteFile, is_damage
from apo_engine.store.stored_values import bytes_of, count_of, key_of, looks_of, require_run, sighting_of, time_of

T = TypeVar("T")
_NAMES_AT_ONCE = 500
_DIGEST_BYTES = 16
# Whoever only looks whether an experiment has a writer holds its lock for an instant.
_LOCK_SECONDS = 0.1


class SqliteStore:
    """See `Store`. Makes no file before there is something to record."""

    def __init__(self, path: Path) -> None:
        self._file = SqliteFile(path)
        self._locks = path.parent / "locks"
        self._thread: ThreadPoolExecutor | None = None

    async def begin(self, run: str, experiment: str, event_format: int) -> None:
        """See `Store`."""
        now = time.time()
        values = (run, experiment, now, now, event_format)

        def insert(db: sqlite3.Connection) -> None:
            db.execute(
                "INSERT INTO runs (run, experiment, started, changed, event_format) VALUES (?, ?, ?, ?, ?)", values
            )

        await self._write(insert)

    async def append(self, run: str, events: Sequence[bytes]) -> None:
        """See `Store`."""

        def insert(db: sqlite3.Connection) -> None:
            found = db.execute("SELECT position FROM runs WHERE run = ?", (run,)).fetchone()
            if found is None:
                return
            last = db.execute("SELECT coalesce(max(number), 0) FROM events WHERE position = ?", found).fetchone()[0]
            rows = [(found[0], number, data) for number, data in enumerate(events, start=count_of(last) + 1)]
            db.executemany("INSERT INTO events VALUES (?, ?, ?)", rows)
            db.execute("UPDATE runs SET changed = ? WHERE position = ?", (time.time(), found[0]))

        await self._write(insert)

    async def finish(self, run: str) -> None:
        """See `Store`."""

        def update(db: sqlite3.Connection) -> None:
            db.execute("UPDATE runs SET finished = 1, changed = ? WHERE run = ?", (time.time(), run))

        await self._write(update)

    async def runs(
        self, *, begins_with: str = "", experiment: str | None = None, most: int | None = None
    ) -> tuple[StoredRun, ...]:
        """See `Store`."""

        def select(db: sqlite3.Connection) -> tuple[StoredRun, ...]:
            found = db.execute(
                "SELECT run, experiment, started, changed, finished, event_format FROM runs"
                " WHERE substr(run, 1, ?) = ? AND (? IS NULL OR experiment = ?) ORDER BY position DESC LIMIT ?",
                (len(begins_with), begins_with, experiment, experiment, -1 if most is None else most),
            ).fetchall()
            return tuple(self._stored(*require_run(*row)) for row in found)

        return await self._read(select, ())

    async def events(self, run: str, after: int = 0) -> tuple[StoredEvent, ...]:
        """See `Store`."""

        def select(db: sqlite3.Connection) -> tuple[StoredEvent, ...]:
            found = db.execute(
                "SELECT number, data FROM events WHERE number > ?"
                " AND position = (SELECT position FROM runs WHERE run = ?) ORDER BY number",
                (after, run),
            )
            return tuple(StoredEvent(count_of(number), bytes_of(data)) for number, data in found)

        return await self._read(select, ())

    async def size(self) -> tuple[int, int]:
        """See `Store`."""

        def count(db: sqlite3.Connection) -> tuple[int, int]:
            (runs,) = db.execute("SELECT count(*) FROM runs").fetchone()
            (size,) = db.execute("SELECT coalesce(sum(length(data)), 0) FROM events").fetchone()
            return int(runs), int(size)

        return await self._read(count, (0, 0))

    async def clear(self) -> None:
        """See `Store`."""

        def delete(db: sqlite3.Connection) -> None:
            db.execute("DELETE FROM events")
            db.execute("DELETE FROM runs")

        def shrink() -> None:
            db = self._file.connection(create=False)
            if db is not None:
                # Deleted text lies in the file until the file is written anew.
                db.execute("VACUUM")
                db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()

        if await self._read(lambda _: True, False):
            await self._write(delete)
            await self.do(shrink)

    async def lock(self, experiment: str, run: str) -> WriterLock | None:
        """See `Store`."""
        path = self._locks / experiment
        lock = await self.do(lambda: FileLock.acquire(path, note=run, seconds=_LOCK_SECONDS))
        return None if lock is None else _ThreadedLock(lock, self)

    async def writer(self, experiment: str) -> str | None:
        """See `Store`."""
        return await self.do(lambda: FileLock.holder(self._locks / experiment))

    async def sightings(self, fingerprints: Sequence[bytes]) -> Mapping[bytes, Sighting]:
        """See `Store`."""
        return await self._read(lambda db: _sightings(db, fingerprints), {})

    async def record_sightings(self, sightings: Mapping[bytes, Sighting]) -> None:
        """See `Store`."""

        def insert(db: sqlite3.Connection) -> None:
            names = _keyed(db, sightings)
            rows = [(names[name], sighting.side, int(sighting.shown)) for name, sighting in sightings.items()]
            db.executemany(
                "INSERT INTO sightings VALUES (?, ?, ?)"
                " ON CONFLICT (fingerprint) DO UPDATE SET shown = max(shown, excluded.shown)",
                rows,
            )

        if sightings:
            await self._write(insert)

    async def looks(self, rows: Sequence[RowFingerprints]) -> Looks:
        """See `Store`."""
        return await self._read(lambda db: _looks(db, rows), Looks(None, 0))

    async def record_look(
        self, rows: Sequence[RowFingerprints], experiment: str, prompt: Sequence[bytes] = ()
    ) -> Looks:
        """See `Store`."""

        def insert(db: sqlite3.Connection) -> Looks:
            prompts = [*_keyed(db, prompt).values()]
            opened = {number for (number,) in _selected(db, "SELECT execution FROM prompts WHERE name IN", prompts)}
            found = replace(_looks(db, rows), on_prompt=len(opened))
            values = (_keyed_name(db, experiment), found.earlier, found.opened, found.on_prompt)
            execution = db.execute(
                "INSERT INTO executions (experiment, earlier, opened, on_prompt) VALUES (?, ?, ?, ?)", values
            ).lastrowid
            db.executemany("INSERT INTO prompts VALUES (?, ?)", [(name, execution) for name in prompts])
            names = _keyed(db, (name for row in rows for name in row.recorded_as))
            db.executemany("INSERT INTO looks VALUES (?, ?)", [(name, execution) for name in names.values()])
            return found

        return await self._write(insert)

    async def complete_look(self, experiment: str, comparison: bytes) -> None:
        """See `Store`."""

        def update(db: sqlite3.Connection) -> None:
            names = _keyed(db, (experiment.encode(), comparison))
            db.execute(
                "UPDATE executions SET comparison = ?"
                " WHERE execution = (SELECT max(execution) FROM executions WHERE experiment = ?)",
                (names[comparison], names[experiment.encode()]),
            )

        await self._write(update)

    async def recorded_look(self, experiment: str, comparison: bytes | None = None) -> Looks | None:
        """See `Store`."""

        def select(db: sqlite3.Connection) -> Looks | None:
            digest = None if comparison is None else _keyed(db, [comparison])[comparison]
            found = db.execute(
                "SELECT earlier, opened, on_prompt FROM executions"
                " WHERE experiment = ? AND (? IS NULL OR comparison = ?) ORDER BY execution DESC LIMIT 1",
                (_keyed_name(db, experiment), digest, digest),
            ).fetchone()
            return None if found is None else replace(looks_of(*found), began=_began(db))

        return await self._read(select, None)

    async def notices(self) -> tuple[str, ...]:
        """See `Store`."""
        found, self._file.notices = tuple(self._file.notices), []
        return found

    async def close(self) -> None:
        """See `Store`."""
        if self._thread is not None:
            with suppress(StoreError):
                await self.do(self._file.close)
            self._thread.shutdown(wait=False)
            self._thread = None

    def _stored(
        self, run: str, experiment: str, started: float, changed: float, finished: int, event_format: int
    ) -> StoredRun:
        running = False
        # What may not be opened is locked by nobody who could write here.
        with suppress(OSError):
            running = not finished and FileLock.holder(self._locks / experiment) == run
        state = "finished" if finished else "running" if running else "unfinished"
        return StoredRun(run, experiment, started, changed, state, event_format)  # type: ignore[arg-type]

    async def _write(self, work: Callable[[sqlite3.Connection], T]) -> T:
        def transaction(db: sqlite3.Connection | None) -> T:
            assert db is not None
            db.execute("BEGIN IMMEDIATE")
            try:
                result = work(db)
                db.execute("COMMIT")
            except BaseException:
                with suppress(sqlite3.Error):
                    db.execute("ROLLBACK")
                raise
            return result

        return await self.do(lambda: self._recovering(transaction, create=True))

    async def _read(self, work: Callable[[sqlite3.Connection], T], nothing: T) -> T:
        def transaction(db: sqlite3.Connection | None) -> T:
            if db is None:
                return nothing
            db.execute("BEGIN")
            try:
                return work(db)
            finally:
                db.execute("ROLLBACK")

        return await self.do(lambda: self._recovering(transaction, create=False))

    def _recovering(self, work: Callable[[sqlite3.Connection | None], T], *, create: bool) -> T:
        """The result of work on the file. A damaged one holds nothing, and is replaced before something is written."""
        try:
            return work(self._file.connection(create=create))
        except sqlite3.DatabaseError as error:
            if not is_damage(error):
                raise
            if not create:
                return work(None)
            if not self._file.recover():
                raise
            return work(self._file.connection(create=True))

    async def do(self, work: Callable[[], T]) -> T:
        """What ``work`` returns, done in the store's thread.

        Raises:
            StoreError: it failed.
        """
        if self._thread is None:
            self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="apo-store")
        try:
            return await asyncio.get_running_loop().run_in_executor(self._thread, work)
        except (OSError, sqlite3.Error) as error:
            reason = error.strerror if isinstance(error, OSError) else None
            raise StoreError(reason or str(error)) from error


@dataclass(frozen=True, slots=True)
class _ThreadedLock:
    """A lock that is released in the store's thread, and in any case when the process ends."""

    lock: FileLock
    store: SqliteStore

    async def release(self) -> None:
        """See `WriterLock`."""
        with suppress(StoreError):
            await self.store.do(self.lock.release)


def _keyed(db: sqlite3.Connection, fingerprints: Iterable[bytes]) -> dict[bytes, bytes]:
    """The digests under which fingerprints are stored: without the store's key they say nothing of any text."""
    key = key_of(db.execute("SELECT key FROM secret LIMIT 2").fetchall())
    names: dict[bytes, bytes] = {}
    for name in fingerprints:
        if name not in names:
            names[name] = hmac.digest(key, name, "sha256")[:_DIGEST_BYTES]
    return names


def _keyed_name(db: sqlite3.Connection, name: str) -> bytes:
    return _keyed(db, [name.encode()])[name.encode()]


def _sightings(db: sqlite3.Connection, fingerprints: Sequence[bytes]) -> dict[bytes, Sighting]:
    plain = {stored: name for name, stored in _keyed(db, fingerprints).items()}
    found = _selected(db, "SELECT fingerprint, side, shown FROM sightings WHERE fingerprint IN", [*plain])
    return {plain[bytes(stored)]: sighting_of(side, shown) for stored, side, shown in found}


def _looks(db: sqlite3.Connection, rows: Sequence[RowFingerprints]) -> Looks:
    names = [name for row in rows for name in (*row.known_by, *row.hints)]
    plain = {stored: name for name, stored in _keyed(db, names).items()}
    executions: dict[bytes, set[int]] = {}
    for stored, number in _selected(db, "SELECT fingerprint, execution FROM looks WHERE fingerprint IN", [*plain]):
        executions.setdefault(plain[bytes(stored)], set()).add(count_of(number))
    return replace(looks_at(rows, executions, _sightings(db, names)), began=_began(db))


def _began(db: sqlite3.Connection) -> float:
    return time_of(db.execute("SELECT began FROM secret LIMIT 1").fetchone())


def _selected(db: sqlite3.Connection, statement: str, names: Sequence[bytes]) -> list[Any]:
    found: list[Any] = []
    for start in range(0, len(names), _NAMES_AT_ONCE):
        some = names[start : start + _NAMES_AT_ONCE]
        found += db.execute(f"{statement} ({', '.join('?' * len(some))})", some).fetchall()
    return found
