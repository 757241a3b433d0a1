"""`apo report`: a run as one HTML page."""

from __future__ import annotations

import asyncio
from pathlib import Path

import click
import msgspec

from apo_engine.api import Report, past_run, report_page
from apo_engine.cli.as_json import emit
from apo_engine.cli.console import remarks, results, say
from apo_engine.cli.options import debug_option, json_option
from apo_engine.cli.output import write_file
from apo_engine.problems import InputError, Place, Problem


@click.command("report")
@click.argument("run", default="")
@click.option("-o", "--output", type=click.Path(path_type=Path, dir_okay=False), help="Where to write the page.")
@json_option
@debug_option
def command(run: str, output: Path | None, as_json: bool) -> None:
    """Write the report of RUN as one HTML page that needs nothing else.

    RUN is an id as `apo runs` lists it, or its beginning; without one, the latest run is meant. The page holds the
    prompts and the open rows whose answers changed: it is as private as they are.
    """
    report = asyncio.run(past_run(run))
    if as_json:
        emit(msgspec.to_builtins(report))
        return
    path = output or Path(f"{_stem(report)}-{report.run}.html")
    try:
        write_file(path, report_page(report).encode())
    except OSError as error:
        message = f"The page cannot be written: {error.strerror}."
        raise InputError(Problem("report-unwritable", message, "Name another file with -o.", Place(path))) from None
    say(results(), str(path))
    if report.stopped == "running":
        say(remarks(), "This run has not ended: the page shows it as far as it came.")


def _stem(report: Report) -> str:
    return Path(report.file).stem or "apo"
