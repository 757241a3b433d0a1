"""Where a run sends what, resolved once from the models that send, and a fingerprint of all that it would send."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Mapping
from typing import Literal

import msgspec

from apo_engine.models.budget import CallRole
from apo_engine.models.chat import ChatModel, Remote
from apo_engine.models.route import Route
from apo_engine.problems import InputError, Problem
from apo_engine.runs.experiment import experiment_id
from apo_engine.runs.plan import Plan
from apo_engine.search.events import Destination, FileRows, IncludedFile, RowCounts

_Role = Literal["task", "optimizer", "judge"]
_CALLS: Mapping[_Role, tuple[CallRole, ...]] = {
    "task": ("task",),
    "optimizer": ("gradient", "edit", "paraphrase"),
    "judge": ("judge",),
}


def destinations_of(plan: Plan, counts: RowCounts) -> tuple[Destination, ...]:
    """The roles of the run's models that are not on this machine, with the most rows of ``counts`` that each is shown.

    Only a search shows sealed rows, for its verdict; critiques and rewrites are made of critique rows alone.
    """
    answered = counts if plan.job == "optimize" else RowCounts(counts.critique, counts.selection, 0)
    shown: Mapping[_Role, RowCounts] = {
        "task": answered,
        "optimizer": RowCounts(counts.critique, 0, 0),
        "judge": answered,
    }
    found = []
    for role, model in _asked(plan):
        if not model.local:
            route = _route(model)
            found.append(Destination(role, model.name, route.host, shown[role], route.encrypted, route.reader))
    return tuple(found)


def routes_of(plan: Plan) -> Mapping[CallRole, frozenset[Route]]:
    """Which way each kind of call may leave this machine: what the destinations say, for the gateways to hold to."""
    found: defaultdict[CallRole, frozenset[Route]] = defaultdict(frozenset)
    for role, model in _asked(plan):
        for call in _CALLS[role] if not model.local else ():
            found[call] |= {_route(model)}
    return dict(found)


def fingerprint(
    plan: Plan,
    destinations: tuple[Destination, ...],
    files: tuple[FileRows, ...],
    included: tuple[IncludedFile, ...],
) -> str:
    """A digest of all that a run would send and of where it goes: the same only if the same would leave."""
    settings = msgspec.to_builtins(plan.settings)
    # Neither changes what is sent: how many requests are under way at once, and whether answers are written to disk.
    del settings["endpoints"], settings["concurrency"], settings["keep"]
    parts = [experiment_id(plan), settings, destinations, files, included]
    return hashlib.sha256(msgspec.json.encode(parts, order="deterministic")).hexdigest()


def require_agreed(found: str, agreed: str | None) -> None:
    """Make sure that a run sends what the user was told, where it was told.

    Raises:
        InputError: it would send something else; the code is ``consent-stale``.
    """
    if agreed is not None and agreed != found:
        message = "What this run would send has changed since you were asked, so nothing was sent."
        raise InputError(Problem("consent-stale", message, "Start it again; you are asked about what it sends now."))


def _asked(plan: Plan) -> tuple[tuple[_Role, ChatModel], ...]:
    """The models that the job asks, by role. An evaluation asks no optimizer model."""
    models: tuple[tuple[_Role, ChatModel | None], ...] = (
        ("task", plan.task_model),
        ("optimizer", None if plan.job == "evaluate" else plan.optimizer_model),
        ("judge", plan.judge_model),
    )
    return tuple((role, model) for role, model in models if model is not None)


def _route(model: ChatModel) -> Route:
    # A model that does not say where it sends is nothing that anybody could agree to.
    return model.route if isinstance(model, Remote) else Route(model.name, encrypted=False)
