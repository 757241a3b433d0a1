"""What came of one row under one prompt."""

from __future__ import annotations

import msgspec


class RowResult(msgspec.Struct, frozen=True, omit_defaults=True):
    """One scored row.

    ``predicted`` is what was read from ``answer`` (a label, a number …); ``invalid`` marks an answer that could not be
    read as the metric needs it. Where a model judged it several times, ``marks`` are the single scores, of which
    ``score`` is the mean; ``remark`` is what the judge said of the answer, or why it
    is none: refused, filtered or cut off.
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


class Said(msgspec.Struct, frozen=True):
    """One message of a chat."""

    role: str
    content: str


class RowAnswer(msgspec.Struct, frozen=True):
    """The ``messages`` of a row as they are sent, and the judged answer.

    ``usd`` is what it cost, None where the price is unknown; an answer that was kept costs nothing.
    """

    messages: tuple[Said, ...]
    result: RowResult
    usd: float | None = None
