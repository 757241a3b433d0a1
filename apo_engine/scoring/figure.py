"""Overall figures: how judged rows become one number, in a form that can be resampled cheaply."""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass

# A row adds at most 2 to a count, so that 32 bits hold any set of rows.
_COUNT_BITS = 32
_COUNT_BYTES = _COUNT_BITS // 8


@dataclass(frozen=True, slots=True)
class Judged:
    """A row's expected and predicted value with its score: all that an overall figure is made of."""

    expected: str
    predicted: str
    score: float


@dataclass(frozen=True, slots=True)
class Figure:
    """A figure in [0, 1] that depends on the rows through one sum alone.

    ``part`` is what a row adds to the sum, ``value`` the figure of a sum over ``n`` ≥ 1 rows. Bootstraps and
    permutations add up parts and never look at a row again. Several counts travel as one whole number, 32 bits each.
    """

    part: Callable[[Judged], float]
    value: Callable[[float, int], float]

    def of(self, rows: Sequence[Judged]) -> float:
        """The figure of these rows; 0 without rows."""
        return self.value(sum(map(self.part, rows)), len(rows)) if rows else 0.0


def mean() -> Figure:
    """The mean of the row scores."""
    return Figure(lambda row: row.score, lambda total, n: total / n)


def f1_of(labels: Sequence[str]) -> Figure:
    """The mean over ``labels`` of each one's F1: 2·TP / (2·TP + FP + FN), 0 where it is neither expected nor predicted.

    Given one label, it is the binary F1 of that label.
    """
    # Of each label two counts: rows where it is right, and how often it is expected or predicted.
    hit = {label: 1 << 2 * place * _COUNT_BITS for place, label in enumerate(labels)}
    named = {label: 1 << (2 * place + 1) * _COUNT_BITS for place, label in enumerate(labels)}
    size = 2 * len(labels) * _COUNT_BYTES
    counts = struct.Struct(f"<{2 * len(labels)}I")

    def part(row: Judged) -> float:
        right = hit.get(row.expected, 0) if row.expected == row.predicted else 0
        return right + named.get(row.expected, 0) + named.get(row.predicted, 0)

    def value(total: float, _n: int) -> float:
        each = iter(counts.unpack(int(total).to_bytes(size, "little")))
        return sum(2 * hits / naming if naming else 0.0 for hits, naming in zip(each, each, strict=True)) / len(labels)

    return Figure(part, value)
