"""`apo check`: what can be said about prompts and their rows without a model."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import click

from apo_engine.allowed_paths import is_within
from apo_engine.api import check
from apo_engine.cli.as_json import emit
from apo_engine.cli.options import debug_option, json_option
from apo_engine.cli.render_problems import problem_text, problems_object, summary
from apo_engine.problems import InputError, Place, Problem, Severity
from apo_engine.prompt.file import load_prompt, require_prompt_file

_FINE, _FOUND = 0, 1
# Folders of programs, not of prompts.
_PASSED_OVER = ("node_modules", "__pycache__")


@click.command("check")
@click.argument("paths", metavar="PATH…", nargs=-1, required=True, type=click.Path(path_type=Path))
@json_option
@debug_option
def command(paths: tuple[Path, ...], as_json: bool) -> int:
    """Check prompts and their example rows. No model is asked, and nothing is sent.

    A PATH is a prompt, or a folder: then all `.prompt` files in it are checked; partials (`_name.prompt`) with the
    prompts that include them. Exits with 1 where there are errors or warnings.
    """
    files = _prompts(paths)
    found: dict[Problem, None] = {}
    for file, folder in files.items():
        found.update(dict.fromkeys(_problems(file, folder)))
    problems = tuple(found)
    if as_json:
        emit(problems_object(problems, len(files)))
    else:
        for problem in problems:
            click.echo(problem_text(problem, sys.stdout))
        click.echo(summary(problems, len(files)))
    return _FOUND if any(problem.severity is not Severity.INFORMATION for problem in problems) else _FINE


def _problems(file: Path, folder: Path | None) -> tuple[Problem, ...]:
    if folder is not None and os.path.lexists(file) and not is_within(file, (folder, Path.cwd())):
        # Whoever names a folder did not name what a link in it leads to.
        message = "This prompt is a link that leads outside the folder and the folder you work in; it was not read."
        return (Problem("prompt-outside", message, "Name it to have it checked, or remove the link.", Place(file)),)
    try:
        return check(load_prompt(file))
    except InputError as error:
        return error.problems


def _prompts(paths: tuple[Path, ...]) -> dict[Path, Path | None]:
    """The prompts that are meant, each once, with the folder that was named in its place; None where it was named.

    Raises:
        InputError: a path is not there or is not a prompt, or a folder holds no prompt.
    """
    found: dict[Path, Path | None] = {}
    for path in paths:
        if path.is_dir():
            inside = sorted(_inside(path))
            if not inside:
                message = "There is no .prompt file in this folder."
                raise InputError(
                    Problem("prompts-missing", message, "Name another, or write one: apo init.", Place(path))
                )
            found.update((file, path) for file in inside if file not in found)
        else:
            require_prompt_file(path)
            found[path] = None
    return found


def _inside(folder: Path) -> Iterator[Path]:
    for path in folder.rglob("*.prompt"):
        parents = path.relative_to(folder).parts[:-1]
        passed_over = any(part.startswith(".") or part in _PASSED_OVER for part in parents)
        if not passed_over and not path.name.startswith("_") and not path.is_dir():
            yield path
