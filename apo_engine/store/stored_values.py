"""What is read from the store's file: SQLite keeps values of any kind in any column, so each one is checked."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from typing import Any, get_args

from apo_engine.store.protocol import Looks, Side, Sighting

_KEY_BYTES = 32
_SIDES = get_args(Side)
# The most whole numbers that SQLite keeps end here; a count is far below.
_MOST = 2**62


def key_of(found: Sequence[Sequence[Any]]) -> bytes:
    """The secret key of a store, given the rows of its table.

    Raises:
        sqlite3.DatabaseError: there is not exactly one, or it is not a key.
    """
    if len(found) != 1 or not isinstance(found[0][0], bytes) or len(found[0][0]) != _KEY_BYTES:
        raise _damage("its key")
    return found[0][0]


def sighting_of(side: Any, shown: Any) -> Sighting:
    """A sighting.

    Raises:
        sqlite3.DatabaseError: the values are not one.
    """
    if side not in _SIDES or shown not in (0, 1):
        raise _damage("a sighting of a row")
    return Sighting(side, bool(shown))


def looks_of(earlier: Any, opened: Any, on_prompt: Any) -> Looks:
    """The looks that an execution was recorded with.

    Raises:
        sqlite3.DatabaseError: the values are not counts.
    """
    return Looks(None if earlier is None else count_of(earlier) or None, count_of(opened), count_of(on_prompt))


def time_of(found: Sequence[Any] | None) -> float:
    """Seconds since 1970, given a row of one column.

    Raises:
        sqlite3.DatabaseError: there is no row, or it holds something else.
    """
    if found is None or not isinstance(found[0], float):
        raise _damage("the time at which it began")
    return found[0]


def count_of(value: Any) -> int:
    """A whole number from 0.

    Raises:
        sqlite3.DatabaseError: it is something else.
    """
    if not isinstance(value, int) or not 0 <= value <= _MOST:
        raise _damage("a count")
    return value


def bytes_of(value: Any) -> bytes:
    """The data of an event.

    Raises:
        sqlite3.DatabaseError: it is something else.
    """
    if not isinstance(value, bytes):
        raise _damage("an event")
    return value


def require_run(
    run: Any, experiment: Any, started: Any, changed: Any, finished: Any, event_format: Any
) -> tuple[str, str, float, float, int, int]:
    """The columns of a run.

    Raises:
        sqlite3.DatabaseError: one of them is of another kind.
    """
    if not (isinstance(run, str) and isinstance(experiment, str)):
        raise _damage("a run")
    if not (isinstance(started, float) and isinstance(changed, float)):
        raise _damage("the time of a run")
    return run, experiment, started, changed, count_of(finished), count_of(event_format)


def _damage(what: str) -> sqlite3.DatabaseError:
    # Damage is reported as the bare class, as by SQLite itself.
    return sqlite3.DatabaseError(f"{what} is stored as something else")
