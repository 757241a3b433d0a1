"""The evaluation of a prompt in a terminal: figure, F1, confusion, failing rows, cost."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from apo_engine.api import Evaluation
from apo_engine.cli import tables, words
from apo_engine.cli.console import say, show
from apo_engine.cli.figures import count, percent
from apo_engine.cli.location import located
from apo_engine.cli.plain import literal

if TYPE_CHECKING:
    from rich.console import Console

_MOST_ROWS = 20


def print_evaluation(console: Console, evaluation: Evaluation, path: Path, *, rows: bool = True) -> None:
    """Everything that was measured; ``rows`` says whether the failing rows are listed."""
    print_score(console, evaluation, path)
    if evaluation.confusion and evaluation.failing:
        console.print()
        show(console, tables.confusion(evaluation.confusion, console.width))
    if rows:
        print_failing(console, evaluation)
    console.print()
    say(console, words.spending(evaluation.spent, evaluation.seconds), style="dim")


def print_score(console: Console, evaluation: Evaluation, path: Path) -> None:
    """The figure with its interval, and the others that belong beside it."""
    figure = words.score(evaluation.metric, evaluation.score, evaluation.interval, evaluation.n)
    say(console, literal(located(path), "bold"), literal(f"  {figure}"))
    others = []
    if evaluation.accuracy is not None and evaluation.metric != "label":
        others.append(f"accuracy {percent(evaluation.accuracy)}")
    others += [f"{name} F1 {percent(value)}" for name, value in evaluation.f1.items()]
    others.append(f"{count(evaluation.invalid, 'answer')} could not be read" if evaluation.invalid else "")
    others = [other for other in others if other]
    if others:
        say(console, " · ".join(others), indent=2)


def print_failing(console: Console, evaluation: Evaluation) -> None:
    """The failing rows, at most a screenful."""
    failing = sorted(evaluation.failing, key=lambda row: (row.path, row.line))
    if not failing:
        say(console, "Every row is answered right.", style="green")
        return
    console.print()
    say(console, literal(f"{count(len(failing), 'failing row')}", "bold"))
    show(console, tables.failing_rows(failing[:_MOST_ROWS], console.width))
    if len(failing) > _MOST_ROWS:
        say(console, f"and {len(failing) - _MOST_ROWS:,} more; --json lists them all", style="dim")
