"""Attacks on requests that leave in addition: each one needs consent, budget and its place in the day."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from apo_engine.models.address import Address
from apo_engine.models.budget import Budget, Caps
from apo_engine.models.chat import ChatRequest, Completion, Shape
from apo_engine.models.dialect import dialect_of
from apo_engine.models.failure import FormRefused, TransientFailure
from apo_engine.models.gateway import Gateway
from apo_engine.models.ledger import Ledger
from apo_engine.models.limits import Limiter
from apo_engine.models.openai_chat import OpenAIChat
from apo_engine.models.purse import DailyCaps, Purse
from apo_engine.problems import BudgetError, InputError, Problem
from tests.engine.models.support import Canned, ask
from tests.scripted import Reply, ScriptedServer, rejects, server_error
from tests.scripted.reply import failure
from tests.scripted.server import Script

PARAMETERS: dict[str, Any] = {"temperature": 0.5, "top_p": 0.4, "max_tokens": 9}
SHAPED = replace(ask(), shape=Shape("answer", {"type": "object"}))


@pytest.fixture(autouse=True)
def lookups(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[float]]:
    """Other machines are this one, and looking one up takes as many seconds as the list says."""
    real, seconds = socket.getaddrinfo, [0.0]

    def look_up(host: str, *args: Any, **named: Any) -> Any:
        if host in ("far.example", b"far.example"):
            time.sleep(seconds[0])
            host = "127.0.0.1"
        return real(host, *args, **named)

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    dialect_of.cache_clear()
    yield seconds
    dialect_of.cache_clear()


def far(server: ScriptedServer, may_send: Callable[[], bool] | None = None) -> OpenAIChat:
    """A model on what counts as another machine."""
    address = Address.parse(f"http://far.example:{server.port}/v1")
    return OpenAIChat("far/m", model_id="m", address=address, key="k", may_send=may_send)


def gateway(model: OpenAIChat, **options: Any) -> Gateway:
    given: dict[str, Any] = {
        "cache": None,
        "budget": Budget(Caps()),
        "limiter": Limiter(4, backoff=0.001),
        "price": lambda *_: 0.01,
    }
    return Gateway(model, **{**given, **options})


def refuses(*names: str) -> Script:
    """Refuses one after the other of some parameters, as long as they are sent."""

    def script(request: dict[str, Any]) -> str | Reply:
        for name in names:
            if name in request:
                return rejects(name, "max_completion_tokens" if name == "max_tokens" else None)
        return "yes"

    return script


REFUSALS = [
    pytest.param(refuses("temperature"), ask(**PARAMETERS), id="left-out"),
    pytest.param(refuses("max_tokens"), ask(**PARAMETERS), id="renamed"),
    pytest.param(
        lambda body: failure(400, "response_format is not supported") if "response_format" in body else "yes",
        SHAPED,
        id="without-a-shape",
    ),
]


@pytest.mark.parametrize(("script", "request_"), REFUSALS)
async def test_nothing_is_sent_in_another_form_after_a_withdrawal(
    scripted: ScriptedServer, script: Script, request_: ChatRequest
) -> None:
    allowed = True

    def withdraw(body: dict[str, Any]) -> str | Reply:
        nonlocal allowed
        allowed = False
        return script(body)

    scripted.script = withdraw
    model = far(scripted)
    with pytest.raises(InputError) as caught:
        await gateway(model, may_send=lambda: allowed).complete("task", request_)
    assert caught.value.problems[0].code == "consent-withdrawn"
    assert len(scripted.every) == 1
    await model.close()


@pytest.mark.parametrize(("script", "request_"), REFUSALS)
async def test_another_form_is_a_request_of_the_day_and_the_refused_one_costs_nothing(
    tmp_path: Path, scripted: ScriptedServer, script: Script, request_: ChatRequest
) -> None:
    scripted.script = script
    with closing(Ledger(tmp_path / "spending.sqlite")) as ledger:
        budget, model = Budget(Caps(calls=5, usd=0.02)), far(scripted)
        purse = Purse(ledger, "w", DailyCaps(calls=9, usd=0.02), today=lambda: date(2026, 1, 1))
        assert (await gateway(model, budget=budget, purse=purse).complete("task", request_)).text == "yes"
        assert len(scripted.every) == 2
        assert ledger.spent("2026-01-01", "w") == (2, 0.01)
    assert (budget.spent.attempts, budget.spent.failed, budget.spent.usd) == (2, 0, 0.01)
    await model.close()


@pytest.mark.parametrize("most", [1, 2, 3])
async def test_a_limit_of_the_day_is_passed_by_no_other_form(
    tmp_path: Path, scripted: ScriptedServer, most: int
) -> None:
    scripted.script = refuses(*PARAMETERS)
    with closing(Ledger(tmp_path / "spending.sqlite")) as ledger:
        model = far(scripted)
        with pytest.raises(BudgetError):
            await gateway(model, purse=Purse(ledger, "w", DailyCaps(calls=most))).complete("task", ask(**PARAMETERS))
    assert len(scripted.every) == most
    await model.close()


async def test_a_failure_that_may_be_billed_is_one_though_others_have_another_form_by_then(
    scripted: ScriptedServer,
) -> None:
    model = far(scripted)

    def learn(_: object) -> Reply:
        dialect_of(model.base_url, "m").learn(PARAMETERS, 400, "temperature", "unsupported")
        return server_error(504)

    scripted.script = learn
    with pytest.raises(TransientFailure) as caught:
        await model.complete(ask(**PARAMETERS))
    assert caught.value.charged
    await model.close()


class Fussy(Canned):
    """Refuses every form."""

    async def complete(self, request: ChatRequest) -> Completion:
        self.asked.append(request)
        raise FormRefused(Problem("model-refused", "No."))


async def test_a_model_that_refuses_every_form_is_not_asked_for_ever() -> None:
    model = Fussy()
    with pytest.raises(FormRefused):
        await Gateway(model, cache=None, budget=Budget(Caps()), limiter=Limiter(4)).complete("task", ask())
    assert len(model.asked) < 12


async def test_a_withdrawal_while_a_connection_is_made_is_heeded(
    scripted: ScriptedServer, lookups: list[float]
) -> None:
    allowed, lookups[0] = True, 0.5
    model = far(scripted, lambda: allowed)
    await model._client()
    budget = Budget(Caps())
    asked = asyncio.ensure_future(gateway(model, budget=budget, may_send=lambda: allowed).complete("task", ask()))
    await asyncio.sleep(0.2)
    allowed = False
    with pytest.raises(InputError) as caught:
        await asked
    assert caught.value.problems[0].code == "consent-withdrawn"
    assert (scripted.every, budget.spent.usd) == ([], 0.0)
    await model.close()


async def test_consent_is_asked_for_again_on_a_connection_that_is_open(scripted: ScriptedServer) -> None:
    allowed = True
    model = far(scripted, lambda: allowed)
    assert (await model.complete(ask())).text == "yes"
    allowed = False
    for _ in range(2):
        with pytest.raises(InputError):
            await model.complete(ask())
        with pytest.raises(InputError):
            await model.model_ids(5)
    assert len(scripted.every) == 1
    allowed = True
    assert (await model.complete(ask())).text == "yes"
    await model.close()
