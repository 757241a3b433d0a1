"""Margins: how much better one search does than another over all tasks, measured beside what the paper reports."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean

from apo_engine.runs.bench import Benchmark
from apo_engine.runs.bench_tasks import REPORTED_MARGINS


@dataclass(frozen=True, slots=True)
class Margin:
    """The mean difference in F1 on test rows between the search `apo` and ``over`` (``start`` is the first prompt), on
    the ``tasks`` that were run with both; ``reported`` is the paper's. Fractions of 1.
    """

    over: str
    measured: float
    tasks: int
    reported: float


def margins(benchmarks: Sequence[Benchmark]) -> tuple[Margin, ...]:
    """The margins of those of the paper's comparisons that were run, in the paper's order."""
    best = {
        (one.task, one.algorithm): one.optimization.verdict.comparison
        for one in benchmarks
        if one.optimization.verdict is not None
    }
    ours = {task: found for (task, algorithm), found in best.items() if algorithm == "apo"}
    measured: dict[str, list[float]] = {"start": [found.difference for found in ours.values()]}
    for (task, algorithm), found in best.items():
        if task in ours and algorithm != "apo":
            measured.setdefault(algorithm, []).append(ours[task].best - found.best)
    return tuple(
        Margin(over, fmean(measured[over]), len(measured[over]), reported)
        for over, reported in REPORTED_MARGINS.items()
        if measured.get(over)
    )
