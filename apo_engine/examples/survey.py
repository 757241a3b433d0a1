"""A look through example files without running anything: what they hold, and what is wrong with which row."""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

from apo_engine.examples.columns import Columns
from apo_engine.examples.facts import ColumnFacts, ExampleFacts, FileFacts, LabelFacts
from apo_engine.examples.files import header_line, named_files, readable_roots, rows_in
from apo_engine.examples.labels import MAX_LABEL_CHARS, are_labels, caseless, misspelt
from apo_engine.examples.quoting import one_line, quoted
from apo_engine.examples.repeats import Repeats
from apo_engine.examples.resemblance import folded
from apo_engine.examples.rows import BadRow
from apo_engine.examples.surveyed_file import Shape, SurveyedFile
from apo_engine.names import shown_name
from apo_engine.problems import InputError, Problem, Severity
from apo_engine.settings import nearest

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence
    from pathlib import Path

    from apo_engine.examples.quotation import Quotations
    from apo_engine.examples.repeats import Repeat
    from apo_engine.examples.rows import Row
    from apo_engine.problems import Place
    from apo_engine.settings import ExamplesSettings

_MOST_ANSWERS, _MOST_ANSWER_CHARS = 1_000, 200
_MOST_CHECKED_LABELS = 100
_SAMPLED_ROWS, _SAMPLES, _SAMPLE_CHARS = 50, 3, 60


@dataclass(frozen=True)
class RowCheck:
    """What example files hold, None where no row could be read, and what is wrong with them and their rows."""

    facts: ExampleFacts | None
    problems: tuple[Problem, ...]


def survey(
    settings: ExamplesSettings,
    folder: Path,
    *,
    inputs: Collection[str] = (),
    labels: Collection[str] = (),
    place: Place | None = None,
    buffers: Mapping[Path, str] | None = None,
    quotations: Quotations | None = None,
    objection: Callable[[str], str] | None = None,
    allowed_roots: Sequence[Path] | None = None,
) -> RowCheck:
    """Look through the example files that the settings name, relative to ``folder``. Never raises.

    What is wrong with a file as a whole is said at ``place``; what is wrong with a row at its line, at most 200 times
    per file, and then how often more. That no row at all fills one of ``inputs`` is not said: it is best said where the
    prompt reads it.

    Args:
        settings: the files, and which column is what.
        folder: the folder of the prompt file.
        inputs: the inputs that the prompt cannot do without.
        labels: the answers that are allowed; empty where any is.
        place: where the prompt file names the examples.
        buffers: unsaved texts, by resolved path, that are read in place of the files.
        quotations: finds rows that the prompt quotes.
        allowed_roots: the other folders that the files may lie in; the working folder where None.
        objection: why the metric cannot use an answer, as a clause; empty where it can.
    """
    look = _Survey(Columns(settings, inputs), settings, tuple(labels), place, quotations, objection)
    try:
        for path, held_out in named_files(settings, folder, place, allowed_roots):
            look.read(path, held_out, readable_roots(folder, allowed_roots), buffers or {})
    except InputError as error:
        look.whole.extend(error.problems)
    return look.result()


@dataclass(slots=True)
class _Tally:
    """How many rows have an answer, and where the first of them is."""

    rows: int
    line: int
    path: Path


