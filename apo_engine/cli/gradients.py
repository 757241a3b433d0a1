"""`apo gradients`: why a prompt fails, passage by passage."""

from __future__ import annotations

from pathlib import Path

import click

from apo_engine.api import gradients
from apo_engine.cli import words
from apo_engine.cli.as_json import critiques_object, emit
from apo_engine.cli.console import results, say
from apo_engine.cli.figures import count
from apo_engine.cli.options import engine_options, optimizer_model_option, run_options
from apo_engine.cli.plain import literal
from apo_engine.cli.progress import LiveView
from apo_engine.cli.render_evaluation import print_score
from apo_engine.cli.render_gradient import print_gradients
from apo_engine.cli.running import drive
from apo_engine.cli.transcript import Transcript
from apo_engine.positions import Lines
from apo_engine.prompt.file import load_prompt


@click.command("gradients")
@run_options
@optimizer_model_option
def command(file: Path, as_json: bool, **given: object) -> None:
    """Say why the prompt in FILE fails.

    Scores the prompt, then shows each critique with the passage it is about and the rows it explains.
    """
    prompt = load_prompt(file)
    transcript = Transcript()
    with LiveView(file) as view:
        run = gradients(prompt, engine_options(given))
        remedy = "What was answered is kept: the same command goes on from there."
        critiques = drive(run, transcript.read, view.read, remedy=remedy)
    if as_json:
        emit(critiques_object(critiques, str(file), prompt.text, transcript.rows))
        return
    console = results()
    evaluation = critiques.evaluation
    print_score(console, evaluation, file)
    console.print()
    found = f"{count(len(critiques.gradients), 'critique')} of {count(len(evaluation.failing), 'failing row')}"
    if critiques.gradients:
        say(console, literal(found, "bold"))
        console.print()
        print_gradients(console, critiques.gradients, Lines(prompt.text), file, transcript.rows)
    else:
        say(console, "There is nothing to criticise: every row is answered right." if not evaluation.failing else found)
    console.print()
    say(console, words.spending(evaluation.spent, evaluation.seconds), style="dim")
