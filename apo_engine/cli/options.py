"""The options that commands share, and how they become the settings of a run."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

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
}

_MODEL = "The model that answers the rows, as provider/name."
_OPTIMIZER = "The model that writes critiques and rewrites; the task model if not given."

prompt_argument = click.argument("file", metavar="FILE", type=click.Path(path_type=Path))
json_option = click.option("--json", "as_json", is_flag=True, help="Print one JSON object on stdout, for programs.")
debug_option = click.option("--debug", is_flag=True, expose_value=False, help="Show a traceback when something fails.")
optimizer_model_option = click.option("--optimizer-model", metavar="NAME", help=_OPTIMIZER)

_RUN_OPTIONS = (
    click.option("--model", metavar="NAME", help=_MODEL),
    click.option("--max-calls", type=click.IntRange(min=1), metavar="N", help="At most N model calls (1,000)."),
    click.option("--max-usd", type=click.FloatRange(min=0), metavar="X", help="Spend at most X US dollars."),
    click.option(
        "--max-seconds", type=click.FloatRange(min=0, min_open=True), metavar="S", help="Begin no call after S seconds."
    ),
    click.option(
        "--seed", type=click.IntRange(min=0), metavar="N", help="The number all random choices follow from (0)."
    ),
    click.option("--concurrency", type=click.IntRange(1, 1024), metavar="N", help="At most N calls at once (32)."),
    click.option("--fresh", is_flag=True, help="Ask again instead of using stored answers."),
    json_option,
    debug_option,
)


def run_options(command: Command) -> Command:
    """The prompt file, the models' and the budget's options, and those on output."""
    for option in reversed(_RUN_OPTIONS):
        command = option(command)
    return prompt_argument(command)


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
