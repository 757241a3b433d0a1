"""What was spent on which day, kept over restarts and shared by processes."""

from __future__ import annotations

import contextlib
import logging
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from apo_engine.file_lock import hold_lock
from apo_engine.models.layout import file_id, prepare, set_unusable_aside
from apo_engine.models.money import MOST, PICO, cap_of
from apo_engine.models.purse import DailyCaps
from apo_engine.private import private_folder, require_private_database
from apo_engine.problems import BudgetError, Problem
from apo_engine.set_aside import set_aside_what_is_no_file

_LOG = logging.getLogger(__name__)
_BUSY_SECONDS = 5.0
_SCHEMA = (
    "CREATE TABLE IF NOT EXISTS spending "
    "(day TEXT, name TEXT, calls INTEGER, pico INTEGER, PRIMARY KEY (day, name)) WITHOUT ROWID",
)
_LAYOUT = 1
# The day on which a ledger was set aside stands under a name that no workspace has: nobody knows what was spent then.
_UNKNOWN = ""
_IS_UNKNOWN = "SELECT 1 FROM spending WHERE day >= ? AND name = ?"
# Never below nothing, and never beyond what 64 bits hold, where the database would go on in floats.
_ADD = (
    f"INSERT INTO spending VALUES (?, ?, ?, max(0, ?)) ON CONFLICT (day, name) DO UPDATE "
    f"SET calls = calls + excluded.calls, pico = max(0, min(pico + ?, {MOST}))"
)
# What was spent on days that are still to come was spent by a clock that was ahead, or has been set back since.
_SPENT = "SELECT sum(calls), sum(pico) FROM spending WHERE name = ? AND day >= ?"


class Ledger:
    """A table of what was spent by day and name, in a file that only its owner can read.

    Any number of processes may use the same file: what one reserves counts for the others at once. A file that is no
    sound database, or that has another layout than this version's, is set aside under another name and begun anew. What
    was spent that day is then unknown, so nothing more leaves under a cap until the next day.

    A day's spending includes all recorded later days, so setting the clock back starts no new day. If the clock was
    ahead once, what was spent then counts for every day until that date, or until the file is removed. No day is ever
    deleted: by whatever rule, a wrong clock could then delete today. A year takes about 20 kB per workspace.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._connection: sqlite3.Connection | None = None
        self._opened: tuple[int, int] | None = None

    def reserve(self, day: str, name: str, pico: int, caps: DailyCaps) -> bool:
        """Count one request of at most ``pico``, if the caps leave room for it beside what is counted for this day and
        all later ones.

        Raises:
            BudgetError: the ledger cannot be read or written.
        """
        with self._open(day) as ledger:
            if caps != DailyCaps() and ledger.execute(_IS_UNKNOWN, (day, _UNKNOWN)).fetchone():
                raise _unknown(self._path)
            calls, spent = self._spent(ledger, day, name)
            most = cap_of(caps.usd)
            if (caps.calls is not None and calls >= caps.calls) or (most is not None and spent + pico > most):
                return False
            ledger.execute(_ADD, (day, name, 1, pico, pico))
            return True

    def correct(self, day: str, name: str, pico: int) -> None:
        """Add money to what is counted; less than nothing gives back.

        Raises:
            BudgetError: the ledger cannot be read or written.
        """
        with self._open(day) as ledger:
            ledger.execute(_ADD, (day, name, 0, pico, pico))

    def spent(self, day: str, name: str) -> tuple[int, float]:
        """The requests and the USD that are counted for a day and all later ones, those under way among them.

        Raises:
            BudgetError: the ledger cannot be read or written.
        """
        with self._open(day) as ledger:
            calls, pico = self._spent(ledger, day, name)
            return calls, pico / PICO

    @staticmethod
    def _spent(ledger: sqlite3.Connection, day: str, name: str) -> tuple[int, int]:
        calls, pico = ledger.execute(_SPENT, (name, day)).fetchone()
        return int(calls or 0), int(pico or 0)

    @contextmanager
    def _open(self, day: str) -> Iterator[sqlite3.Connection]:
        """The table, in a transaction that no other process writes in."""
        try:
            ledger = self._connection or self._made(day)
            ledger.execute("BEGIN IMMEDIATE")
            try:
                yield ledger
            except BaseException:
                ledger.execute("ROLLBACK")
                raise
            ledger.execute("COMMIT")
        except (sqlite3.Error, OSError) as error:
            # Damage is reported as the bare class; a full disk, a lock or a read-only file as another.
            if type(error) is sqlite3.DatabaseError:
                self.close()
                with contextlib.suppress(OSError, sqlite3.Error):
                    with hold_lock(self._path, _BUSY_SECONDS):
                        # Another process may have set it aside meanwhile, and begun a new one.
                        if file_id(self._path) == self._opened:
                            self._begin_anew(error, day)
                    raise _unknown(self._path) from None
            message = f"What is spent cannot be counted in {self._path}: {error}."
            remedy = "Make the file writable or remove it, or take the cap of the day away."
            raise BudgetError(Problem("ledger-unusable", message, remedy)) from None

    def _made(self, day: str) -> sqlite3.Connection:
        private_folder(self._path.parent, shared=True)
        with hold_lock(self._path, _BUSY_SECONDS):
            if (aside := set_aside_what_is_no_file(self._path)) is not None:
                self._mark(self._connect(), day, f"It is not a file. Kept as {aside}")
            try:
                return self._connection or self._connect()
            except sqlite3.OperationalError:
                raise
            except sqlite3.DatabaseError as error:
                return self._begin_anew(error, day)

    def _connect(self) -> sqlite3.Connection:
        require_private_database(self._path)
        ledger = sqlite3.connect(self._path, timeout=_BUSY_SECONDS, isolation_level=None)
        try:
            prepare(ledger, _SCHEMA, _LAYOUT)
            ledger.execute("PRAGMA journal_mode = WAL")
            # What a power cut takes from the count could be spent again.
            ledger.execute("PRAGMA synchronous = FULL")
        except BaseException:
            ledger.close()
            raise
        self._connection, self._opened = ledger, file_id(self._path)
        return ledger

    def _begin_anew(self, error: sqlite3.DatabaseError, day: str) -> sqlite3.Connection:
        aside = set_unusable_aside(self._path, error)
        return self._mark(self._connect(), day, f"It cannot be used: {error}. Kept as {aside}")

    def _mark(self, ledger: sqlite3.Connection, day: str, reason: str) -> sqlite3.Connection:
        """Remember that what was spent on a day is unknown."""
        ledger.execute(_ADD, (day, _UNKNOWN, 0, 0, 0))
        _LOG.warning("The record of spending %s is begun anew. %s. Today counts as spent.", self._path, reason)
        return ledger

    def close(self) -> None:
        """Let go of the file."""
        with contextlib.suppress(sqlite3.Error):
            if self._connection is not None:
                self._connection.close()
        self._connection = None


def _unknown(path: Path) -> BudgetError:
    message = f"What was spent today is unknown: {path} could not be read and was set aside."
    remedy = "Continue tomorrow, or take the daily limit away. Cached answers are kept."
    return BudgetError(Problem("ledger-unusable", message, remedy))
