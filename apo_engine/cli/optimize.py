"""`apo optimize`: the whole search, its verdict, and the winner written back where it has earned it."""

from __future__ import annotations

import shlex
from pathlib import Path

import click

from apo_engine.api import Optimization, optimize
from apo_engine.cli.as_json import emit, optimization_object
from apo_engine.cli.console import remarks, results, say
from apo_engine.cli.options import (
    algorithm_option,
    engine_options,
    optimizer_model_option,
    repeated,
    resume_option,
    run_options,
    search_options,
)
from apo_engine.cli.plain import literal
from apo_engine.cli.progress import LiveView
from apo_engine.cli.render_optimization import print_optimization
from apo_engine.cli.running import drive
from apo_engine.cli.transcript import Transcript
from apo_engine.cli.words import caution
from apo_engine.cli.write_back import write_back
from apo_engine.names import shown_name
from apo_engine.prompt.file import PromptFile, load_prompt

_FINE, _NOT_BETTER, _FAILED, _INTERRUPTED = 0, 1, 3, 130


@click.command("optimize")
@run_options
@optimizer_model_option
@algorithm_option
@search_options
@resume_option
@click.option("--write", is_flag=True, help="Write the winner into FILE if the verdict is to adopt it.")
@click.option("--force", is_flag=True, help="With --write: whatever the verdict is, and whatever it adds.")
@click.option("--fail-unless-better", is_flag=True, help="Exit with 1 unless the verdict is to adopt the winner.")
def command(file: Path, as_json: bool, write: bool, force: bool, fail_unless_better: bool, **given: object) -> int:
    """Search for a better prompt than the one in FILE.

    Criticises it, rewrites it, and measures the rewrites. The winner and your prompt then meet the rows that the
    search never saw: their verdict says which one to use.
    """
    if force and not write:
        raise click.UsageError("--force only makes sense with --write.")
    prompt = load_prompt(file)
    transcript = Transcript()
    with LiveView(file) as view:
        run = optimize(prompt, engine_options(given))
        remedy = "What was answered is kept: the same command with --resume goes on from there."
        result = drive(run, transcript.read, view.read, remedy=remedy)
    if as_json:
        emit(optimization_object(result, transcript))
    else:
        started = transcript.started
        print_optimization(
            results(),
            result,
            file,
            metric=started.metric if started else "",
            writer=shown_name(started.optimizer_model) if started else "a model",
            proposed=transcript.proposed,
            discarded=transcript.discarded,
        )
    again = " ".join(part for part in ("apo optimize", shlex.quote(str(file)), repeated(given), "--resume") if part)
    _finish(prompt, result, file, again, write=write, force=force)
    return _exit_code(result, fail_unless_better=fail_unless_better)


def _finish(prompt: PromptFile, result: Optimization, file: Path, again: str, *, write: bool, force: bool) -> None:
    """Write the winner where that was asked for and is earned; else say what can be done: ``again`` and its flags."""
    adopt = result.verdict is not None and result.verdict.decision == "adopt"
    changed = result.best.text != result.start.text
    if result.stopped == "cancelled":
        told = f"Stopped. Go on with: {again}"
    elif result.broke_off:
        told = f"The search broke off: {result.reason}\nGo on with: {again}"
    elif not changed:
        told = "Keep your prompt: nothing that was tried did better."
    elif adopt and result.best.suspicions and not force:
        kept = "Not written. " if write else ""
        told = f"{kept}{caution(result.best.suspicions)}. To take it: {again} --write --force"
    elif write and (adopt or force):
        write_back(prompt, result.best.text)
        told = f"Written to {file}."
    elif adopt:
        told = f"Write it: {again} --write"
    else:
        kept = "Keep your prompt: the winner was not written" if write else "Keep your prompt"
        unproven = "" if result.verdict else f" Its verdict is missing: {result.reason.rstrip('.')}."
        told = f"{kept}.{unproven} To take the winner all the same: {again} --write --force"
    console = remarks()
    if console.is_terminal:
        console.print()
    say(console, literal(told, "bold"))


def _exit_code(result: Optimization, *, fail_unless_better: bool) -> int:
    if result.stopped == "cancelled":
        return _INTERRUPTED
    if result.broke_off:
        return _FAILED
    better = result.verdict is not None and result.verdict.decision == "adopt"
    return _NOT_BETTER if fail_unless_better and not better else _FINE
