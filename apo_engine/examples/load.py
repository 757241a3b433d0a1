"""Example files to an example set: which column is which, duplicates, contradictions, and what could not be used."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import msgspec

from apo_engine.examples.columns import Columns
from apo_engine.examples.example import Example, ExampleSet
from apo_engine.examples.files import named_files, readable_roots, rows_in
from apo_engine.examples.labels import MAX_LABELS, are_labels
from apo_engine.examples.quoting import quoted
from apo_engine.examples.rows import BadRow
from apo_engine.examples.split import inputs_key
from apo_engine.names import shown_name
from apo_engine.problems import InputError, Place, Problem, Severity

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence
    from pathlib import Path

    from apo_engine.examples.rows import Row
    from apo_engine.settings import ExamplesSettings

MAX_PROBLEMS = 200


def load_examples(
    settings: ExamplesSettings,
    folder: Path,
    inputs: Collection[str] = (),
    place: Place | None = None,
    allowed_roots: Sequence[Path] | None = None,
    is_stopped: Callable[[], bool] = lambda: False,
) -> ExampleSet:
    """Read the example files that the settings name, relative to ``folder``.

    A row needs a value for each of ``inputs`` and an answer; rows that cannot be used become problems at their line,
    and the others are used. An exact duplicate counts once.

    Args:
        settings: the files, and which column is what.
        folder: the folder of the prompt file.
        inputs: the inputs that the prompt cannot do without.
        place: where the prompt file names the examples, for errors about the file as a whole.
        allowed_roots: the other folders that the files may lie in; the working folder where None.
        is_stopped: asked for each line; if it says so, what is returned or raised is incomplete: drop it.

    Raises:
        InputError: a file is missing or of an unknown kind, a column is not there, or no row can be used.
    """
    reader = _Reader(Columns(settings, inputs), place, readable_roots(folder, allowed_roots), is_stopped)
    for path, held_out in named_files(settings, folder, place, allowed_roots):
        reader.read(path, held_out=held_out)
    return reader.result(holdout=settings.holdout is not None)


class _Reader:
    """What is known after some rows: the rows, their columns, and what was wrong."""

    def __init__(
        self, columns: Columns, place: Place | None, roots: Sequence[Path], is_stopped: Callable[[], bool]
    ) -> None:
        self.roles = columns
        self.place = place
        self.roots = roots
        self.is_stopped = is_stopped
        self.rows: dict[str, Example] = {}
        self.by_inputs: dict[bytes, Example] = {}
        self.holdout: dict[str, None] = {}
        self.columns: dict[str, None] = {}
        self.problems: list[Problem] = []
        self.unsaid = 0

    def read(self, path: Path, *, held_out: bool) -> None:
        """Add the rows of one file."""
        seen: dict[str, None] = {}
        usable = 0
        for row in rows_in(path, self.roots, self.place, is_stopped=self.is_stopped):
            if isinstance(row, BadRow):
                self.bad(path, row.line, row.reason)
                continue
            if row.cells.keys() - seen.keys():
                seen.update(dict.fromkeys(row.cells))
            usable += self.add(path, row, held_out=held_out)
        if not usable:
            raise self.nothing_usable(path, [*seen])

    def add(self, path: Path, row: Row, *, held_out: bool) -> bool:
        """Add one row; False where it cannot be used."""
        expected = self.roles.answer(row.cells)
        if not expected:
            return self.bad(path, row.line, self.roles.no_answer)
        inputs = self.roles.inputs(row.cells)
        missing = self.roles.missing(inputs)
        if missing:
            return self.bad(path, row.line, self.roles.no_input(missing[0]))
        self.keep(Example(_id(inputs, expected), inputs, expected, row.line, path), held_out=held_out)
        return True

    def keep(self, example: Example, *, held_out: bool) -> None:
        """Add a good row, unless it is there already."""
        if example.inputs.keys() - self.columns.keys():
            self.columns.update(dict.fromkeys(example.inputs))
        known = self.rows.get(example.id)
        if known is not None:
            where = f"line {known.line}" + ("" if known.path == example.path else f" of {shown_name(known.path.name)}")
            said = f"This row repeats {where}; it counts once" + (", as a hold-out row." if held_out else ".")
            self.say(Problem("row-duplicate", said, "", Place(example.path, example.line), Severity.WARNING))
        else:
            self.rows[example.id] = example
            other = self.by_inputs.setdefault(inputs_key(example.inputs), example)
            if other.expected != example.expected:
                shown = f"{quoted(other.expected)} on line {other.line}, {quoted(example.expected)} here"
                said = f"The same input has two answers: {shown}."
                place = Place(example.path, example.line)
                self.say(Problem("row-contradiction", said, "Correct one of them.", place, Severity.WARNING))
        if held_out:
            self.holdout[example.id] = None

    def bad(self, path: Path, line: int, reason: str) -> bool:
        message = f"This row is not used: {reason}."
        self.say(Problem("row-unusable", message, "Correct or remove it.", Place(path, line), Severity.WARNING))
        return False

    def say(self, problem: Problem) -> None:
        if len(self.problems) < MAX_PROBLEMS:
            self.problems.append(problem)
        else:
            self.unsaid += 1

    def nothing_usable(self, path: Path, columns: list[str]) -> InputError:
        """Why none of a file's rows could be used: a column that no row has, else the rows' own problems."""
        if not columns and not self.problems:
            message = f"The example file {path} has no rows."
            return InputError(Problem("examples-empty", message, "Add some.", self.place))
        absent = self.roles.absent(path, columns, self.roles.required, self.place) if columns else None
        if absent is not None:
            return InputError(absent)
        message = f"No row of the example file {path} can be used."
        summary = Problem("examples-empty", message, "Correct its rows.", self.place)
        return InputError(summary, *self.problems[:5])

    def result(self, *, holdout: bool) -> ExampleSet:
        """The finished set."""
        if self.unsaid:
            self.problems.append(
                Problem("rows-unsaid", f"{self.unsaid:,} more rows have problems.", "", None, Severity.WARNING)
            )
        rows = tuple(self.rows.values())
        held = tuple(self.holdout) if holdout else None
        digest = hashlib.sha256(msgspec.json.encode([[*self.rows], held]))
        return ExampleSet(
            rows=rows,
            problems=tuple(self.problems),
            columns=tuple(self.columns),
            labels=_labels(rows),
            holdout=held,
            fingerprint=digest.hexdigest(),
            expected=self.roles.expected or "",
        )


def _labels(rows: tuple[Example, ...]) -> tuple[str, ...]:
    """The distinct answers, where they are the labels of a classification."""
    found: dict[str, None] = {}
    for row in rows:
        found[row.expected] = None
        if len(found) > MAX_LABELS:
            return ()
    return tuple(found) if are_labels(found, len(rows)) else ()


def _id(inputs: dict[str, str], expected: str) -> str:
    content = msgspec.json.encode([inputs, expected], order="sorted")
    return hashlib.sha256(content).hexdigest()[:16]
