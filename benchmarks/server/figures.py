"""Figures as they are printed: each beside its bound."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Figure:
    """A measured value in ``unit``. Without a bound it is there to be compared with."""

    name: str
    value: float
    unit: str
    bound: float | None = None
    remark: str = ""

    @property
    def kept(self) -> bool:
        return self.bound is None or self.value <= self.bound

    def __str__(self) -> str:
        bound = "" if self.bound is None else f"{'' if self.kept else 'NOT '}≤ {self.bound:g}"
        return f"{self.name:58}{self.value:>10.4g} {self.unit:4}{bound:>10}   {self.remark}".rstrip()


def ms(name: str, seconds: Sequence[float], bound: float | None = None) -> Figure:
    """The 99th percentile of times, in milliseconds, with the median and the slowest beside it."""
    ordered = sorted(1000 * one for one in seconds)
    remark = f"median {statistics.median(ordered):.1f}, slowest {ordered[-1]:.1f}, n {len(ordered)}"
    return Figure(f"{name}, p99", ordered[min(len(ordered) - 1, int(0.99 * len(ordered)))], "ms", bound, remark)
