"""The evaluation of a prompt in a terminal: figure, F1, confusion, failing rows, cost."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

from apo_engine.api import Evaluation
from apo_engine.cli import tables, words
from apo_engine.cli.console import say, show
from apo_engine.cli.figures import count, percent, span
from apo_engine.cli.location import located
from apo_engine.cli.plain import literal
from apo_engine.examples.files import readable_roots
from apo_engine.scoring.noise import JudgeNoise

if TYPE_CHECKING:
    from rich.console import Console

_MOST_ROWS = 20
# Why answers could not be read: the commonest reasons.
_MOST_REASONS = 3


def print_evaluation(console: Console, evaluation: Evaluation, path: Path, *, rows: bool = True) -> None:
    """Everything that was measured; ``rows`` says whether the failing rows are listed."""
    print_score(console, evaluation, path)
    if evaluation.confusion and evaluation.failing:
        console.print()
        show(console, tables.confusion(evaluation.confusion, console.width))
    if rows:
        print_failing(console, evaluation, readable_roots(path.parent, None))
    console.print()
    say(console, words.spending(evaluation.spent, evaluation.seconds), style="dim")


def print_score(console: Console, evaluation: Evaluation, path: Path) -> None:
    """The figure with its interval, and the others that belong beside it."""
    figure = words.score(evaluation.metric, evaluation.score, evaluation.interval, evaluation.n)
    say(console, literal(located(path), "bold"), literal(f"  {figure}"))
    found = evaluation.figures
    others = []
    if found.accuracy is not None and found.accuracy_interval and evaluation.metric != "label":
        others.append(f"accuracy {percent(found.accuracy)}, 95 % interval {span(found.accuracy_interval)}")
    f1 = {"macro": "macro F1", "binary": f"F1 of '{found.positive}'"}
    others += [f"{f1[name]} {percent(value)}" for name, value in found.f1.items()]
    if others:
        say(console, " · ".join(others), indent=2)
    if evaluation.noise is not None:
        say(console, _noise(evaluation.noise), indent=2)
    if found.invalid:
        unread = f"{count(found.invalid, 'answer')} could not be read"
        say(console, f"{unread} ({percent(found.invalid / found.n)}) and counted as wrong", indent=2)
        reasons = Counter(row.remark for row in evaluation.failing if row.invalid and row.remark)
        for reason, times in reasons.most_common(_MOST_REASONS):
            say(console, f"{times:,} × {reason}", indent=4)


def _noise(noise: JudgeNoise) -> str:
    """How far the judge agrees with itself."""
    same = f"the same grade each time on {percent(noise.agreement)} of {count(noise.n, 'row')}"
    return f"judged repeatedly: {same}, one grade is good to ± {100 * noise.deviation:.1f} points (standard deviation)"


def print_failing(console: Console, evaluation: Evaluation, roots: tuple[Path, ...]) -> None:
    """The failing rows, at most a screenful, from files in the folders ``roots``."""
    graded = any(0 < row.score < 1 for row in evaluation.failing)
    failing = sorted(evaluation.failing, key=lambda row: (row.score, row.path, row.line))
    if not failing:
        say(console, "Every row is answered right.", style="green")
        return
    console.print()
    said = f"{count(len(failing), 'row')} below the full score" if graded else count(len(failing), "failing row")
    say(console, literal(said, "bold"))
    show(console, tables.failing_rows(failing[:_MOST_ROWS], console.width, roots))
    if len(failing) > _MOST_ROWS:
        say(console, f"and {len(failing) - _MOST_ROWS:,} more; --json lists them all", style="dim")
