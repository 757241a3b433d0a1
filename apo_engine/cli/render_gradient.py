"""A textual gradient in a terminal: where, on what words, why, and shown by which rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from rich.text import Text

from apo_engine.cli.console import say
from apo_engine.cli.figures import count
from apo_engine.cli.location import located
from apo_engine.cli.plain import excerpt, literal
from apo_engine.evaluation.result import RowResult
from apo_engine.positions import Lines
from apo_engine.search.gradient import Gradient

if TYPE_CHECKING:
    from rich.console import Console

_QUOTE = 160
_ROWS = 5


def heading(gradient: Gradient, lines: Lines, path: Path | None) -> Text:
    """Where the passage stands and how much it explains; without ``path`` it stands in a rewrite, not in a file."""
    where = located(path, *lines.place(gradient.span.start)) if path else "in a rewrite"
    explains = f"explains {count(len(gradient.rows), 'row')}, {100 * gradient.share:.0f} % of the failures"
    return Text().append_text(literal(where, "bold")).append_text(literal(f"  {explains}", "cyan"))


def passage(gradient: Gradient) -> Text:
    """The words at fault, or that the critique is about the whole."""
    if gradient.anchor == "section":
        return literal("(about the whole instruction)", "italic dim")
    return literal(f"“{excerpt(gradient.quote, _QUOTE)}”", "italic")


def print_gradients(
    console: Console, gradients: Sequence[Gradient], lines: Lines, path: Path, rows: Mapping[str, RowResult]
) -> None:
    """The gradients of a prompt, each with its first failing rows."""
    for number, gradient in enumerate(gradients, start=1):
        if number > 1:
            console.print()
        say(console, literal(f"{number}. "), heading(gradient, lines, path))
        say(console, passage(gradient), indent=3)
        say(console, gradient.critique, indent=3)
        known = [rows[row] for row in gradient.rows if row in rows]
        for row in known[:_ROWS]:
            answered = "could not be read" if row.invalid else excerpt(row.predicted, 40)
            told = f"expected {excerpt(row.expected, 40)}, answered {answered}"
            say(console, literal(located(row.path, row.line), "dim"), literal(f"  {told}", "dim"), indent=3)
        if len(known) > _ROWS:
            say(console, literal(f"and {count(len(known) - _ROWS, 'more row')}", "dim"), indent=3)
