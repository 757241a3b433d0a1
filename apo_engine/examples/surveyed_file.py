"""One example file as it is being looked through: its columns, and what is wrong with its rows."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from apo_engine.problems import Place, Problem, Severity

if TYPE_CHECKING:
    from pathlib import Path

MAX_PROBLEMS = 200
_MOST_SHAPES = 1_000


@dataclass(slots=True)
class Lacking:
    """Rows that lack something: how many, the lines of the first, and how many of them were taken for usable."""

    rows: int = 0
    lines: list[int] = field(default_factory=list)
    used: int = 0


@dataclass(frozen=True, slots=True)
class Shape:
    """Which inputs a row fills from which columns, in the order of names, and those that it must fill and lacks."""

    inputs: tuple[tuple[str, str], ...]
    missing: tuple[str, ...]


class SurveyedFile:
    """What is known of a file: its usable rows, its columns with the line that names each first, and its problems.

    ``first_row`` is the number of its first usable row among those of all files; no row that begins before the line
    ``sound_from`` is usable, though it may have been taken for it.
    """

    def __init__(self, path: Path, held_out: bool, first_row: int) -> None:
        self.path = path
        self.held_out = held_out
        self.first_row = first_row
        self.sound_from = 0
        self.usable = 0
        self.columns: dict[str, int] = {}
        self.shapes: dict[tuple[str, ...], Shape] = {}
        self.lacking: defaultdict[str | None, Lacking] = defaultdict(Lacking)
        self._problems: defaultdict[str, list[Problem]] = defaultdict(list)
        self._count = 0

    def keep(self, columns: tuple[str, ...], shape: Shape) -> None:
        """Remember the shape of rows with these columns, as long as there are not too many."""
        if len(self.shapes) < _MOST_SHAPES:
            self.shapes[columns] = shape

    def say(self, line: int, code: str, message: str, remedy: str = "", severity: Severity = Severity.WARNING) -> None:
        """Add a problem with a row."""
        if not self.has_enough_of(code):
            self._count += 1
            self._problems[code].append(Problem(code, message, remedy, Place(self.path, line), severity))

    def has_enough_of(self, code: str) -> bool:
        """Whether no further problem of that kind will be shown; if so, it is counted."""
        enough = len(self._problems[code]) >= MAX_PROBLEMS
        self._count += enough
        return enough

    def bad(self, line: int, reason: str) -> None:
        """Add a row that is not used."""
        if not self.has_enough_of("row-unusable"):
            self._count += 1
            self._problems["row-unusable"].append(_unusable(self.path, line, reason))

    def lack(self, name: str | None, line: int, *, used: bool = False) -> None:
        """Note a row that lacks an input, or its answer (None), and whether it was taken for usable all the same."""
        lacking = self.lacking[name]
        lacking.rows += 1
        lacking.used += used
        if len(lacking.lines) < MAX_PROBLEMS:
            lacking.lines.append(line)

    def lacked(self, lacking: Lacking, column: str, reason: str) -> None:
        """Add rows that are not used because they lack a column that other rows have."""
        self._problems[reason] = [_unusable(self.path, line, reason) for line in lacking.lines]
        self._count += lacking.rows
        if lacking.used:
            self.usable -= lacking.used
            self.sound_from = max(self.sound_from, self.columns[column])

    def problems(self) -> list[Problem]:
        """The first problems in the order of lines, and how many there are more."""
        found = [problem for problems in self._problems.values() for problem in problems]
        found.sort(key=lambda problem: problem.place.line if problem.place else 0)
        found = found[:MAX_PROBLEMS]
        if self._count > len(found):
            message = f"There are {self._count - len(found):,} more findings in the rows of this file."
            found.append(Problem("rows-unsaid", message, "Begin with those above.", found[-1].place, Severity.WARNING))
        return found


def _unusable(path: Path, line: int, reason: str) -> Problem:
    message = f"This row is not used: {reason}."
    return Problem("row-unusable", message, "Correct or remove it.", Place(path, line), Severity.WARNING)
