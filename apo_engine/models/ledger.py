"""What was spent on which day, kept over restarts and shared by processes."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, timedelta
from pathlib import Path

from apo_engine.models.money import MOST, PICO, cap_of
from apo_engine.models.purse import DailyCaps
from apo_engine.private import require_private_database
from apo_engine.problems import BudgetError, Problem

_BUSY_SECONDS = 5.0
_DAYS_KEPT = 31
_SCHEMA = (
    "CREATE TABLE IF NOT EXISTS spending "
    "(day TEXT, name TEXT, calls INTEGER, pico INTEGER, PRIMARY KEY (day, name)) WITHOUT ROWID"
)
# Never below nothing, and never beyond what 64 bits hold, where the database would go on in floats.
_ADD = (
    f"INSERT INTO spending VALUES (?, ?, ?, max(0, ?)) ON CONFLICT (day, name) DO UPDATE "
    f"SET calls = calls + excluded.calls, pico = max(0, min(pico + ?, {MOST}))"
)
# What was spent on days that are still to come was spent by a clock that was ahead, or has been set back since.
_SPENT = "SELECT sum(calls), sum(pico) FROM spending WHERE name = ? AND day BETWEEN ? AND ?"
# By what was counted, not by the clock: one that is ahead for a moment would forget what was spent today.
_FORGET = "DELETE FROM spending WHERE day NOT IN (SELECT DISTINCT day FROM spending ORDER BY day DESC LIMIT ?)"


class Ledger:
    """A table of what was spent by day and name, in a file that only its owner can read.

    Any number of processes may use the same file: what one reserves counts for the others at once.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._connection: sqlite3.Connection | None = None

    def reserve(self, day: str, name: str, pico: int, caps: DailyCaps) -> bool:
        """Count one request of at most ``pico``, if the caps leave room for it beside what is counted for this day and
        for the month after it: a clock that is set back begins no day anew.

        Raises:
            BudgetError: the ledger cannot be read or written.
        """
        with self._open() as ledger:
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
        with self._open() as ledger:
            ledger.execute(_ADD, (day, name, 0, pico, pico))

    def spent(self, day: str, name: str) -> tuple[int, float]:
        """The requests and the USD that are counted for a day and the month after it, those under way among them.

        Raises:
            BudgetError: the ledger cannot be read or written.
        """
        with self._open() as ledger:
            calls, pico = self._spent(ledger, day, name)
            return calls, pico / PICO

    @staticmethod
    def _spent(ledger: sqlite3.Connection, day: str, name: str) -> tuple[int, int]:
        last = (date.fromisoformat(day) + timedelta(days=_DAYS_KEPT)).isoformat()
        calls, pico = ledger.execute(_SPENT, (name, day, last)).fetchone()
        return int(calls or 0), int(pico or 0)

    @contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        """The table, in a transaction that no other process writes in."""
        try:
            ledger = self._connection or self._made()
            ledger.execute("BEGIN IMMEDIATE")
            try:
                yield ledger
            except BaseException:
                ledger.execute("ROLLBACK")
                raise
            ledger.execute("COMMIT")
        except (sqlite3.Error, OSError) as error:
            message = f"What is spent cannot be counted in {self._path}: {error}."
            remedy = "Make the file writable or remove it, or take the cap of the day away."
            raise BudgetError(Problem("ledger-unusable", message, remedy)) from None

    def _made(self) -> sqlite3.Connection:
        require_private_database(self._path)
        ledger = sqlite3.connect(self._path, timeout=_BUSY_SECONDS, isolation_level=None)
        ledger.execute("PRAGMA journal_mode = WAL")
        # What a power cut takes from the count could be spent again.
        ledger.execute("PRAGMA synchronous = FULL")
        ledger.execute(_SCHEMA)
        ledger.execute(_FORGET, (_DAYS_KEPT,))
        self._connection = ledger
        return ledger

    def close(self) -> None:
        """Let go of the file."""
        with contextlib.suppress(sqlite3.Error):
            if self._connection is not None:
                self._connection.close()
        self._connection = None
