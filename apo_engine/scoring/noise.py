"""How much a judge that is asked several times about one answer disagrees with itself."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class JudgeNoise:
    """A judge's disagreement with itself on ``n`` rows that it judged twice or more.

    ``deviation`` is the standard deviation of one judgement around its row's true mean, pooled over rows (the root of
    the mean within-row variance), as a fraction of the score's range; ``agreement`` the share of rows on which all
    judgements are the same.
    """

    deviation: float
    agreement: float
    n: int


def judge_noise(marks: Iterable[Sequence[float]]) -> JudgeNoise | None:
    """The noise that repeated judgements show, row by row; None where no row was judged twice."""
    rows = [row for row in marks if len(row) > 1]
    if not rows:
        return None
    freedom = sum(len(row) - 1 for row in rows)
    squares = sum((mark - sum(row) / len(row)) ** 2 for row in rows for mark in row)
    agreed = sum(min(row) == max(row) for row in rows)
    return JudgeNoise(math.sqrt(squares / freedom), agreed / len(rows), len(rows))
