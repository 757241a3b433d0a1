"""`apo cache`: what is kept on this machine, where, and how to be rid of it."""

from __future__ import annotations

import asyncio
import sys
from dataclasses import asdict

import click

from apo_engine.api import Kept, cache_folder, clear_kept, kept
from apo_engine.cli.as_json import Object, emit
from apo_engine.cli.console import remarks, results, say, show, warnings_shown
from apo_engine.cli.figures import count, size
from apo_engine.cli.options import debug_option, json_option
from apo_engine.cli.plain import literal
from apo_engine.cli.tables import plain_table


@click.group("cache")
def command() -> None:
    """Say what is kept on this machine, where, and delete it."""


@command.command("path")
@json_option
@debug_option
def path(as_json: bool) -> None:
    """Print the folder of everything that is kept."""
    folder = str(cache_folder())
    if as_json:
        emit({"path": folder})
    else:
        say(results(), literal(folder))


@command.command("stats")
@json_option
@debug_option
def stats(as_json: bool) -> None:
    """Count what is kept: models' answers, runs, and what the language server knows of prompts."""
    with warnings_shown(remarks()):
        found = asyncio.run(kept())
    if as_json:
        emit(_object(found))
        return
    table = plain_table("kept", "how many", "on disk")
    for column in table.columns[1:]:
        column.justify = "right"
    for name, number, taken in _lines(found):
        table.add_row(name, f"{number:,}", size(taken))
    show(results(), table)
    say(results(), literal(f"\nIn {found.folder}. Delete it: apo cache clear", "dim"))


@command.command("clear")
@click.option("--yes", is_flag=True, help="Do not ask.")
@json_option
@debug_option
def clear(yes: bool, as_json: bool) -> None:
    """Delete all answers, runs, and what the language server knows of prompts.

    What was spent today, what you have agreed to, the sides of rows and the looks at hold-out rows are remembered: they
    hold no word of yours. Runs under way go on.
    """
    with warnings_shown(remarks()):
        before = asyncio.run(kept())
        if not yes:
            if as_json or not sys.stdin.isatty():
                raise click.UsageError("This deletes answers that were paid for. Add --yes to do so.")
            what = f"{count(before.answers, 'answer')} and {count(before.runs, 'run')} in {before.folder}"
            click.confirm(f"Delete {what}?", abort=True, err=True)
        after = asyncio.run(clear_kept())
    if as_json:
        emit({"before": _object(before), "after": _object(after)})
        return
    answers, runs = max(0, before.answers - after.answers), max(0, before.runs - after.runs)
    say(results(), f"Deleted {count(answers, 'answer')} and {count(runs, 'run')}.")
    say(remarks(), literal("Looks at hold-out rows are still counted: seen rows stay seen.", "dim"))
    if any(number for _, number, _ in _lines(after)):
        left = "Some of it is still there: it is in use, or may not be deleted. Run this again later."
        say(remarks(), literal("Warning: ", "yellow"), left)


def _lines(found: Kept) -> tuple[tuple[str, int, int], ...]:
    return (
        ("answers", found.answers, found.answer_bytes),
        ("runs", found.runs, found.run_bytes),
        ("prompts in the editor", found.editor, found.editor_bytes),
    )


def _object(found: Kept) -> Object:
    """``folder``, and ``answers``, ``answer_bytes``, ``runs``, ``run_bytes``, ``editor``, ``editor_bytes``."""
    return {**asdict(found), "folder": str(found.folder)}
