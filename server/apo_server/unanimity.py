"""Rows that every prompt gets wrong in the same way: there, the expected answer itself may be wrong."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from apo_engine.evaluation.result import RowResult

# So many prompts must have answered a row, and more than this share of them alike.
_PROMPTS = 4
_SHARE = 0.5


@dataclass(slots=True)
class _Tally:
    """What the prompts answered on one row."""

    result: RowResult
    right: bool = False
    prompts: int = 0
    answers: Counter[str] = field(default_factory=Counter)


class Unanimity:
    """Counts what candidates answer, row by row."""

    def __init__(self) -> None:
        self._rows: dict[str, _Tally] = {}
        self._seen: set[tuple[str, str]] = set()

    def add(self, candidate: str, results: Iterable[RowResult]) -> None:
        """Count the answers of a candidate; each row of it counts once."""
        for result in results:
            if (candidate, result.row) in self._seen:
                continue
            self._seen.add((candidate, result.row))
            tally = self._rows.setdefault(result.row, _Tally(result))
            tally.prompts += 1
            tally.right = tally.right or result.score > 0
            if result.predicted and not result.invalid:
                tally.answers[result.predicted] += 1

    def doubtful(self) -> list[tuple[RowResult, str, int, int]]:
        """Each row that no prompt got right: the row, the usual answer, how many gave it, and of how many."""
        found = []
        for tally in self._rows.values():
            if tally.right or tally.prompts < _PROMPTS or not tally.answers:
                continue
            ((answer, agreeing),) = tally.answers.most_common(1)
            if agreeing > _SHARE * tally.prompts:
                found.append((tally.result, answer, agreeing, tally.prompts))
        return sorted(found, key=lambda row: (row[0].path, row[0].line))
