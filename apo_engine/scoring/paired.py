"""Paired tests and intervals: two prompts on the same rows."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence

from apo_engine.scoring.comparison import Comparison, Interval
from apo_engine.scoring.interval import RESAMPLES, percentiles, wilson
from apo_engine.scoring.metric import Judged, Metric

PERMUTATIONS = 10_000
# 2^16 sign patterns are cheaper than as many random draws and give the exact p value.
_EXACT_UP_TO = 16


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
        interval = _bootstrap(start, best, metric, confidence)
        p = _permutation(start, best, metric)
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


def _permutation(start: Sequence[Judged], best: Sequence[Judged], metric: Metric) -> float:
    """Two-sided p that the figures differ as much when each row's two answers are swapped by coin flips.

    Exact where few rows differ; else Monte Carlo with the add-one estimate (Phipson & Smyth 2010).
    """
    differing = [i for i, (a, b) in enumerate(zip(start, best, strict=True)) if a != b]
    observed = abs(metric.total(best) - metric.total(start))
    exact = len(differing) <= _EXACT_UP_TO
    rng = random.Random(f"permutation:{len(start)}:{len(differing)}")
    draws = 2 ** len(differing) if exact else PERMUTATIONS
    extreme = 0
    for draw in range(draws):
        pattern = draw if exact else rng.getrandbits(len(differing))
        left, right = list(start), list(best)
        for bit, row in enumerate(differing):
            if pattern >> bit & 1:
                left[row], right[row] = right[row], left[row]
        extreme += abs(metric.total(right) - metric.total(left)) >= observed - 1e-12
    return extreme / draws if exact else (extreme + 1) / (draws + 1)


def _bootstrap(start: Sequence[Judged], best: Sequence[Judged], metric: Metric, confidence: float) -> Interval:
    rng = random.Random(f"bootstrap:{len(start)}")
    everyone = range(len(start))
    figures = []
    for _ in range(RESAMPLES):
        drawn = rng.choices(everyone, k=len(start))
        figures.append(metric.total([best[i] for i in drawn]) - metric.total([start[i] for i in drawn]))
    return percentiles(sorted(figures), confidence)
