"""How far a measured figure can be trusted: intervals for one prompt on n rows."""

from __future__ import annotations

import math
import random
from array import array
from collections.abc import Sequence
from functools import lru_cache
from statistics import NormalDist

from apo_engine.scoring.comparison import Interval
from apo_engine.scoring.figure import Judged
from apo_engine.scoring.metric import Metric

RESAMPLES = 2000


def critical(confidence: float) -> float:
    """The two-sided standard normal quantile: 1.96 for 0.95."""
    return NormalDist().inv_cdf(0.5 + confidence / 2)


def wilson(successes: float, n: int, confidence: float = 0.95) -> Interval:
    """The score interval of a proportion (Wilson 1927); (0, 1) without rows."""
    if n == 0:
        return (0.0, 1.0)
    z = critical(confidence)
    p = successes / n
    centre = (p + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n))
    return (max(0.0, centre - half), min(1.0, centre + half))


def figure_interval(rows: Sequence[Judged], metric: Metric, confidence: float = 0.95) -> Interval:
    """The interval of a metric's figure: Wilson's for right-or-wrong rows, else a seeded percentile bootstrap."""
    if metric.mean and all(row.score in (0.0, 1.0) for row in rows):
        return wilson(sum(row.score for row in rows), len(rows), confidence)
    if not rows:
        return (0.0, 1.0)
    figure, n = metric.figure, len(rows)
    parts = [figure.part(row) for row in rows]
    figures = sorted(figure.value(sum(map(parts.__getitem__, drawn)), n) for drawn in resamples(n))
    return percentiles(figures, confidence)


@lru_cache(maxsize=4)
def resamples(n: int) -> tuple[Sequence[int], ...]:
    """The rows, by index, of every bootstrap sample of ``n`` rows: the same ones whenever they are asked for."""
    rng = random.Random(f"bootstrap:{n}")
    return tuple(array("I", rng.choices(range(n), k=n)) for _ in range(RESAMPLES))


def percentiles(ordered: Sequence[float], confidence: float) -> Interval:
    """The central ``confidence`` share of sorted resampled figures (Efron's percentile interval)."""
    last = len(ordered) - 1
    tail = (1 - confidence) / 2
    return (ordered[math.floor(tail * last)], ordered[math.ceil((1 - tail) * last)])
