"""Money as whole picodollars: sums of floats would drift past a cap."""

from __future__ import annotations

import math

PICO = 10**12
#: The most that is counted, far above any bill and far below where 64-bit integers end.
MOST = 4 * 10**18


def pico_of(usd: float) -> int:
    """A price, rounded up; from 0 to `MOST`, which also stands for what is no number."""
    return max(0, math.ceil(usd * PICO)) if usd * PICO < MOST else MOST


def cap_of(usd: float | None) -> int | None:
    """A cap, rounded down; None if there is no practical limit. What is no number allows nothing."""
    if usd is None or usd * PICO >= MOST:
        return None
    return max(0, math.floor(usd * PICO)) if usd * PICO > 0 else 0
