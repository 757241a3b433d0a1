"""What the answers of one prompt come to besides its metric: accuracy and F1 for labels, and unreadable answers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import msgspec

from apo_engine.scoring.comparison import Interval

if TYPE_CHECKING:
    from apo_engine.evaluation.result import RowResult
    from apo_engine.scoring.metric import Metric


class Figures(msgspec.Struct, frozen=True):
    """Figures over ``n`` rows, as fractions of 1.

    ``invalid`` rows have an answer that could not be read, and count as wrong. ``accuracy`` with its 95 % interval and
    ``f1`` (by ``macro`` and, with two labels, ``binary``, of the label ``positive``) are there for metrics that read
    labels; else they are None and empty.
    """

    n: int
    invalid: int
    accuracy: float | None = None
    accuracy_interval: Interval | None = None
    f1: Mapping[str, float] = {}
    positive: str | None = None


def figures_of(results: Sequence[RowResult], metric: Metric, labels: Sequence[str]) -> Figures:
    """Sum up scored rows."""
    # Whoever only reads figures, as the language server does, needs none of what computes them.
    from apo_engine.evaluation.evaluator import judged
    from apo_engine.scoring.figure import f1_of, mean
    from apo_engine.scoring.interval import wilson
    from apo_engine.scoring.labels import positive_label

    n, invalid = len(results), sum(result.invalid for result in results)
    if not (metric.by_label and labels):
        return Figures(n, invalid)
    rows = judged(results)
    accuracy = mean().of(rows)
    f1 = {"macro": f1_of(labels).of(rows)}
    positive = positive_label(labels) if len(labels) == 2 else None
    if positive is not None:
        f1["binary"] = f1_of([positive]).of(rows)
    return Figures(n, invalid, accuracy, wilson(accuracy * n, n), f1, positive)
