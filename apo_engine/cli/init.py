"""`apo init`: a first prompt and its example rows, to be changed into one's own."""

from __future__ import annotations

import json
import os
import re
from importlib.resources import files
from pathlib import Path

import click

from apo_engine.cli.location import located
from apo_engine.cli.options import debug_option, json_option, prompt_argument
from apo_engine.cli.output import write_file
from apo_engine.names import shown_name
from apo_engine.problems import InputError, Place, Problem

_REMOTE, _EMBEDDED = "openai/gpt-4.1-mini", "embedded/gemma-3-270m"
_KEYS = ("OPENAI_API_KEY", "OPENAI_BASE_URL")
_PLAIN_NAME = re.compile(r"[A-Za-z][\w.-]*", re.ASCII)


@click.command("init")
@prompt_argument
@click.option("--model", metavar="NAME", help="The model that answers, as provider/name.")
@click.option("--force", is_flag=True, help="Overwrite files that are there.")
@json_option
@debug_option
def command(file: Path, model: str | None, force: bool, as_json: bool) -> None:
    """Write a first prompt to FILE and example rows beside it.

    Both can be run at once: they sort a tenant's mail. Put your own words and rows in their place.
    """
    prompt = file if file.suffix == ".prompt" else file.with_name(f"{file.name}.prompt")
    examples = prompt.with_suffix(".jsonl")
    first = files("apo_engine.cli") / "first"
    text = (first / "first.prompt").read_text("utf-8")
    rows = (first / "first.jsonl").read_text("utf-8")
    named = model or (_REMOTE if any(os.environ.get(key) for key in _KEYS) else _EMBEDDED)
    text = text.replace("MODEL", _yaml(named)).replace("EXAMPLES", _yaml(examples.name))
    _write({examples: rows, prompt: text}, force=force)
    count = rows.count("\n")
    if as_json:
        from apo_engine.cli.as_json import emit

        emit({"prompt": str(prompt), "examples": str(examples), "model": named, "rows": count})
        return
    shown = located(prompt)
    click.echo(f"Wrote {shown}, and {located(examples)} with {count} rows. The model is {shown_name(named)}.\n")
    click.echo("What to do next:")
    for job, says in _NEXT.items():
        click.echo(f"  apo {job:<8} {shown}  {says}")


_NEXT = {
    "check": "what is wrong with it, without a model",
    "evaluate": "what it scores on its rows",
    "optimize": "a better wording, judged on rows that the search never saw",
}


def _yaml(name: str) -> str:
    """A name as a YAML value: as it is where nothing in it means anything."""
    return name if _PLAIN_NAME.fullmatch(name.replace("/", "-")) else json.dumps(name)


def _write(texts: dict[Path, str], *, force: bool) -> None:
    """Write the files, or none of them.

    Raises:
        InputError: a file is there already, or cannot be written.
    """
    there = [] if force else [path for path in texts if path.exists() or path.is_symlink()]
    if there:
        message = "There is such a file already; nothing was written."
        remedy = "Choose another name, or add --force to overwrite it."
        raise InputError(*(Problem("file-there", message, remedy, Place(path)) for path in there))
    for path, text in texts.items():
        try:
            if force:
                write_file(path, text.encode())
                continue
            with path.open("x", encoding="utf-8", newline="\n") as stream:
                stream.write(text)
        except OSError as error:
            message = f"The file cannot be written: {error.strerror or error}."
            remedy = "Check that its folder is there and may be written to."
            raise InputError(Problem("file-unwritable", message, remedy, Place(path))) from None
