"""`apo runs`: what was run, when, and what came of it."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path

import click

from apo_engine.api import PastRun, past_runs
from apo_engine.cli.as_json import emit
from apo_engine.cli.console import results, say, show
from apo_engine.cli.figures import count, percent
from apo_engine.cli.options import debug_option, json_option
from apo_engine.cli.plain import literal
from apo_engine.cli.tables import plain_table


@click.command("runs")
@click.option("--most", default=20, show_default=True, type=click.IntRange(min=1), help="How many runs, at most.")
@json_option
@debug_option
def command(most: int, as_json: bool) -> None:
    """List what was run here, the latest first."""
    found = asyncio.run(past_runs(most=most))
    if as_json:
        emit({"runs": [_object(run) for run in found]})
        return
    console = results()
    if not found:
        say(console, "Nothing was run yet. Begin with: apo evaluate FILE")
        return
    table = plain_table("when", "prompt", "what", "score", "result", "run")
    # On a narrow terminal it is the prompt's name that gives way.
    table.columns[1].no_wrap = False
    for run in found:
        report = run.report
        table.add_row(
            f"{run.at:%d %b %H:%M}",
            literal(Path(report.file).name or "–"),
            report.job,
            percent(report.score) if report.score is not None else "–",
            literal(outcome(run)),
            literal(shortest(report.run, [run.report.run for run in found]), "dim"),
        )
    show(console, table)
    say(console, literal("\nSee one: apo report RUN", "dim"))


def outcome(run: PastRun) -> str:
    """What came of a run, in a few words."""
    report = run.report
    if report.verdict is not None:
        difference = report.verdict.comparison.difference
        return f"{report.verdict.decision}: {100 * difference:+.1f} points".replace("-", "−")
    if run.state != "finished":
        return run.state if report.stopped == "running" else f"stopped: {report.stopped}"
    if report.job == "gradients":
        return count(len(report.critiques), "critique")
    return "no better prompt" if report.job == "optimize" else "done"


def shortest(run: str, others: Sequence[str]) -> str:
    """The shortest beginning of an id, of eight characters or more, that none of the others has."""
    length = 8
    while any(other != run and other.startswith(run[:length]) for other in others):
        length += 1
    return run[:length]


def _object(run: PastRun) -> dict[str, object]:
    report, verdict = run.report, run.report.verdict
    return {
        "run": report.run,
        "at": run.at.isoformat(timespec="seconds"),
        "finished": run.state == "finished",
        "state": run.state,
        "job": report.job,
        "file": report.file,
        "metric": report.metric,
        "score": report.score,
        "n": report.n,
        "verdict": verdict.decision if verdict else None,
        "difference": verdict.comparison.difference if verdict else None,
        "usd": report.spent.usd,
        "seconds": report.seconds,
        "stopped": report.stopped,
    }