class _Survey:
    """Everything found out so far. ``whole`` are the problems with whole files."""

    def __init__(
        self,
        columns: Columns,
        settings: ExamplesSettings,
        labels: tuple[str, ...],
        place: Place | None,
        quotations: Quotations | None,
        objection: Callable[[str], str] | None,
    ) -> None:
        self.columns = columns
        self.mapped = settings.input
        self.labels = labels
        self.place = place
        self.quotations = quotations
        self.objection = objection
        self.whole: list[Problem] = []
        self.files: list[SurveyedFile] = []
        self.repeats = Repeats()
        self.answers: dict[str, _Tally] = {}
        self.many_answers = False
        self.samples: defaultdict[str, dict[str, None]] = defaultdict(dict)

    def read(self, path: Path, held_out: bool, roots: Sequence[Path], buffers: Mapping[Path, str]) -> None:
        """Look through one file; what is wrong with it as a whole is noted."""
        file = SurveyedFile(path, held_out, len(self.repeats))
        self.files.append(file)
        bad = 0
        try:
            for row in rows_in(path, roots, self.place, buffers):
                if isinstance(row, BadRow):
                    bad += 1
                    file.bad(row.line, row.reason)
                else:
                    self.take(file, row)
        except InputError as error:
            self.whole.extend(error.problems)
            if not file.columns:
                self.files.remove(file)
            return
        self.close(file, bad)
        header = header_line(path, roots, buffers)
        if header is not None:
            file.columns = dict.fromkeys(file.columns, header)

    def take(self, file: SurveyedFile, row: Row) -> None:
        """Look at one row."""
        cells, line = row.cells, row.line
        answer = self.columns.answer(cells)
        shape = file.shapes.get(tuple(cells)) or self.shape(file, cells, line)
        if not answer:
            file.lack(None, line)
            return
        if shape.missing and self.lacks(file, shape, line):
            return
        texts = [(name, cells[column] or "") for name, column in shape.inputs]
        if file.usable < _SAMPLED_ROWS:
            self.sample(texts)
        file.usable += 1
        folds = [folded(text) for _, text in texts]
        self.repeats.add(texts, folds, answer, line)
        known = self.answers.get(answer)
        if known is not None:
            known.rows += 1
        else:
            self.note(file, answer, line)
        if self.labels and answer not in self.labels:
            self.unknown(file, answer, line)
        if self.objection is not None and (reason := self.objection(answer)):
            said = f"The metric cannot use this row: the expected value {quoted(answer, 60)} {reason}."
            file.say(line, "expected-unusable", said, "Correct the row, or remove it.", Severity.ERROR)
        if self.quotations is not None:
            for fold in folds:
                if self.quotations.may_hold(fold):
                    self.look_up(file, self.quotations, texts, folds, line)
                    break

    def lacks(self, file: SurveyedFile, shape: Shape, line: int) -> bool:
        """Whether a row lacks an input that a row before it fills: what no row fills is not the row's fault."""
        there = [self.columns.column(name) in file.columns for name in shape.missing]
        for name, known in zip(shape.missing, there, strict=True):
            if known or not any(there):
                file.lack(name, line, used=not known)
                return known
        return False

    def shape(self, file: SurveyedFile, cells: Mapping[str, object], line: int) -> Shape:
        """What the columns of a row are for, found out once for all rows with the same."""
        for name in cells:
            file.columns.setdefault(name, line)
        filled = self.columns.fills(cells)
        shape = Shape(tuple(sorted(filled.items())), self.columns.missing(filled))
        # As long as nothing is known to be the answer, it may be any column.
        if self.columns.expected is not None:
            file.keep(tuple(cells), shape)
        return shape

    def close(self, file: SurveyedFile, bad: int) -> None:
        """Once all rows are read, tell a row that lacks something from a column that is not there."""
        there = [*file.columns]
        for name, lacking in file.lacking.items():
            column = self.columns.expected if name is None else self.columns.column(name)
            if column is None or column not in file.columns:
                continue
            reason = self.columns.no_answer if name is None else self.columns.no_input(name)
            file.lacked(lacking, column, reason)
        absent = self.columns.absent(file.path, there, self.mapped, self.place) if there else None
        if absent is not None:
            self.whole.append(absent)
        elif not (there or bad):
            message = f"The example file {file.path} has no rows."
            self.whole.append(Problem("examples-empty", message, "Add some.", self.place))
        elif not file.usable:
            message = f"No row of the example file {file.path} can be used."
            self.whole.append(Problem("examples-empty", message, "Correct its rows.", self.place))

    def sample(self, texts: list[tuple[str, str]]) -> None:
        for name, value in texts:
            values = self.samples[name]
            if len(values) < _SAMPLES and (shown := one_line(value, _SAMPLE_CHARS)):
                values[shown] = None

    def note(self, file: SurveyedFile, answer: str, line: int) -> None:
        if len(self.answers) < _MOST_ANSWERS and len(answer) <= _MOST_ANSWER_CHARS:
            self.answers[answer] = _Tally(1, line, file.path)
        else:
            self.many_answers = True

    def unknown(self, file: SurveyedFile, answer: str, line: int) -> None:
        if file.has_enough_of("label-unknown"):
            return
        close = nearest(answer, self.labels)
        shown = ", ".join(quoted(label) for label in self.labels[:20])
        message = f"The answer {quoted(answer)} is none of the labels that output.schema declares."
        remedy = f"Did you mean {quoted(close)}?" if close else f"Use one of {shown}, or declare it."
        file.say(line, "label-unknown", message, remedy)

    def look_up(
        self, file: SurveyedFile, quotations: Quotations, texts: list[tuple[str, str]], folds: list[bytes], line: int
    ) -> None:
        """Whether the prompt quotes the row."""
        for (_, text), fold in zip(texts, folds, strict=True):
            at = quotations.line_of(text, fold)
            if at is not None:
                why = "and it is held out, so a verdict on it is worth nothing" if file.held_out else _LEAKED
                message = f"The prompt quotes this row on its line {at}, {why}."
                remedy = "Take it out of the prompt, or take the row out of this file."
                file.say(line, "row-quoted", message, remedy)
                return

    def result(self) -> RowCheck:
        """The facts, and all problems: those with whole files first."""
        repeated = self.say_repeats()
        self.say_misspelt()
        problems = [*self.whole, *(problem for file in self.files for problem in file.problems())]
        if not any(file.columns for file in self.files):
            return RowCheck(None, tuple(problems))
        facts = ExampleFacts(
            tuple(FileFacts(str(f.path), f.usable - repeated[n], f.held_out) for n, f in enumerate(self.files)),
            self.column_facts(),
            self.columns.expected if any(self.columns.expected in file.columns for file in self.files) else None,
            self.label_facts(),
            self.repeats.complete,
        )
        return RowCheck(facts, tuple(problems))

    def column_facts(self) -> tuple[ColumnFacts, ...]:
        lines: dict[str, int] = {}
        for file in self.files:
            lines = {**lines, **{name: line for name, line in file.columns.items() if name not in lines}}
        filled = self.columns.fills(lines)
        return tuple(ColumnFacts(name, col, lines[col], tuple(self.samples[name])) for name, col in filled.items())

    def label_facts(self) -> tuple[LabelFacts, ...]:
        rows = sum(file.usable for file in self.files)
        if self.many_answers or not are_labels(self.answers, rows):
            return ()
        return tuple(LabelFacts(text, t.rows, t.line, str(t.path)) for text, t in self.answers.items())

    def say_repeats(self) -> defaultdict[int, int]:
        """Say which rows repeat another; how many of each file count once with another."""
        texts = {hash(answer): answer for answer in self.answers}
        once: defaultdict[int, int] = defaultdict(int)
        for repeat in self.repeats.found():
            at, before = self.file_of(repeat.row), self.file_of(repeat.earlier)
            file, earlier = self.files[at], self.files[before]
            lines = self.repeats.lines
            if lines[repeat.row] < file.sound_from or lines[repeat.earlier] < earlier.sound_from:
                continue
            if repeat.likeness == "same" and repeat.same_answer:
                once[before if file.held_out and not earlier.held_out else at] += 1
            self.say_repeat(repeat, file, earlier, texts)
        return once

    def say_repeat(self, repeat: Repeat, file: SurveyedFile, earlier: SurveyedFile, texts: Mapping[int, str]) -> None:
        lines, answers = self.repeats.lines, self.repeats.answers
        line = lines[repeat.row]
        where = f"line {lines[repeat.earlier]}" + ("" if earlier is file else f" of {shown_name(earlier.path.name)}")
        leaks = file.held_out and not earlier.held_out
        one, other = texts.get(answers[repeat.earlier]), texts.get(answers[repeat.row])
        two = f"{quoted(one)} on {where}, {quoted(other)} here" if one and other else f"on {where} and here"
        information = Severity.WARNING if leaks else Severity.INFORMATION
        if repeat.likeness == "same" and repeat.same_answer:
            file.say(line, "row-duplicate", f"This row repeats {where}; it counts once{_HELD * leaks}.", _REPEATED)
        elif repeat.likeness == "same":
            file.say(line, "row-contradiction", f"The same input has two answers: {two}.", "Correct one of them.")
        elif repeat.likeness == "setting" and not repeat.same_answer:
            said = f"The same input, but for case, space or punctuation, has two answers: {two}."
            file.say(line, "row-contradiction", said, "Correct one of them.")
        elif repeat.likeness == "setting":
            said = f"This row repeats {where} but for case, space or punctuation"
            file.say(line, "row-near-duplicate", f"{said}{_UNSEALED * leaks}.", _REPEATED)
        elif repeat.same_answer:
            said = f"This row has nearly the words of {where}{_UNSEALED * leaks}."
            file.say(line, "row-near-duplicate", said, "Remove one of them, unless both are meant.", information)
        else:
            said = f"Nearly the same input has two answers: {two}."
            file.say(line, "row-near-contradiction", said, "Check that both are meant.", Severity.INFORMATION)

    def say_misspelt(self) -> None:
        """Say which answers look like another one, misspelt; where labels are declared, that is known better."""
        counts = {answer: tally.rows for answer, tally in self.answers.items()}
        rows = sum(counts.values())
        if self.labels or self.many_answers or len(counts) > _MOST_CHECKED_LABELS or len(counts) * 2 > rows:
            return
        if any(len(answer) > MAX_LABEL_CHARS for answer in counts):
            return
        meant = misspelt(counts)
        by_hash = {hash(answer): answer for answer in meant}
        for row, number in enumerate(self.repeats.answers) if by_hash else ():
            answer = by_hash.get(number)
            if answer is None:
                continue
            label = meant[answer]
            same = caseless(answer) == caseless(label)
            why = "differs in case or space alone from" if same else "looks like a misspelling of"
            message = f"The answer {quoted(answer)} {why} {quoted(label)}, which {_rows(counts[label])}."
            remedy = f"Write {quoted(label)}, if that is meant."
            self.files[self.file_of(row)].say(self.repeats.lines[row], "label-misspelt", message, remedy)

    def file_of(self, row: int) -> int:
        """The number of the file that a row number belongs to."""
        return bisect_right(self.files, row, key=lambda file: file.first_row) - 1


_LEAKED = "so a score on it says little"
_HELD = ", as a hold-out row"
_UNSEALED = ", and it is held out"
_REPEATED = "Remove one of them."


def _rows(count: int) -> str:
    return "one row has" if count == 1 else f"{count:,} rows have"
