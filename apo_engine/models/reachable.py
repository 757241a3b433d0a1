"""What was found when the endpoints were asked for their models."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ModelEntry:
    """A model that can be named in a prompt file; prices in USD per million tokens, None when unknown."""

    name: str
    input_usd: float | None = None
    output_usd: float | None = None
    context_window: int | None = None


@dataclass(frozen=True, slots=True)
class EndpointStatus:
    """What is behind a provider's name: where, whether it answers, why not, and the models it has.

    ``code`` is that of the problem which keeps it from answering, where that is one of ours.
    """

    name: str
    address: str
    reachable: bool
    reason: str = ""
    models: tuple[ModelEntry, ...] = ()
    code: str = ""
