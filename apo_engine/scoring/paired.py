"""Paired tests and intervals: two prompts on the same rows."""

from __future__ import annotations

import math
import random
from collections import Counter
from collections.abc import Sequence
from operator import getitem

from apo_engine.scoring.comparison import Comparison, Interval
from apo_engine.scoring.figure import Figure, Judged
from apo_engine.scoring.interval import percentiles, resamples, wilson
from apo_engine.scoring.metric import Metric

PERMUTATIONS = 10_000
# Enough for any 16 rows that differ, and for many more where they differ in few ways.
_MOST_SUMS = 2**16


def compare(start: Sequence[Judged], best: Sequence[Judged], metric: Metric, confidence: float = 0.95) -> Comparison:
    """Compare two prompts row by row; both sequences hold the same rows in the same order.

    Right-or-wrong rows: exact McNemar test and Newcombe's paired interval. Graded rows: sign-flip permutation test
    and a percentile bootstrap. Figures that are no mean of rows (F1): the same with the prompts' answers swapped.

    Raises:
        ValueError: the sequences differ in length, or are empty.
    """
    if len(start) != len(best) or not start:
        raise ValueError("a paired comparison needs the same rows on both sides, and at least one")
    before, after = metric.total(start), metric.total(best)
    if metric.mean and all(row.score in (0.0, 1.0) for row in (*start, *best)):
        pairs = [(a.score == 1.0, b.score == 1.0) for a, b in zip(start, best, strict=True)]
        lost = sum(a and not b for a, b in pairs)
        won = sum(b and not a for a, b in pairs)
        both = sum(a and b for a, b in pairs)
        interval = newcombe(both, won, lost, len(pairs) - both - won - lost, confidence)
        p = mcnemar(won, lost)
    else:
        interval = _bootstrap(start, best, metric.figure, confidence)
        p = _permutation(start, best, metric.figure)
    return Comparison(before, after, after - before, interval, p, len(start), confidence)


def mcnemar(won: int, lost: int) -> float:
    """Two-sided exact p of McNemar's test: a fair coin on the discordant rows (binomial, doubled, at most 1)."""
    n = won + lost
    tail = sum(math.comb(n, k) for k in range(min(won, lost) + 1))
    return min(1.0, float(2 * tail / 2**n))


def newcombe(both: int, won: int, lost: int, neither: int, confidence: float = 0.95) -> Interval:
    """The interval of a paired difference of proportions: Newcombe 1998 (Stat. Med. 17:2635), method 10.

    ``won`` rows are right only after, ``lost`` only before. Sound for few rows and for differences near 0 or 1.
    """
    n = both + won + lost + neither
    after, before = (both + won) / n, (both + lost) / n
    low_a, high_a = wilson(both + won, n, confidence)
    low_b, high_b = wilson(both + lost, n, confidence)
    product = (both + won) * (lost + neither) * (both + lost) * (won + neither)
    cross: float = both * neither - won * lost
    if cross > 0:
        cross = max(cross - n / 2, 0)
    phi = cross / math.sqrt(product) if product else 0.0
    down = _hypotenuse(after - low_a, high_b - before, phi)
    up = _hypotenuse(high_a - after, before - low_b, phi)
    difference = after - before
    return (max(-1.0, difference - down), min(1.0, difference + up))


def _hypotenuse(a: float, b: float, phi: float) -> float:
    return math.sqrt(max(0.0, a * a - 2 * phi * a * b + b * b))


def _permutation(start: Sequence[Judged], best: Sequence[Judged], figure: Figure) -> float:
    """Two-sided p that the figures differ as much when each row's two answers are swapped by coin flips.

    Exact where few rows differ, or few sums are possible; else Monte Carlo with the add-one estimate (Phipson & Smyth
    2010). The same whichever of the two prompts is called the better one.
    """
    n = len(start)
    before, after = [figure.part(row) for row in start], [figure.part(row) for row in best]
    total_before, total_after = sum(before), sum(after)
    moves = [b - a for a, b in zip(before, after, strict=True) if a != b]

    def extreme(moved: float) -> bool:
        """Whether moving this much from one side to the other leaves the figures at least as far apart."""
        return abs(figure.value(total_after - moved, n) - figure.value(total_before + moved, n)) >= observed - 1e-12

    observed = abs(figure.value(total_after, n) - figure.value(total_before, n))
    sums = _all_sums(moves)
    if sums is not None:
        return sum(ways for moved, ways in sums.items() if extreme(moved)) / (1 << len(moves))
    drawn = _drawn_sums(moves, random.Random(f"permutation:{n}:{len(moves)}"))
    return (sum(times for moved, times in drawn.items() if extreme(moved)) + 1) / (PERMUTATIONS + 1)


def _all_sums(moves: Sequence[float]) -> dict[float, int] | None:
    """In how many ways each sum comes about when every move is made or not; None where that is too much work."""
    sums: dict[float, int] = {0: 1}
    work = 0
    for move in moves:
        work += len(sums)
        if work > _MOST_SUMS:
            return None
        grown = dict(sums)
        for moved, ways in sums.items():
            grown[moved + move] = grown.get(moved + move, 0) + ways
        sums = grown
    return sums


def _drawn_sums(moves: Sequence[float], rng: random.Random) -> Counter[float]:
    """How often each sum comes about in ``PERMUTATIONS`` draws, every move made or not by a coin flip."""
    tables = []
    for at in range(0, len(moves), 8):
        # What the flips of eight moves at once add up to, by the byte that holds them.
        table: list[float] = [0]
        for move in moves[at : at + 8]:
            table += [moved + move for moved in table]
        tables.append(table * (256 // len(table)))
    return Counter(sum(map(getitem, tables, rng.randbytes(len(tables)))) for _ in range(PERMUTATIONS))


def _bootstrap(start: Sequence[Judged], best: Sequence[Judged], figure: Figure, confidence: float) -> Interval:
    n = len(start)
    before, after = [figure.part(row) for row in start], [figure.part(row) for row in best]
    differences = []
    for drawn in resamples(n):
        ahead = figure.value(sum(map(after.__getitem__, drawn)), n)
        differences.append(ahead - figure.value(sum(map(before.__getitem__, drawn)), n))
    return percentiles(sorted(differences), confidence)
