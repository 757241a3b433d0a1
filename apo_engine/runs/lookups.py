"""What an editor looks up beside a prompt: how many tokens texts have, and what models cost. No model is asked."""

from __future__ import annotations

import os
from collections.abc import Sequence
from functools import lru_cache

from apo_engine.machine import user_layer
from apo_engine.models.catalog import listed_model, listed_models
from apo_engine.models.listed import ListedModel
from apo_engine.models.tokens import TokenCounter, TokenCounts
from apo_engine.runs.options import Options
from apo_engine.runs.plan import endpoints_of
from apo_engine.settings import resolve


async def token_counts(texts: Sequence[str], model: str) -> TokenCounts:
    """How many tokens each text has for a model (``provider/name``)."""
    counter = _counter()
    await counter.ready(model)
    counted = [counter.count(text, model) for text in texts]
    return TokenCounts(tuple(count for count, _ in counted), any(estimated for _, estimated in counted))


def known_models(options: Options, name: str = "") -> tuple[ListedModel, ...]:
    """The models that the price list knows at the endpoints of these options, or only the one of that name.

    Raises:
        InputError: the user's configuration file cannot be used.
    """
    environ = os.environ if options.environ is None else options.environ
    endpoints = endpoints_of(resolve([user_layer()]))
    return (listed_model(name, environ, endpoints),) if name else listed_models(environ, endpoints)


# A tokenizer takes a second to load: one for the life of the process.
@lru_cache(maxsize=1)
def _counter() -> TokenCounter:
    return TokenCounter()
