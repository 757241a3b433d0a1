"""The user's own endpoints in the settings: where they are, whose key they take, and what a prompt may set there."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Annotated

from msgspec import Meta, Struct

from apo_engine import parameters
from apo_engine.problems import Place, Problem

#: The provider whose address and key are those of the environment.
BUILT_IN = "openai"

_Name = Annotated[str, Meta(pattern=r"^[A-Za-z_][A-Za-z0-9_.-]{0,99}$")]


class EndpointSettings(Struct, frozen=True, forbid_unknown_fields=True):
    """A named OpenAI-compatible endpoint; ``key_env`` is the environment variable that holds its key.

    The variable is written in capitals, so that a key is not taken for its name. ``parameters`` are further names that
    a prompt's ``config`` may set there. Only the entry ``openai`` may go without a ``base_url``: its address and key
    then stay those of the environment.
    """

    base_url: str | None = None
    key_env: Annotated[str, Meta(pattern=r"^[A-Z_][A-Z0-9_]{0,99}$")] | None = None
    parameters: Annotated[tuple[_Name, ...], Meta(max_length=100)] = ()


def provider_of(model: str | None) -> str:
    """The provider of ``provider/name``; the built-in one where no model is named."""
    return model.partition("/")[0] if model else BUILT_IN


def allowed_parameters(endpoints: Mapping[str, EndpointSettings], model: str | None) -> frozenset[str]:
    """The names that the user lets a ``config`` set beyond the built-in ones, for ``provider/name``.

    Those of every endpoint where no model is named yet.
    """
    found = [one.parameters for name, one in endpoints.items() if model is None or name == provider_of(model)]
    return frozenset(name for names in found for name in names)


def endpoint_problems(endpoints: object, place: Callable[[tuple[str, ...]], Place | None]) -> Iterator[Problem]:
    """Endpoints that have no address, and names that no list can allow."""
    for name, endpoint in endpoints.items() if isinstance(endpoints, Mapping) else ():
        if not isinstance(endpoint, Mapping):
            continue
        path = ("endpoints", str(name))
        # A key without an address would go to the address of the environment.
        if endpoint.get("base_url") is None and (name != BUILT_IN or endpoint.get("key_env") is not None):
            remedy = "Write base_url: https://host/v1."
            if name == BUILT_IN:
                remedy += " Without key_env, the address and the key of the environment are used."
            message = f"The endpoint '{parameters.shown(str(name))}' has no base_url."
            yield Problem("setting-invalid", message, remedy, place(path))
        names = endpoint.get("parameters")
        for one in names if isinstance(names, (list, tuple)) else ():
            if isinstance(one, str) and parameters.never_allowed(one):
                message = f"'{one}' cannot be allowed: every request sets it itself."
                yield Problem("setting-invalid", message, "Remove it from the list.", place((*path, "parameters")))
