"""Models as the price list knows them, without a network."""

from __future__ import annotations

import socket

import pytest

from apo_engine.models.catalog import listed_model, listed_models
from apo_engine.models.endpoints import Endpoint


@pytest.fixture(autouse=True)
def _offline(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*args: object, **kwargs: object) -> None:
        raise AssertionError("something was fetched")

    monkeypatch.setattr(socket.socket, "connect", refuse)


def test_the_models_of_openai_and_of_named_endpoints_are_listed_with_their_prices() -> None:
    found = {model.name: model for model in listed_models({}, {"groq": Endpoint("https://api.groq.com/openai/v1")})}
    assert found["embedded/gemma-3-270m"].local
    assert found["openai/gpt-4.1-mini"].input_usd == pytest.approx(0.4)
    assert found["openai/gpt-4.1-mini"].context_window
    assert any(name.startswith("groq/") and model.output_usd for name, model in found.items())
    assert not any("embedding" in name or "whisper" in name for name in found)


def test_a_server_that_no_price_list_knows_stands_there_by_its_provider_alone() -> None:
    found = listed_models({"OPENAI_BASE_URL": "http://127.0.0.1:1/v1"}, {"bad": Endpoint("no address")})
    assert [(model.name, model.local) for model in found] == [("embedded/gemma-3-270m", True), ("openai/", True)]


def test_one_model_is_known_by_its_provider_even_where_it_is_not_listed() -> None:
    assert listed_model("embedded/anything", {}, {}).local
    assert listed_model("openai/x", {"OPENAI_BASE_URL": "http://localhost/v1"}, {}).local
    unknown = listed_model("openai/no-such-model-at-all", {}, {})
    assert (unknown.known, unknown.local, unknown.input_usd) == (True, False, None)
    assert not listed_model("opnai/gpt-4.1-mini", {}, {}).known
    assert not listed_model("plain", {}, {}).known
