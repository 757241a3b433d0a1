"""Parameters that the user's own configuration lets a prompt set: what a run says of them, and what they cost."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping

from apo_engine import parameters
from apo_engine.endpoint_settings import provider_of
from apo_engine.models import prices
from apo_engine.models.address import Address
from apo_engine.models.chat import ChatModel, Remote, Usage
from apo_engine.models.web_search import PARAMETER, searches_web
from apo_engine.names import shown_name
from apo_engine.problems import BudgetError, InputError, Place, Problem
from apo_engine.settings import Layer

_TIER = "service_tier"


def notices(config: Mapping[str, object], model: ChatModel) -> tuple[str, ...]:
    """A sentence on each parameter of ``config`` that only the user could allow; none for a model in this process."""
    if not isinstance(model, Remote):
        return ()
    host = Address.parse(model.base_url).host
    return tuple(_notice(name, config[name], model, host) for name in parameters.needs_leave(config))


def model_notice(model: ChatModel) -> str:
    """A sentence on a model that does by itself what only the user can allow; empty for any other."""
    if not _searches(model):
        return ""
    name = shown_name(model.name)
    return f"{name} searches the web: it {parameters.effect(PARAMETER)}. Its price is not known."


def require_leave(model: ChatModel, allowed: Collection[str], place: Place | None) -> None:
    """Refuse a model that searches the web, unless the user has ``allowed`` the parameter that asks others for it.

    Raises:
        InputError: no workspace may choose it by itself.
    """
    if _searches(model) and PARAMETER not in allowed:
        message = f"{shown_name(model.name)} searches the web: it {parameters.effect(PARAMETER)}."
        remedy = f"Use another model, or {parameters.leave(provider_of(model.name), PARAMETER)}"
        raise InputError(Problem(parameters.UNKNOWN, message, remedy, place))


def unread_parameters(config: Mapping[str, object], model: ChatModel) -> tuple[str, ...]:
    """A sentence on what the embedded model does not read; empty for any other model."""
    if not model.name.startswith("embedded/"):
        return ()
    asked = parameters.wire_parameters(config, config)
    unread = [parameters.shown(name) for name in asked if name not in parameters.EMBEDDED]
    return (f"The embedded model does not read {', '.join(unread)} of `config`.",) if unread else ()


def price_with(config: Mapping[str, object], model: ChatModel, usage: Usage, *, shared: bool) -> float | None:
    """What ``usage`` costs where requests carry the parameters of ``config``, in USD; None when unknown.

    Args:
        config: the parameters.
        model: who answers.
        usage: the tokens.
        shared: whether the same model is asked without these parameters too: then the higher price counts.
    """
    plain = prices.price_of(model, usage)
    if model.local or plain is None:
        return plain
    if _unpriced(config, model):
        return None
    tier = _tier(config)
    if tier is None:
        return plain
    tiered = prices.price_of(model, usage, tier)
    return tiered if tiered is None or not shared else max(plain, tiered)


async def require_known_price(config: Mapping[str, object], model: ChatModel, layer: Layer) -> None:
    """Refuse to begin, under a cap in dollars, what has a price that the list does not know.

    Raises:
        BudgetError: a parameter changes the price of a request, and nobody knows to what.
    """
    if model.local:
        return
    await prices.load()
    unpriced = _unpriced(config, model)
    if unpriced:
        message = f"'{unpriced[0]}' {parameters.effect(unpriced[0])}, so a cap in dollars cannot be kept."
        remedy = "Remove it from `config`, or cap calls or tokens instead."
        raise BudgetError(Problem("price-unknown", message, remedy, layer.key(("config", unpriced[0]))))


def _notice(name: str, value: object, model: ChatModel, host: str) -> str:
    if not parameters.has_own_price(name) or model.local:
        price = ""
    else:
        price = " Its price is not known." if _unpriced({name: value}, model) else " The estimate includes its price."
    said = f"'{parameters.shown(f'{name}: {json.dumps(value, default=str)}')}'"
    return f"{said} is sent to {host}: it {parameters.effect(name)}.{price}"


def _searches(model: ChatModel) -> bool:
    return isinstance(model, Remote) and not model.local and searches_web(model.model_id)


def _unpriced(config: Mapping[str, object], model: ChatModel) -> tuple[str, ...]:
    """The parameters that change the price to one that is not known; needs the price list."""
    found = [name for name in parameters.needs_leave(config) if parameters.has_own_price(name)]
    tier = _tier(config)
    known = tier is not None and prices.price_of(model, Usage(1000, 1000), tier) is not None
    return tuple(name for name in found if not (name == _TIER and known))


def _tier(config: Mapping[str, object]) -> str | None:
    tier = config.get(_TIER)
    return tier if isinstance(tier, str) else None
