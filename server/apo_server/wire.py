"""What the language server and its engine process say to each other: one JSON object a line, each way."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import msgspec

from apo_engine.decoding import decoded
from apo_engine.evaluation.result import RowAnswer
from apo_engine.examples.facts import ExampleFacts
from apo_engine.models.listed import ListedModel
from apo_engine.models.purse import DailyCaps
from apo_engine.models.reachable import EndpointStatus
from apo_engine.models.tokens import TokenCounts
from apo_engine.positions import Span
from apo_engine.problems import Place, Problem, Severity
from apo_engine.search.events import AnyEvent, Job, ModelFile


class Request(msgspec.Struct, frozen=True, omit_defaults=True):
    """Asks for a job on a text, for the plan of ``job`` (nothing is sent anywhere), or to cancel request ``id``.

    A ``survey`` looks through the example files of the text without a model; ``buffers`` are those of them that are
    open and unsaved, by their resolved paths. ``tokens`` are counted of ``texts`` for ``model``; ``models`` are all
    that the price list knows, or the one named ``model``; ``endpoints`` are asked for the models that they have. A
    ``row`` is the one on ``line`` of the file ``row``, to be answered.

    A ``report`` is that of ``run``.

    ``path`` is where the prompt lies, so that its examples are found; ``editor`` holds the editor's settings by their
    names in the file without ``apo.``; ``cache`` overrides the folder of everything stored. ``custom_metric`` is the
    digest of the metric that is code and that the user has agreed to run, ``model_files`` are the files of weights
    that the user has agreed to load; no others are. ``agreed`` is the fingerprint of what may be sent; nothing else
    is, and nothing once the mark of the last withdrawal for ``workspace`` and the files that are ``concerned``, by
    their paths, is another than ``withdrawal``; None is not checked. ``daily`` caps what leaves the machine in a day
    for all prompts of ``workspace`` together. ``allowed_roots`` are the folders of the workspace. ``own_models`` are
    the models that the initialization options name: their files may lie anywhere.
    """

    id: int
    do: Literal[
        "evaluate",
        "gradients",
        "optimize",
        "plan",
        "survey",
        "tokens",
        "models",
        "endpoints",
        "row",
        "report",
        "cancel",
    ]
    path: str = ""
    text: str = ""
    flags: dict[str, object] = {}
    editor: dict[str, object] = {}
    cache: str | None = None
    job: Job = "optimize"
    custom_metric: str = ""
    model_files: tuple[ModelFile, ...] = ()
    agreed: str | None = None
    withdrawal: str | None = None
    concerned: tuple[str, ...] = ()
    workspace: str = ""
    allowed_roots: tuple[str, ...] = ()
    own_models: tuple[str, ...] = ()
    daily: DailyCaps | None = None
    buffers: dict[str, str] = {}
    texts: tuple[str, ...] = ()
    model: str = ""
    row: str = ""
    line: int = 0
    run: str = ""


class Trouble(msgspec.Struct, frozen=True, omit_defaults=True):
    """A problem on its way through the pipe; ``line`` and ``column`` are 1-based, 0 where there is no place.

    ``span`` is exact where it is known, in offsets of the file's text.
    """

    code: str
    message: str
    remedy: str = ""
    severity: Severity = Severity.ERROR
    path: str | None = None
    line: int = 0
    column: int = 0
    span: Span | None = None

    @staticmethod
    def of(problem: Problem) -> Trouble:
        """A problem, made ready to travel."""
        place = problem.place
        path = str(place.path) if place and place.path else None
        line, column, span = (place.line, place.column, place.span) if place else (0, 0, None)
        return Trouble(problem.code, problem.message, problem.remedy, problem.severity, path, line, column, span)

    def problem(self) -> Problem:
        """The problem again; its repairs stayed behind."""
        path = Path(self.path) if self.path else None
        place = Place(path, self.line, self.column, self.span) if self.line else None
        return Problem(self.code, self.message, self.remedy, place, self.severity)


class Survey(msgspec.Struct, frozen=True):
    """What a look through example files found; ``facts`` are missing where no file could be read."""

    facts: ExampleFacts | None
    troubles: tuple[Trouble, ...] = ()


class Reply(msgspec.Struct, frozen=True, omit_defaults=True):
    """One event or answer of a request, or its end: ``done``, ``cancelled``, or the problems that stopped it.

    A ``report`` is JSON to be passed on as it is: what it holds is between the engine and who shows it.
    """

    id: int
    event: AnyEvent | None = None
    survey: Survey | None = None
    tokens: TokenCounts | None = None
    models: tuple[ListedModel, ...] = ()
    endpoints: tuple[EndpointStatus, ...] = ()
    row: RowAnswer | None = None
    report: str = ""
    done: bool = False
    cancelled: bool = False
    error: tuple[Trouble, ...] = ()

    @property
    def ends(self) -> bool:
        """Whether nothing follows this reply."""
        return self.done or self.cancelled or bool(self.error)


def encode(message: Request | Reply) -> bytes:
    """A message as a line, with its line end."""
    return msgspec.json.encode(message) + b"\n"


def decode_request(line: bytes) -> Request:
    """The request that a line stands for.

    Raises:
        msgspec.DecodeError: the line is none.
    """
    return decoded(line, Request)


def decode_reply(line: bytes) -> Reply:
    """The reply that a line stands for.

    Raises:
        msgspec.DecodeError: the line is none.
    """
    return decoded(line, Reply)
