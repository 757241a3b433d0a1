"""Rows that say what an earlier row says already, with the same answer or another one."""

from __future__ import annotations

from array import array
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Literal

from apo_engine.examples.resemblance import Wordings

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

# What is kept of a row is four numbers; these bounds keep the whole within some 100 MB, whatever the file holds.
_MOST_ROWS, _MOST_GROUPS = 1_500_000, 100_000
_MOST_WORDED_ROWS, _MOST_WORDED_CHARS = 20_000, 4_000_000


@dataclass(frozen=True, slots=True)
class Repeat:
    """Row number ``row`` has the input of the ``earlier`` one: the ``same``, but for its ``setting``, or ``nearly``."""

    row: int
    earlier: int
    likeness: Literal["same", "setting", "nearly"]
    same_answer: bool


class Repeats:
    """Compares rows as they come, in bounded memory: by hashes all of them, by their words those at the beginning."""

    def __init__(self) -> None:
        self.lines = array("Q")
        self.answers = array("q")
        self._inputs = array("q")
        self._folded = array("q")
        self._wordings = Wordings(_MOST_WORDED_ROWS, _MOST_WORDED_CHARS)
        self._complete = True

    @property
    def complete(self) -> bool:
        """Whether every row was compared with all others, in both ways."""
        return self._complete and self._wordings.taken == len(self.lines)

    def __len__(self) -> int:
        return len(self.lines)

    def add(self, inputs: Sequence[tuple[str, str]], folds: Sequence[bytes], answer: str, line: int) -> None:
        """Take up the next row: its inputs by name, in the order of names, and the same ``folds``, folded."""
        number = len(self.lines)
        if number >= _MOST_ROWS:
            self._complete = False
            return
        exact = hash(tuple(inputs))
        self.lines.append(line)
        self.answers.append(hash(answer))
        self._inputs.append(exact)
        # Where nothing but punctuation is said, it is what counts.
        self._folded.append(hash(b"\0".join(folds)) if any(folds) else exact)
        if not self._wordings.full:
            self._wordings.add(number, " ".join(text for _, text in inputs))

    def found(self) -> Iterator[Repeat]:
        """Each row that repeats an earlier one, in order."""
        repeated = self._repeated()
        worded = self._wordings.resembling()
        rows: dict[tuple[int, int], int] = {}
        inputs: dict[int, int] = {}
        folds: dict[int, int] = {}
        for row, fold in enumerate(self._folded):
            if fold in repeated:
                exact, answer = self._inputs[row], self.answers[row]
                earlier = rows.setdefault((exact, answer), row)
                if earlier != row:
                    yield Repeat(row, earlier, "same", same_answer=True)
                    continue
                earlier = inputs.setdefault(exact, row)
                if earlier != row:
                    yield Repeat(row, earlier, "same", same_answer=False)
                    continue
                earlier = folds.setdefault(fold, row)
                if earlier != row:
                    yield Repeat(row, earlier, "setting", self.answers[earlier] == answer)
                    continue
            if row in worded:
                yield Repeat(row, worded[row], "nearly", self.answers[worded[row]] == self.answers[row])

    def _repeated(self) -> set[int]:
        """The folded inputs that more than one row has."""
        found: set[int] = set()
        for one, other in pairwise(sorted(self._folded)):
            if one == other:
                found.add(one)
                if len(found) >= _MOST_GROUPS:
                    self._complete = False
                    break
        return found
