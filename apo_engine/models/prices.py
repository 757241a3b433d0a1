"""What an answer costs, from a maintained price list that comes with a package: nothing is fetched."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

from apo_engine.models.chat import ChatModel, Remote, Usage
from apo_engine.models.listed_provider import provider_at
from apo_engine.models.web_search import searches_web
from apo_engine.problems import BudgetError

# What an endpoint does without a word on the tier.
_PLAIN_TIERS = ("auto", "default", "standard")


@dataclass(frozen=True, slots=True)
class ModelFacts:
    """What the price list knows of a model: USD per million tokens, and the context window in tokens."""

    input_usd: float | None = None
    output_usd: float | None = None
    context_window: int | None = None


def price_of(model: ChatModel, usage: Usage, tier: str | None = None) -> float | None:
    """What ``usage`` of ``model`` costs, in USD; 0 on this machine, None when unknown.

    The price is looked up by the provider whose host the model has: the same model elsewhere may cost
    something else. ``tier`` is the service tier that is asked for; the price is unknown if the list has none for it,
    or if the model takes a fee besides that for tokens.
    """
    if model.local:
        return 0.0
    if not isinstance(model, Remote):
        return None
    found = _price(model.base_url, model.model_id, usage.input, usage.output, tier)
    return None if found is None else found[0]


def facts_of(base_url: str, model_id: str) -> ModelFacts:
    """Price and context window of a model at an address; empty when unknown. Loads the price list."""
    # A thousand tokens, not a million: some prices rise with the length of one request.
    input_price = _price(base_url, model_id, 1000, 0)
    output_price = _price(base_url, model_id, 0, 1000)
    if input_price is None or output_price is None:
        return ModelFacts()
    return ModelFacts(input_price[0] * 1000, output_price[0] * 1000, input_price[1])


async def load() -> None:
    """Load the price list off the event loop (a third of a second, once per process)."""
    if not _is_loaded():
        await asyncio.to_thread(_load)


async def require_price(model: ChatModel, price: Callable[[ChatModel, Usage], float | None] = price_of) -> None:
    """Refuse to begin what a cap of money cannot guard.

    Raises:
        BudgetError: ``price`` does not know what ``model`` costs.
    """
    from apo_engine.models.budget import unknown_price

    await load()
    if price(model, Usage(1000, 1000)) is None:
        raise BudgetError(unknown_price(f"'{model.name}'"))


@lru_cache(maxsize=4096)
def _price(
    base_url: str, model_id: str, input_tokens: int, output_tokens: int, tier: str | None = None
) -> tuple[float, int | None] | None:
    from genai_prices import Usage as Tokens
    from genai_prices import calc_price

    provider = provider_at(base_url)
    if provider is None or searches_web(model_id):
        return None
    tokens = Tokens(input_tokens=input_tokens, output_tokens=output_tokens)
    try:
        context = None if tier is None else {"service_tier": tier}
        found = calc_price(tokens, model_id, provider_id=provider.id, price_context=context)
    except (LookupError, ValueError):
        return None
    if found.model_price.requests_kcount is not None:
        return None
    # The list gives the plain price for a tier that it does not know.
    tiers = {variant.when.get("service_tier") for variant in found.model.price_variants or ()}
    if tier not in (None, *_PLAIN_TIERS, *tiers):
        return None
    return float(found.total_price), found.model.context_window


@lru_cache(maxsize=1)
def _load() -> None:
    _price("https://api.openai.com/v1", "gpt-4o-mini", 1, 1)


def _is_loaded() -> bool:
    return _load.cache_info().currsize > 0
