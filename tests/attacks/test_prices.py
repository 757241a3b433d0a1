"""Attacks by an address that looks like a provider's: another host has no known price."""

from __future__ import annotations

import pytest
from genai_prices.data import providers

from apo_engine.models import listed_provider
from apo_engine.models.address import Address
from apo_engine.models.catalog import listed_models
from apo_engine.models.chat import Usage
from apo_engine.models.endpoints import Endpoint
from apo_engine.models.openai_chat import OpenAIChat
from apo_engine.models.prices import facts_of, price_of, require_price
from apo_engine.problems import BudgetError

FOREIGN = (
    "https://api.openai.com.evil.example/v1",
    "https://api.openai.com-evil.example/v1",
    "https://api.openai.comevil.example/v1",
    "https://API.OPENAI.COM.EVIL.EXAMPLE/v1",
    "https://api.openai.com.evil.example./v1",
    "https://api.openai.com:secret@evil.example/v1",
    "https://api.openai.com@evil.example/v1",
    "https://evil.example/https://api.openai.com/v1",
    "https://evil.example/api.openai.com/v1",
    "https://evil.example/v1?host=https://api.openai.com",
    "http://evil.example/?api.openai.com",
    "https://evil.example/#https://api.openai.com/v1",
    "https://api.openai.com:8443/v1",
    "http://api.openai.com/v1",
    "https://xapi.openai.com/v1",
    "https://api-openai.com/v1",
    "https://api.openai.com\uff0eevil.example/v1",
    "https://api.open\u0430i.com/v1",
    "https://api\u3002openai.com.evil.example/v1",
)
# Beginnings, ends and wildcards of other providers' patterns.
FOREIGN_OF_OTHERS = (
    ("https://api.moonshot.evil.example/v1", "kimi-k2-0905-preview"),
    ("https://api.anthropic.com.evil.example/v1", "claude-sonnet-4-0"),
    ("https://evil.example/.googleapis.com/v1", "gemini-2.5-flash"),
    ("https://evil.example/x.googleapis.com", "gemini-2.5-flash"),
    ("https://generativelanguage.googleapis.com.evil.example/v1", "gemini-2.5-flash"),
    ("https://evilgoogleapis.com/v1", "gemini-2.5-flash"),
    ("https://evil/x.openai.azure.com/openai", "gpt-4o-mini"),
    ("https://mine.openai.azure.com.evil.example/openai", "gpt-4o-mini"),
    ("https://router.huggingface.co.evil.example/cerebras/v1", "gpt-oss-120b"),
    ("https://router.huggingface.co/cerebras-evil/v1", "gpt-oss-120b"),
)


def _model(url: str, model_id: str) -> OpenAIChat:
    return OpenAIChat(f"far/{model_id}", model_id=model_id, address=Address.parse(url), key="k")


@pytest.mark.parametrize(
    ("url", "model_id"), [*((url, "gpt-4o-mini") for url in FOREIGN), *FOREIGN_OF_OTHERS], ids=lambda one: one
)
async def test_another_host_has_no_known_price(url: str, model_id: str) -> None:
    model = _model(url, model_id)
    assert price_of(model, Usage(10, 10)) is None
    assert facts_of(url, model_id).input_usd is None
    assert facts_of(model.base_url, model_id).input_usd is None
    with pytest.raises(BudgetError, match="is unknown"):
        await require_price(model)
    assert [one.name for one in listed_models({}, {"far": Endpoint(url)})][-1] == "far/"


@pytest.mark.parametrize(
    ("url", "model_id"),
    [
        ("https://api.openai.com/v1", "gpt-4o-mini"),
        ("https://API.OpenAI.com:443/v1/", "gpt-4o-mini"),
        ("https://api.openai.com./v1", "gpt-4o-mini"),
        ("https://user:word@api.openai.com/v1?team=1", "gpt-4o-mini"),
        ("https://generativelanguage.googleapis.com/v1beta/openai", "gemini-2.5-flash"),
        ("https://mine.openai.azure.com/openai/v1", "gpt-4o-mini"),
        ("https://openrouter.ai/api/v1", "openai/gpt-4o-mini"),
        ("https://api.moonshot.ai/v1", "kimi-k2-0905-preview"),
    ],
    ids=lambda one: one,
)
def test_a_provider_is_found_by_its_host_however_it_is_written(url: str, model_id: str) -> None:
    price = price_of(_model(url, model_id), Usage(1000, 1000))
    assert price is not None
    assert price > 0


# Their requests cost a fee beside their tokens, or a fee for each search that the model makes.
WITH_FEES = (
    ("https://api.openai.com/v1", "gpt-4o-search-preview"),
    ("https://api.openai.com/v1", "gpt-4o-mini-search-preview-2025-03-11"),
    ("https://api.openai.com/v1", "gpt-5-search-api"),
    ("https://api.openai.com/v1", "o3-deep-research"),
    ("https://api.openai.com/v1", "o4-mini-deep-research-2025-06-26"),
    ("https://api.perplexity.ai", "sonar"),
    ("https://api.perplexity.ai", "sonar-deep-research"),
    ("https://openrouter.ai/api/v1", "openai/gpt-4o-mini-search-preview"),
    ("https://openrouter.ai/api/v1", "perplexity/sonar-pro"),
    ("https://openrouter.ai/api/v1", "openai/gpt-4o-mini:online"),
)


@pytest.mark.parametrize(("url", "model_id"), WITH_FEES, ids=lambda one: one)
async def test_a_model_that_takes_a_fee_has_no_known_price(url: str, model_id: str) -> None:
    model = _model(url, model_id)
    assert price_of(model, Usage(1000, 1000)) is None
    assert facts_of(url, model_id).input_usd is None
    with pytest.raises(BudgetError, match="is unknown"):
        await require_price(model)


def test_every_model_with_a_fee_in_the_list_has_no_known_price() -> None:
    urls = {"openai": "https://api.openai.com/v1", "perplexity": "https://api.perplexity.ai"}
    for provider in providers:
        for model in provider.models if provider.id in urls else ():
            if "K requests" in str(model.prices):
                assert price_of(_model(urls[provider.id], model.id), Usage(1000, 1000)) is None, model.id


def test_a_pattern_of_the_list_that_ends_within_a_host_is_completed() -> None:
    open_ended = [one.api_pattern for one in providers if one.api_pattern.endswith(r"\.")]
    assert set(open_ended) <= listed_provider._OPEN_ENDED.keys()
