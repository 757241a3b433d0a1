"""What is known of a model without asking it."""

from __future__ import annotations

import msgspec


class ListedModel(msgspec.Struct, frozen=True):
    """A model by its name in a prompt file; prices in USD per million tokens, None where they are unknown.

    ``local`` models run on this machine and cost nothing. ``known`` is false where no such provider is set up.
    """

    name: str
    input_usd: float | None = None
    output_usd: float | None = None
    context_window: int | None = None
    local: bool = False
    known: bool = True
