"""How many rows a verdict needs: the power of the exact paired test, for right-or-wrong rows.

The test is McNemar's, two-sided and exact; it looks at the rows that only one of the two prompts gets right. How many
these are is random too, so the power is that of the test given their number, averaged over the numbers possible
(Miettinen 1968, Biometrics 24:339; Connor 1987, Biometrics 43:207, approximates it; here it is summed exactly).

A gain in accuracy does not say how many rows change sides. The assumption is that a rewrite loses one row for every
four that it wins; where a gain leaves no room for that, it loses fewer.
"""

from __future__ import annotations

import math
from functools import lru_cache

LEVEL, POWER = 0.05, 0.8
#: Rows lost for each row won.
LOSSES = 0.25
#: The gain to hope for, and that a run should be able to tell from chance: what optimizing gained on average over the
#: prompt at the start in the paper that this follows (15.3 %; Pryzant et al. 2023).
HOPED = 0.15
_MOST_ROWS = 100_000
_STEPS = 30
# Numbers of discordant rows further than this many standard deviations from their mean are left out: below 1e-15.
_TAILS = 8.5


def power(n: int, wins: float, losses: float, level: float = LEVEL) -> float:
    """The probability that ``n`` paired rows show a gain at this level.

    ``wins`` is the probability that a row is right only after the rewrite, ``losses`` that it is right only before.
    """
    discordant = min(1.0, wins + losses)
    if n <= 0 or wins <= 0:
        return 0.0
    won = wins / (wins + losses)
    spread = _TAILS * math.sqrt(n * discordant * (1 - discordant)) + 1
    first, last = max(0, math.floor(n * discordant - spread)), min(n, math.ceil(n * discordant + spread))
    total = 0.0
    for count in range(first, last + 1):
        needed = _fewest_wins(count, level)
        if needed is not None:
            total += _binomial(count, n, discordant) * _at_least(needed, count, won)
    return min(1.0, total)


def detectable(n: int, start: float | None = None, *, level: float = LEVEL, wanted: float = POWER) -> float | None:
    """The smallest gain in accuracy that ``n`` rows show with the ``wanted`` power; None where no gain is large enough.

    ``start`` is the accuracy to begin with, which bounds the gain and the rows that can be won; None where it is not
    known.
    """
    most = 1.0 if start is None else 1.0 - start
    if most <= 0 or power(n, *_sides(most, start), level) < wanted:
        return None
    low, high = 0.0, most
    for _ in range(_STEPS):
        middle = (low + high) / 2
        low, high = (low, middle) if power(n, *_sides(middle, start), level) >= wanted else (middle, high)
    return high


def rows_needed(gain: float, start: float | None = None, *, level: float = LEVEL, wanted: float = POWER) -> int:
    """The number of rows from which on this gain in accuracy is shown with the ``wanted`` power.

    A step up in rows can lower the power by a hair, since the test counts whole rows; the number is found by bisection
    and good to about a row in a hundred. At most 100,000, which stands for more too.

    Raises:
        ValueError: the gain is not above 0, or more than ``start`` leaves room for.
    """
    if not 0 < gain <= (1.0 if start is None else 1.0 - start) + 1e-12:
        raise ValueError(f"no rewrite can gain {gain:g} from {0 if start is None else start:g}")
    sides = _sides(gain, start)
    low, high = 0, 8
    while high < _MOST_ROWS and power(high, *sides, level) < wanted:
        low, high = high, 2 * high
    high = min(high, _MOST_ROWS)
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if power(middle, *sides, level) >= wanted else (middle, high)
    return high


def shortage(holdout: int, share: float | None, *, hoped: float = HOPED, level: float = LEVEL) -> str:
    """What to tell people whose hold-out rows are too few to show the gain hoped for; empty where they are enough.

    ``share`` is the part of all rows that is held out, or None where the user gives the hold-out rows. For metrics
    whose rows are right or wrong; others come near it.
    """
    found = detectable(holdout, level=level)
    if found is not None and found <= hoped:
        return ""
    needed = rows_needed(hoped, level=level)
    seen = "no gain" if found is None else f"only a gain of about {_rounded_points(found)} points"
    unseen = f"about {_rounded_rows(needed):,}"
    how = f"hold out {unseen} rows"
    if share is not None:
        how = f"label about {_rounded_rows(math.ceil(needed / share)):,} rows, of which {unseen} stay unseen"
    return (
        f"With {holdout:,} unseen rows, {seen} can reliably be told from chance. "
        f"To tell {_rounded_points(hoped)} points, {how}."
    )


def _sides(gain: float, start: float | None) -> tuple[float, float]:
    """The probabilities that a row is won and lost, as assumed for this gain."""
    wins = gain / (1 - LOSSES)
    # Won and lost rows are at most all rows, and none can be won that is right already, or lost that is wrong.
    wins = min(wins, (1 + gain) / 2)
    if start is not None:
        wins = min(wins, 1 - start, start + gain)
    return wins, max(0.0, wins - gain)


@lru_cache(maxsize=4096)
def _fewest_wins(discordant: int, level: float) -> int | None:
    """The fewest wins among so many discordant rows that are significant; None where not even all of them are."""
    low, high = discordant // 2, discordant + 1
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if 2 * _at_least(middle, discordant, 0.5) <= level else (middle, high)
    return high if high <= discordant else None


def _at_least(successes: int, n: int, p: float) -> float:
    """The probability of so many successes or more in ``n`` trials."""
    if p >= 1:
        return float(successes <= n)
    term = total = _binomial(successes, n, p)
    for k in range(successes, n):
        term *= (n - k) / (k + 1) * p / (1 - p)
        total += term
        if term < 1e-17 * total:
            break
    return min(1.0, total)


def _binomial(k: int, n: int, p: float) -> float:
    """The probability of ``k`` successes in ``n`` trials."""
    if p <= 0 or p >= 1:
        return float(k == (n if p >= 1 else 0))
    ways = math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1)
    return math.exp(ways + k * math.log(p) + (n - k) * math.log1p(-p))


def _rounded_points(gain: float) -> int:
    return max(1, round(100 * gain))


def _rounded_rows(rows: int) -> int:
    """Up to the next number that does not pretend to be exact."""
    step = 1 if rows < 20 else 5 if rows < 100 else 10 if rows < 1000 else 100
    return math.ceil(rows / step) * step
