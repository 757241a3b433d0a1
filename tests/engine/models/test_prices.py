"""What answers cost, without a network."""

from __future__ import annotations

import socket

import pytest

from apo_engine.models.address import Address
from apo_engine.models.chat import Usage
from apo_engine.models.openai_chat import OpenAIChat
from apo_engine.models.prices import facts_of, price_of, require_price
from apo_engine.problems import BudgetError
from tests.engine.models.support import Canned

_OPENAI = "https://api.openai.com/v1"


def _model(url: str, model_id: str) -> OpenAIChat:
    return OpenAIChat(f"openai/{model_id}", model_id=model_id, address=Address.parse(url), key="k")


@pytest.fixture(autouse=True)
def _offline(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*args: object, **kwargs: object) -> None:
        raise AssertionError("something was fetched")

    monkeypatch.setattr(socket.socket, "connect", refuse)


def test_a_known_model_has_the_price_of_its_provider() -> None:
    usage = Usage(1_000_000, 500_000)
    assert price_of(_model(_OPENAI, "gpt-4o-mini"), usage) == pytest.approx(0.15 + 0.30)
    facts = facts_of(_OPENAI, "gpt-4o-mini")
    assert (facts.input_usd, facts.output_usd) == (pytest.approx(0.15), pytest.approx(0.60))
    assert facts.context_window == 128_000


def test_this_machine_costs_nothing() -> None:
    assert price_of(_model("http://127.0.0.1:1/v1", "gpt-4o-mini"), Usage(10**6, 10**6)) == 0.0
    assert price_of(Canned(), Usage(10**6, 10**6)) == 0.0


@pytest.mark.parametrize(
    ("url", "model"), [(_OPENAI, "no-such-model"), ("https://unheard-of.example/v1", "gpt-4o-mini"), (_OPENAI, "")]
)
def test_an_unknown_price_is_none(url: str, model: str) -> None:
    assert price_of(_model(url, model), Usage(1, 1)) is None
    assert facts_of(url, model).input_usd is None


async def test_a_cap_of_money_refuses_to_begin_without_a_price() -> None:
    await require_price(_model(_OPENAI, "gpt-4o-mini"))
    await require_price(Canned())
    with pytest.raises(BudgetError, match="'openai/no-such-model' is unknown"):
        await require_price(_model(_OPENAI, "no-such-model"))
