"""The options that commands share, and how they become the settings of a run."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, get_type_hints

import click

from apo_engine.settings import OptimizerSettings

if TYPE_CHECKING:
    from apo_engine.api import Options

Command = TypeVar("Command", bound=Callable[..., Any])

# Option by option, the setting that it overrides.
_SETTINGS = {
    "model": ("model",),
    "optimizer_model": ("optimizer", "model"),
    "algorithm": ("optimizer", "algorithm"),
    "selection": ("optimizer", "selection"),
    "rounds": ("optimizer", "rounds"),
    "beam": ("optimizer", "beam"),
    "max_calls": ("budget", "calls"),
    "max_usd": ("budget", "usd"),
    "max_seconds": ("budget", "seconds"),
    "seed": ("seed",),
    "concurrency": ("concurrency",),
    "keep": ("keep",),
}

_MODEL = "The model that answers the rows, as provider/name."
_OPTIMIZER = "The model that writes critiques and rewrites; the task model if not given."


def _choices(setting: str) -> click.Choice[str]:
    """The values that a setting of the search may take, so that they are listed in one place."""
    return click.Choice(get_type_hints(OptimizerSettings)[setting].__args__)


prompt_argument = click.argument("file", metavar="FILE", type=click.Path(path_type=Path))
json_option = click.option("--json", "as_json", is_flag=True, help="Print one JSON object on stdout, for programs.")
debug_option = click.option("--debug", is_flag=True, expose_value=False, help="Show a traceback when something fails.")
_model_option = click.option("--model", metavar="NAME", help=_MODEL)
optimizer_model_option = click.option("--optimizer-model", metavar="NAME", help=_OPTIMIZER)

algorithm_option = click.option("--algorithm", type=_choices("algorithm"), help="How to search.")
algorithms_option = click.option(
    "--algorithm",
    "algorithms",
    multiple=True,
    type=_choices("algorithm"),
    help="How to search (apo); repeated, the searches are compared.",
)
resume_option = click.option("--resume", is_flag=True, help="Go on with an unfinished run; show a finished one.")

_SEARCH_OPTIONS = (
    click.option("--selection", type=_choices("selection"), help="How to choose among candidates."),
    click.option("--rounds", type=click.IntRange(1, 100), metavar="N", help="At most N rounds (20)."),
    click.option("--beam", type=click.IntRange(1, 64), metavar="N", help="Keep N prompts from round to round (4)."),
)
_RUN_OPTIONS = (
    click.option("--max-usd", type=click.FloatRange(min=0), metavar="X", help="Spend at most X US dollars."),
    click.option(
        "--max-seconds", type=click.FloatRange(min=0, min_open=True), metavar="S", help="End the run after S seconds."
    ),
    click.option(
        "--seed", type=click.IntRange(min=0), metavar="N", help="The number all random choices follow from (0)."
    ),
    click.option("--concurrency", type=click.IntRange(1, 1024), metavar="N", help="At most N calls at once (32)."),
    click.option(
        "--keep", type=click.Choice(["all", "nothing"]), help="Keep answers and the run for later (all), or nothing."
    ),
    click.option("--fresh", is_flag=True, help="Ask again instead of using stored answers."),
    json_option,
    debug_option,
)


def run_options(command: Command) -> Command:
    """The prompt file, the models' and the budget's options, and those on output."""
    return prompt_argument(engine_run_options(calls=1000)(command))


def search_options(command: Command) -> Command:
    """How a search goes about it, whatever its algorithm."""
    for option in reversed(_SEARCH_OPTIONS):
        command = option(command)
    return command


def engine_run_options(calls: int) -> Callable[[Command], Command]:
    """The models' and the budget's options, and those on output; ``calls`` is the cap where none is given."""

    def with_options(command: Command) -> Command:
        most = click.option(
            "--max-calls", type=click.IntRange(min=1), metavar="N", help=f"At most N model calls ({calls:,})."
        )
        for option in reversed((_model_option, most, *_RUN_OPTIONS)):
            command = option(command)
        return command

    return with_options


def repeated(given: Mapping[str, object]) -> str:
    """The settings that were given on the command line, as they are given once more: another setting is another run."""
    named = [(name, given.get(name)) for name in _SETTINGS]
    options = ((f"--{name.replace('_', '-')}", str(value)) for name, value in named if value is not None)
    return shlex.join(word for option in options for word in option)


def engine_options(given: Mapping[str, object]) -> Options:
    """What was given on the command line, as the engine takes it; what was not given is left to the other layers."""
    from apo_engine.api import Options  # `--help` needs no engine

    flags: dict[str, Any] = {}
    for name, path in _SETTINGS.items():
        value = given.get(name)
        if value is not None:
            *outer, key = path
            inner = flags
            for step in outer:
                inner = inner.setdefault(step, {})
            inner[key] = value
    return Options(flags=flags, fresh=bool(given.get("fresh")), resume=bool(given.get("resume")))
