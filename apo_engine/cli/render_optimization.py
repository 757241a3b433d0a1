"""The end of a search in a terminal: the diff, the verdict, who did what, what it took, what to do next."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

from apo_engine.api import Optimization
from apo_engine.cli import words
from apo_engine.cli.console import say
from apo_engine.cli.diff import unified
from apo_engine.cli.figures import count, percent, probability
from apo_engine.cli.plain import literal

if TYPE_CHECKING:
    from rich.console import Console


def print_optimization(
    console: Console,
    result: Optimization,
    path: Path,
    *,
    metric: str,
    writer: str,
    proposed: int,
    discarded: Counter[str],
) -> None:
    """Everything that a search found; ``writer`` is the model that writes rewrites."""
    changed = result.best.id != result.start.id
    if changed:
        console.print(unified(result.start.text, result.best.text, path.name), soft_wrap=True)
        console.print()
    _print_verdict(console, result, metric, changed=changed)
    if changed:
        _fact(console, "Changed", words.credit(result.operators, writer))
        gain = f"{percent(result.start_score)} → {percent(result.best_score)} on {count(result.n, 'row')}"
        if result.best.suspicions:
            _fact(console, "Check", f"{words.caution(result.best.suspicions)}.", "yellow bold")
        _fact(console, "Selection", f"{gain}. These rows chose the winner, so this is not the result.")
    tried = " · ".join(part for part in (count(proposed, "prompt") + " tried", words.discards(discarded)) if part)
    _fact(console, "Search", f"{result.stopped.replace('-', ' ')}: {result.reason.rstrip('.')}. {tried}.")
    _fact(console, "Took", f"{words.spending(result.spent, result.seconds)}.")


def _print_verdict(console: Console, result: Optimization, metric: str, *, changed: bool) -> None:
    verdict = result.verdict
    if verdict is None:
        why = "The unseen rows were not judged." if changed else "Nothing better was found."
        told = (
            "None yet: the search did not come to its end."
            if result.stopped == "cancelled" or result.broke_off
            else f"{why} Keep your prompt."
        )
        _fact(console, "Verdict", told, "yellow bold")
        return
    compared = verdict.comparison
    adopt = verdict.decision == "adopt"
    told = f"{'Adopt it' if adopt else 'Keep your prompt'}: {verdict.words}."
    _fact(console, "Verdict", told, "green bold" if adopt else "yellow bold")
    name = words.metric_name(metric)
    both = f"{name} {percent(compared.start)} → {percent(compared.best)} on {count(compared.n, 'unseen row')}"
    looks = verdict.earlier_looks
    asked = f" (two-sided; look {looks + 1} at these rows asks for {2 * verdict.level:.2g})" if looks else ""
    _fact(console, "Hold-out", f"{both}, {probability(compared.p)}{asked}")
    others = words.figures(verdict.start, verdict.best, metric) if verdict.start and verdict.best else ""
    if others:
        _fact(console, "Besides", f"{others}, on the same rows")


def _fact(console: Console, name: str, text: str, style: str = "") -> None:
    if console.is_terminal:
        from rich.table import Table  # a hanging indent, where lines are wrapped

        grid = Table.grid(padding=(0, 2, 0, 0))
        grid.add_column(width=9)
        grid.add_column(ratio=1)
        grid.add_row(literal(name, "dim"), literal(text, style))
        console.print(grid)
    else:
        say(console, literal(f"{name + ':':11}{text}"))
