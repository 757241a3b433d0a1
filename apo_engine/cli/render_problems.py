"""Problems in a terminal, and as JSON: where, how bad, what is wrong, what to do."""

from __future__ import annotations

import os
from collections import Counter
from typing import TYPE_CHECKING, Any, TextIO

import click

from apo_engine.cli.figures import count
from apo_engine.cli.location import located
from apo_engine.cli.plain import one_line
from apo_engine.problems import Severity

if TYPE_CHECKING:
    from collections.abc import Sequence

    from apo_engine.problems import Problem

_KINDS = {Severity.ERROR: "error", Severity.WARNING: "warning", Severity.INFORMATION: "info"}
_COLOURS = {"error": "red", "warning": "yellow", "info": "cyan"}


def marked(kind: str, stream: TextIO) -> str:
    """What introduces a message of that kind, coloured where it is read by people."""
    colour = not os.environ.get("NO_COLOR") and stream.isatty()
    return click.style(kind, fg=_COLOURS[kind], bold=True) if colour else kind


def problem_text(problem: Problem, stream: TextIO) -> str:
    """A problem with its place, what is wrong, and below it what to do."""
    place = problem.place
    where = f"{located(place.path, place.line, place.column)}: " if place and place.path else ""
    message = f"{where}{marked(_KINDS[problem.severity], stream)}: {one_line(problem.message)}"
    return f"{message}\n  {one_line(problem.remedy)}" if problem.remedy else message


def summary(problems: Sequence[Problem], files: int) -> str:
    """How many prompts were checked, and what was found: ``2 prompts checked: 1 error, 3 warnings.``"""
    found = Counter(problem.severity for problem in problems)
    nouns = {Severity.ERROR: "error", Severity.WARNING: "warning", Severity.INFORMATION: "remark"}
    parts = [count(found[severity], noun) for severity, noun in nouns.items() if found[severity]]
    return f"{count(files, 'prompt')} checked: {', '.join(parts) or 'nothing found'}."


def problems_object(problems: Sequence[Problem], files: int) -> dict[str, Any]:
    """``files`` (prompts that were checked) and ``problems`` [{path, line, column, severity, code, message, remedy}].

    Lines and columns count from 1; they and ``path`` are null where a problem has no place.
    """
    return {"files": files, "problems": [_object(problem) for problem in problems]}


def _object(problem: Problem) -> dict[str, Any]:
    place = problem.place
    known = place is not None and place.path is not None
    return {
        "path": str(place.path) if place and known else None,
        "line": place.line if place and known else None,
        "column": place.column if place and known else None,
        "severity": problem.severity.value,
        "code": problem.code,
        "message": problem.message,
        "remedy": problem.remedy,
    }
