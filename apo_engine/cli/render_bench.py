"""The paper's table beside the measured one, in a terminal."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from apo_engine.api import TASKS, Benchmark, margins
from apo_engine.cli import bench_words
from apo_engine.cli.console import say, show
from apo_engine.cli.figures import count
from apo_engine.cli.plain import literal
from apo_engine.cli.tables import plain_table
from apo_engine.cli.words import spending
from apo_engine.search.verdict import points

if TYPE_CHECKING:
    from rich.console import Console

_NONE = "–"


def print_benchmarks(console: Console, benchmarks: Sequence[Benchmark]) -> None:
    """The figures of every task and algorithm on its test rows, the margins, and what they do not say."""
    table = plain_table("task", "search", "rows", "F1", "margin", "accuracy", "paper's F1 *")
    for column in table.columns[2:]:
        column.justify = "right"
    for one in benchmarks:
        table.add_row(*map(literal, _cells(one)))
    say(console, literal("On test rows that the search never saw, first prompt → best prompt", "bold"))
    console.print()
    show(console, table)
    console.print()
    say(console, "* with a beam/greedy/without iteration, as the paper reports its own search", style="dim")
    found = margins(benchmarks)
    if found:
        console.print()
        compared = plain_table("mean margin of apo over", "tasks", "measured", "paper")
        for column in compared.columns[1:]:
            column.justify = "right"
        for margin in found:
            over = "the first prompt" if margin.over == "start" else margin.over
            paper = f"{points(margin.reported)} %"
            compared.add_row(literal(over), f"{margin.tasks}", f"{points(margin.measured)} points", paper)
        show(console, compared)
    console.print()
    say(console, bench_words.models(benchmarks))
    for note in bench_words.notes(benchmarks):
        say(console, note)
    console.print()
    for one in benchmarks:
        verdict = one.optimization.verdict
        told = f"{verdict.words}; " if verdict else ""
        took = spending(one.optimization.spent, one.optimization.seconds)
        say(console, f"{one.task}, {one.algorithm}: {told}{took}", style="dim")


def _cells(one: Benchmark) -> tuple[str, ...]:
    reported = TASKS[one.task].reported
    paper = "/".join(_figure(f1) for f1 in (reported.beam, reported.greedy, reported.none)) if reported else _NONE
    verdict = one.optimization.verdict
    if verdict is None:
        return one.task, one.algorithm, _NONE, one.optimization.stopped, _NONE, _NONE, paper
    compared, start, best = verdict.comparison, verdict.start, verdict.best
    accuracy = _NONE
    if start and best and start.accuracy is not None and best.accuracy is not None:
        accuracy = f"{_figure(start.accuracy)} → {_figure(best.accuracy)}"
    f1 = f"{_figure(compared.start)} → {_figure(compared.best)}"
    return one.task, one.algorithm, f"{compared.n}", f1, points(compared.difference), accuracy, paper


def _figure(fraction: float) -> str:
    """A fraction as papers write it: ``.67``."""
    return f"{fraction:.2f}".removeprefix("0") if fraction < 0.995 else "1.00"


def unfinished(benchmarks: Sequence[Benchmark]) -> str:
    """Which tasks have no figures, and why; empty where all have."""
    without = [one for one in benchmarks if one.optimization.verdict is None]
    if not without:
        return ""
    return f"{count(len(without), 'run')} without figures: {without[0].optimization.reason}"
