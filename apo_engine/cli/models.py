"""`apo models`: which models can be reached from here."""

from __future__ import annotations

import asyncio

import click

from apo_engine import api
from apo_engine.cli import tables
from apo_engine.cli.as_json import emit, models_object
from apo_engine.cli.console import results, say, show
from apo_engine.cli.figures import count
from apo_engine.cli.options import debug_option, json_option
from apo_engine.cli.plain import literal


@click.command("models")
@json_option
@debug_option
def command(as_json: bool) -> None:
    """List the models that can be reached, the embedded one included.

    Asks the endpoints of the environment (OPENAI_API_KEY, OPENAI_BASE_URL) and those of your configuration file.
    """
    found = asyncio.run(api.list_models())
    if as_json:
        emit(models_object(found))
        return
    console = results()
    for number, endpoint in enumerate(found):
        if number:
            console.print()
        state = (
            literal(count(len(endpoint.models), "model"), "green")
            if endpoint.reachable
            else literal("not reachable", "yellow")
        )
        name = literal(f"{endpoint.name}/", "bold")
        say(console, name, literal(f"  {endpoint.address}  ", "dim"), state)
        if endpoint.models:
            show(console, tables.models(endpoint), indent=2)
        elif endpoint.reason:
            say(console, endpoint.reason, indent=2)
