"""Which column holds the answers, and which fill the inputs of the prompt."""

from __future__ import annotations

from typing import TYPE_CHECKING

from apo_engine.problems import Problem
from apo_engine.settings import nearest

if TYPE_CHECKING:
    from collections.abc import Collection, Container, Iterable, Mapping, Sequence
    from pathlib import Path

    from apo_engine.problems import Place
    from apo_engine.settings import ExamplesSettings

EXPECTED_COLUMNS = ("label", "expected", "__expected")


class Columns:
    """The roles of columns, as the settings give them, else by their usual names.

    ``inputs`` are those that the prompt cannot do without. ``expected`` is the column of the answers, None until a row
    has one of the usual names.
    """

    def __init__(self, settings: ExamplesSettings, inputs: Collection[str]) -> None:
        self.expected = settings.expected
        self.required = tuple(dict.fromkeys((*settings.input, *inputs)))
        self._column_of = settings.input
        self._input_of = {column: name for name, column in settings.input.items()}

    def answer(self, cells: Mapping[str, str | None]) -> str:
        """A row's answer; empty where it has none."""
        if self.expected is None:
            self.expected = next((name for name in EXPECTED_COLUMNS if name in cells), None)
        return (cells.get(self.expected) or "").strip() if self.expected else ""

    def fills(self, columns: Iterable[str]) -> dict[str, str]:
        """The columns that fill inputs, by the names of the inputs."""
        # Columns that begin with two underscores are instructions to promptfoo. A column that has the name of an input
        # which another one fills is left out: what fills an input never depends on the order of columns.
        named = ((self._input_of.get(column, column), column) for column in columns)
        return {
            name: column
            for name, column in named
            if column == self.column(name) and column != self.expected and not column.startswith("__")
        }

    def inputs(self, cells: Mapping[str, str | None]) -> dict[str, str]:
        """What a row fills in, by the names of the inputs."""
        return {name: cells[column] or "" for name, column in self.fills(cells).items()}

    def missing(self, inputs: Container[str]) -> tuple[str, ...]:
        """The inputs that a row must fill and does not."""
        return tuple(name for name in self.required if name not in inputs)

    def column(self, name: str) -> str:
        """The column that fills an input."""
        return self._column_of.get(name, name)

    @property
    def no_answer(self) -> str:
        """Why a row without an answer is not used, as a clause."""
        named = f"'{self.expected}'" if self.expected else " or ".join(EXPECTED_COLUMNS)
        return f"it has no answer in {named}"

    def no_input(self, name: str) -> str:
        """Why a row that does not fill an input is not used, as a clause."""
        return f"it has no '{self.column(name)}'"

    def absent(self, path: Path, there: Sequence[str], inputs: Iterable[str], place: Place | None) -> Problem | None:
        """The answers' column, if no row of a file has it; else the column of one of ``inputs`` that no row has."""
        listed = f"It has {', '.join(there[:20])}."
        for column in ([self.expected] if self.expected else []) + [self.column(name) for name in inputs]:
            if column not in there:
                close = nearest(column, there)
                message = f"The example file {path} has no column '{column}'."
                return Problem("column-missing", message, f"Did you mean {close!r}?" if close else listed, place)
        if self.expected is None:
            message = f"The example file {path} has no column {', '.join(EXPECTED_COLUMNS[:2])} or __expected."
            return Problem("column-missing", message, f"{listed} Name one in apo.examples: {{expected: …}}.", place)
        return None
