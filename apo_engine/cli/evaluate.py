"""`apo evaluate`: what a prompt scores on its open rows."""

from __future__ import annotations

from pathlib import Path

import click

from apo_engine.api import evaluate
from apo_engine.cli.as_json import emit, evaluation_object
from apo_engine.cli.console import results
from apo_engine.cli.options import engine_options, run_options
from apo_engine.cli.progress import LiveView
from apo_engine.cli.render_evaluation import print_evaluation
from apo_engine.cli.running import drive
from apo_engine.prompt.file import load_prompt


@click.command("evaluate")
@run_options
def command(file: Path, as_json: bool, **given: object) -> None:
    """Score the prompt in FILE on its examples.

    Shows the metric with its interval, the confusion of labels, the failing rows, and what it cost. The rows that
    a verdict will be based on stay sealed.
    """
    run = evaluate(load_prompt(file), engine_options(given))
    with LiveView(file) as view:
        evaluation = drive(run, view.read, remedy="What was answered is kept: the same command goes on from there.")
    if as_json:
        emit(evaluation_object(evaluation))
    else:
        print_evaluation(results(), evaluation, file)
