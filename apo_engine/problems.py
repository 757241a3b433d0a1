"""What is wrong, where, and what to do about it: the one shape every finding and every error takes."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

from apo_engine.positions import Lines, Span

if TYPE_CHECKING:
    from pathlib import Path


class Severity(Enum):
    """How bad a problem is; errors keep a prompt from running."""

    ERROR = "error"
    WARNING = "warning"
    INFORMATION = "information"


@dataclass(frozen=True, slots=True)
class Place:
    """A spot in a file. ``line`` and ``column`` are 1-based; ``span`` is exact where the text is at hand."""

    path: Path | None
    line: int = 1
    column: int = 1
    span: Span | None = None

    @staticmethod
    def at(path: Path | None, lines: Lines, span: Span) -> Place:
        """The place of ``span`` in the text that ``lines`` was made of."""
        line, column = lines.place(span.start)
        return Place(path, line, column, span)

    def __str__(self) -> str:
        return f"{self.path or '<text>'}:{self.line}:{self.column}"


@dataclass(frozen=True, slots=True)
class Repair:
    """A change that mends a problem: its title in the imperative, and what replaces which spans of the problem's file.

    The spans are in order and do not overlap; they are offsets of the same text as those of the problem's place.
    """

    title: str
    edits: tuple[tuple[Span, str], ...]

    @staticmethod
    def respelling(span: Span, word: str) -> Repair:
        """Write another word in the place of one."""
        return Repair(f"Change to {word}", ((span, word),))


@dataclass(frozen=True, slots=True)
class Problem:
    """One finding.

    ``code`` is a stable kebab-case name, ``message`` says what is wrong, ``remedy`` what to do (a sentence in
    the imperative; empty only where the message already says it). ``repairs`` can be applied without another thought,
    the likeliest first.
    """

    code: str
    message: str
    remedy: str = ""
    place: Place | None = None
    severity: Severity = Severity.ERROR
    repairs: tuple[Repair, ...] = ()

    def __str__(self) -> str:
        where = f"{self.place}: " if self.place else ""
        return f"{where}{self.message}" + (f" {self.remedy}" if self.remedy else "")


class ApoError(Exception):
    """Base of everything this package raises on purpose. Carries the problems it reports; never empty."""

    exit_code = 2

    def __init__(self, *problems: Problem) -> None:
        super().__init__("\n".join(str(problem) for problem in problems))
        self.problems = problems


class InputError(ApoError):
    """The user's files or settings cannot be used as they are."""


class ModelError(ApoError):
    """A model could not be reached, refused, or answered with something unusable."""

    exit_code = 3


class BudgetError(ApoError):
    """A cap was reached, or is too small for even one step."""

    exit_code = 3
