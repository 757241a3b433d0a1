"""What the language server and its engine process say to each other: one JSON object a line, each way."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import msgspec

from apo_engine.problems import Place, Problem, Severity
from apo_engine.search.events import AnyEvent, Job


class Request(msgspec.Struct, frozen=True, omit_defaults=True):
    """Asks for a job on a text, for the plan of ``job`` (nothing is sent anywhere), or to cancel request ``id``.

    ``path`` is where the prompt lies, so that its examples are found; ``editor`` holds the editor's settings by
    their names in the file without ``apo.``; ``cache`` overrides the folder of everything stored. ``own_code`` is the
    digest of the scoring function that the user has agreed to run; no other one is run.
    """

    id: int
    do: Literal["evaluate", "gradients", "optimize", "plan", "cancel"]
    path: str = ""
    text: str = ""
    flags: dict[str, object] = {}
    editor: dict[str, object] = {}
    cache: str | None = None
    job: Job = "optimize"
    own_code: str = ""


class Trouble(msgspec.Struct, frozen=True, omit_defaults=True):
    """A problem on its way through the pipe; ``line`` and ``column`` are 1-based, 0 where there is no place."""

    code: str
    message: str
    remedy: str = ""
    severity: Severity = Severity.ERROR
    path: str | None = None
    line: int = 0
    column: int = 0

    @staticmethod
    def of(problem: Problem) -> Trouble:
        """A problem, made ready to travel."""
        place = problem.place
        path = str(place.path) if place and place.path else None
        line, column = (place.line, place.column) if place else (0, 0)
        return Trouble(problem.code, problem.message, problem.remedy, problem.severity, path, line, column)

    def problem(self) -> Problem:
        """The problem again; its span stayed behind."""
        path = Path(self.path) if self.path else None
        place = Place(path, self.line, self.column) if self.line else None
        return Problem(self.code, self.message, self.remedy, place, self.severity)


class Reply(msgspec.Struct, frozen=True, omit_defaults=True):
    """One event of a request, or its end: ``done``, ``cancelled``, or the problems that stopped it."""

    id: int
    event: AnyEvent | None = None
    done: bool = False
    cancelled: bool = False
    error: tuple[Trouble, ...] = ()


def encode(message: Request | Reply) -> bytes:
    """A message as a line, with its line end."""
    return msgspec.json.encode(message) + b"\n"


def decode_request(line: bytes) -> Request:
    """The request that a line stands for.

    Raises:
        msgspec.DecodeError: the line is none.
    """
    return msgspec.json.decode(line, type=Request)


def decode_reply(line: bytes) -> Reply:
    """The reply that a line stands for.

    Raises:
        msgspec.DecodeError: the line is none.
    """
    return msgspec.json.decode(line, type=Reply)
