"""Example files to an example set: which column is which, duplicates, contradictions, and what could not be used."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import msgspec

from apo_engine.examples.example import Example, ExampleSet
from apo_engine.examples.rows import ROW_READERS, BadRow, HeaderError
from apo_engine.examples.split import inputs_key
from apo_engine.problems import InputError, Place, Problem, Severity
from apo_engine.settings import nearest

if TYPE_CHECKING:
    from collections.abc import Collection
    from pathlib import Path

    from apo_engine.examples.rows import Row
    from apo_engine.settings import ExamplesSettings

EXPECTED_COLUMNS = ("label", "expected", "__expected")
MAX_PROBLEMS = 200
MAX_LABELS, MAX_LABEL_CHARS = 20, 40


def load_examples(
    settings: ExamplesSettings, folder: Path, inputs: Collection[str] = (), place: Place | None = None
) -> ExampleSet:
    """Read the example files that the settings name, relative to ``folder``.

    A row needs a value for each of ``inputs`` and an answer; rows that cannot be used become problems at their line,
    and the others are used. An exact duplicate counts once.

    Args:
        settings: the files, and which column is what.
        folder: the folder of the prompt file.
        inputs: the inputs that the prompt cannot do without.
        place: where the prompt file names the examples, for errors about the file as a whole.

    Raises:
        InputError: a file is missing or of an unknown kind, a column is not there, or no row can be used.
    """
    reader = _Reader(settings, tuple(inputs), place)
    first = settings.path or settings.train
    if first is None:
        message = "No example file is named."
        raise InputError(Problem("examples-missing", message, "Name one: apo.examples: rows.jsonl", place))
    reader.read(folder / first, held_out=False)
    if settings.holdout is not None:
        reader.read(folder / settings.holdout, held_out=True)
    return reader.result(holdout=settings.holdout is not None)


class _Reader:
    """What is known after some rows: the rows, their columns, and what was wrong."""

    def __init__(self, settings: ExamplesSettings, inputs: tuple[str, ...], place: Place | None) -> None:
        self.settings = settings
        self.inputs = inputs
        self.place = place
        # Input name by column, for the columns that go by another name in the prompt.
        self.renamed = {column: name for name, column in settings.input.items()}
        self.expected = settings.expected
        self.rows: dict[str, Example] = {}
        self.by_inputs: dict[bytes, Example] = {}
        self.holdout: dict[str, None] = {}
        self.columns: dict[str, None] = {}
        self.problems: list[Problem] = []
        self.unsaid = 0

    def read(self, path: Path, *, held_out: bool) -> None:
        """Add the rows of one file."""
        read_rows = ROW_READERS.get(path.suffix.lower())
        if read_rows is None:
            message = f"Example files of the kind '{path.suffix}' cannot be read: {path}."
            raise self.error("examples-kind", message, f"Use one of {', '.join(ROW_READERS)}.")
        seen: dict[str, None] = {}
        usable = 0
        try:
            if not path.is_file():
                raise FileNotFoundError
            with path.open("rb") as stream:
                for row in read_rows(stream):
                    if isinstance(row, BadRow):
                        self.bad(path, row.line, row.reason)
                        continue
                    if row.cells.keys() - seen.keys():
                        seen.update(dict.fromkeys(row.cells))
                    usable += self.add(path, row, held_out=held_out)
        except FileNotFoundError:
            raise self.error("examples-missing", f"There is no example file {path}.", "Check the path.") from None
        except OSError as error:
            message = f"The example file {path} cannot be read: {error.strerror or error}."
            raise self.error("examples-unreadable", message, "Check its permissions.") from None
        except HeaderError as error:
            message = f"The example file {path} cannot be used: {error}."
            raise self.error("examples-empty", message, "Begin it with a line of column names.") from None
        if not usable:
            raise self.nothing_usable(path, [*seen])

    def add(self, path: Path, row: Row, *, held_out: bool) -> bool:
        """Add one row; False where it cannot be used."""
        if self.expected is None:
            self.expected = next((name for name in EXPECTED_COLUMNS if name in row.cells), None)
        expected = (row.cells.get(self.expected) or "").strip() if self.expected else ""
        if not expected:
            named = f"'{self.expected}'" if self.expected else " or ".join(EXPECTED_COLUMNS)
            return self.bad(path, row.line, f"it has no answer in {named}")
        # Columns that begin with two underscores are instructions to promptfoo.
        inputs = {
            self.renamed.get(name, name): cell or ""
            for name, cell in row.cells.items()
            if name != self.expected and not name.startswith("__")
        }
        missing = [name for name in (*self.settings.input, *self.inputs) if name not in inputs]
        if missing:
            column = self.settings.input.get(missing[0], missing[0])
            return self.bad(path, row.line, f"it has no '{column}'")
        self.keep(Example(_id(inputs, expected), inputs, expected, row.line, path), held_out=held_out)
        return True

    def keep(self, example: Example, *, held_out: bool) -> None:
        """Add a good row, unless it is there already."""
        if example.inputs.keys() - self.columns.keys():
            self.columns.update(dict.fromkeys(example.inputs))
        known = self.rows.get(example.id)
        if known is not None:
            where = f"line {known.line}" + ("" if known.path == example.path else f" of {known.path.name}")
            said = f"This row repeats {where}; it counts once" + (", as a hold-out row." if held_out else ".")
            self.say(Problem("row-duplicate", said, "", Place(example.path, example.line), Severity.WARNING))
        else:
            self.rows[example.id] = example
            other = self.by_inputs.setdefault(inputs_key(example.inputs), example)
            if other.expected != example.expected:
                shown = f"{other.expected[:40]!r} on line {other.line}, {example.expected[:40]!r} here"
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
            return self.error("examples-empty", f"The example file {path} has no rows.", "Add some.")
        there = f"It has {', '.join(columns[:20])}."
        wanted = [self.settings.input.get(name, name) for name in (*self.settings.input, *self.inputs)]
        for column in ([self.expected] if self.expected else []) + wanted:
            if columns and column not in columns:
                close = nearest(column, columns)
                message = f"The example file {path} has no column '{column}'."
                return self.error("column-missing", message, f"Did you mean {close!r}?" if close else there)
        if columns and self.expected is None:
            message = f"The example file {path} has no column {', '.join(EXPECTED_COLUMNS[:2])} or __expected."
            return self.error("column-missing", message, f"{there} Name one in apo.examples: {{expected: …}}.")
        message = f"No row of the example file {path} can be used."
        summary = Problem("examples-empty", message, "Correct its rows.", self.place)
        return InputError(summary, *self.problems[:5])

    def error(self, code: str, message: str, remedy: str) -> InputError:
        return InputError(Problem(code, message, remedy, self.place))

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
        )


def _labels(rows: tuple[Example, ...]) -> tuple[str, ...]:
    """The distinct answers, where they are few, short, and repeat: then they are the labels of a classification."""
    found: dict[str, None] = {}
    for row in rows:
        found[row.expected] = None
        if len(found) > MAX_LABELS or len(row.expected) > MAX_LABEL_CHARS:
            return ()
    return tuple(found) if len(found) * 2 <= len(rows) else ()


def _id(inputs: dict[str, str], expected: str) -> str:
    content = msgspec.json.encode([inputs, expected], order="sorted")
    return hashlib.sha256(content).hexdigest()[:16]
