"""Ids that sort by the time at which they were made: ULIDs (https://github.com/ulid/spec)."""

from __future__ import annotations

import secrets
import threading
import time

_ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_RANDOM_BITS = 80
_LENGTH = 26
_lock = threading.Lock()
_last = 0


def new_ulid() -> str:
    """A new id of 26 characters. Within one process each is greater than the one before, even if the clock goes back.

    The first ten characters hold milliseconds since 1970, the others are random.
    """
    global _last  # noqa: PLW0603  (the ids of a process are one sequence)
    with _lock:
        milliseconds = time.time_ns() // 1_000_000
        drawn = (milliseconds << _RANDOM_BITS) | secrets.randbits(_RANDOM_BITS)
        _last = drawn if drawn > _last else _last + 1
        value = _last
    return "".join(_ALPHABET[(value >> shift) & 31] for shift in range(5 * (_LENGTH - 1), -1, -5))
