"""What came of one row under one prompt."""

from __future__ import annotations

import msgspec


class RowResult(msgspec.Struct, frozen=True, omit_defaults=True):
    """One scored row.

    ``predicted`` is what was read from ``answer`` (a label, a number …); ``invalid`` marks an answer that could not be
    read as the metric needs it. Where a model judged it several times, ``marks`` are the single scores, of which
    ``score`` is the mean; ``remark`` is what the judge said of the answer.
    """

    row: str
    line: int
    path: str
    expected: str
    answer: str
    score: float
    predicted: str = ""
    invalid: bool = False
    marks: tuple[float, ...] = ()
    remark: str = ""

    def excerpt(self, width: int = 80) -> str:
        """The answer in one line of at most ``width`` characters."""
        line = " ".join(self.answer.split())
        return line if len(line) <= width else line[: width - 1] + "…"
