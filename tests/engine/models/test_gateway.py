"""The one door: counted, cached, shared, limited, retried, and safe to cancel."""

from __future__ import annotations

import asyncio
import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from apo_engine.models.budget import Budget, Caps
from apo_engine.models.cache import AnswerCache
from apo_engine.models.chat import ChatModel, ChatRequest, Completion, Message, Usage
from apo_engine.models.failure import FinalFailure, TransientFailure
from apo_engine.models.gateway import OUTPUT_BOUND, Gateway
from apo_engine.models.limits import Limiter
from apo_engine.models.route import Route
from apo_engine.problems import BudgetError, InputError
from tests.engine.models.endpoint import Endpoint, mixed
from tests.engine.models.support import KEY, Canned, ask, chat, gateway
from tests.engine.models.virtual_time import run_in_virtual_time
from tests.scripted import Reply, ScriptedServer, hang, rejects, reset, server_error, throttled, truncated, unauthorized
from tests.scripted.reply import cut_connection


async def test_an_answered_request_is_never_sent_again_by_this_or_a_later_run(
    scripted: ScriptedServer, tmp_path: Path
) -> None:
    scripted.script = lambda request: Reply(request["messages"][0]["content"].upper(), usage=(5, 2))
    for run in range(2):
        cache, model = AnswerCache(tmp_path / "answers.sqlite"), chat(scripted)
        door = gateway(model, cache=cache)
        answers = [await door.complete("task", ask(text)) for text in ("a", "b", "a")]
        assert [answer.text for answer in answers] == ["A", "B", "A"]
        assert [answer.cached for answer in answers] == ([False, False, True] if run == 0 else [True] * 3)
        spent = door.budget.spent
        assert spent.calls == {"task": 3}
        assert spent.tokens == Usage(15, 6)
        assert (spent.cached, spent.attempts) == ((1, 2) if run == 0 else (3, 0))
        await model.close()
        await cache.close()
    assert len(scripted.log) == 2


async def test_draws_of_one_request_are_answers_of_their_own(tmp_path: Path) -> None:
    model, cache = Canned(), AnswerCache(tmp_path / "answers.sqlite")
    door = gateway(model, cache=cache)
    texts = [(await door.complete("edit", ask("x", draw=draw))).text for draw in (0, 1, 0, 1)]
    assert texts == ["answer 1", "answer 2", "answer 1", "answer 2"]
    await cache.close()


async def test_identical_requests_at_once_share_one_and_all_count(scripted: ScriptedServer) -> None:
    scripted.latency = 0.05
    model = chat(scripted)
    door = gateway(model)
    answers = await asyncio.gather(*(door.complete("task", ask("same")) for _ in range(10)))
    assert len(scripted.log) == 1
    assert sorted(answer.cached for answer in answers) == [False] + [True] * 9
    assert (door.budget.spent.calls, door.budget.spent.cached) == ({"task": 10}, 9)
    await model.close()


async def test_fresh_takes_its_own_answers_only(tmp_path: Path) -> None:
    cache = AnswerCache(tmp_path / "answers.sqlite")
    model = Canned()
    assert (await gateway(model, cache=cache).complete("task", ask())).text == "answer 1"
    fresh = gateway(model, cache=cache, fresh=True)
    assert [(await fresh.complete("task", ask())).text for _ in range(2)] == ["answer 2", "answer 2"]
    assert (await gateway(model, cache=cache).complete("task", ask())).text == "answer 2"
    await cache.close()


async def test_labels_are_scored_cached_and_counted(tmp_path: Path) -> None:
    model, cache = Canned(), AnswerCache(tmp_path / "answers.sqlite")
    door = gateway(model, cache=cache)
    assert door.scores_labels
    messages = (Message("user", "text"),)
    first = await door.score_labels("task", messages, ["a", "b"])
    again = await door.score_labels("task", messages, ["a", "b"])
    await door.score_labels("task", messages, ["b", "a"])
    assert first.probabilities == again.probabilities == {"a": 0.5, "b": 0.5}
    assert (first.cached, again.cached, len(model.scored)) == (False, True, 2)
    assert door.budget.spent.calls == {"task": 3}
    await cache.close()


async def test_a_model_that_scores_no_labels_is_told_apart(scripted: ScriptedServer) -> None:
    door = gateway(chat(scripted))
    assert not door.scores_labels
    assert (door.name, door.local) == ("openai/scripted", True)
    with pytest.raises(TypeError):
        await door.score_labels("task", (), ["a"])


async def test_two_gateways_share_one_budget() -> None:
    budget = Budget(Caps(calls=3))
    task, optimizer = gateway(Canned(), budget=budget), gateway(Canned(), budget=budget)
    await task.complete("task", ask("1"))
    await optimizer.complete("gradient", ask("2"))
    await task.complete("task", ask("3"))
    with pytest.raises(BudgetError):
        await optimizer.complete("edit", ask("4"))
    assert budget.spent.calls == {"task": 2, "gradient": 1}


async def test_no_more_requests_than_calls_are_allowed_whatever_the_concurrency(scripted: ScriptedServer) -> None:
    scripted.latency = 0.01
    model = chat(scripted)
    door = gateway(model, caps=Caps(calls=20))
    outcomes = await asyncio.gather(*(door.complete("task", ask(str(i))) for i in range(64)), return_exceptions=True)
    assert sum(isinstance(outcome, BudgetError) for outcome in outcomes) == 44
    assert len(scripted.log) == 20
    await model.close()


def _priced(model: ChatModel, usage: Usage) -> float:
    return (usage.input + 4 * usage.output) * 1e-6


async def test_a_cap_of_money_holds_against_the_endpoints_own_count(scripted: ScriptedServer) -> None:
    rng = random.Random(5)

    def script(request: dict[str, Any]) -> Reply:
        if rng.random() < 0.3:
            return rng.choice([throttled(), server_error(), reset(), cut_connection(), truncated()])
        return Reply("x" * rng.randrange(400), usage=(rng.randrange(50, 200), rng.randrange(1, 100)))

    scripted.script, scripted.latency = script, 0.002
    model = chat(scripted)
    door = gateway(model, caps=Caps(usd=0.01), price=_priced)
    requests = (ask(f"{i} " * 100, maxOutputTokens=100) for i in range(200))
    outcomes = await asyncio.gather(*(door.complete("task", request) for request in requests), return_exceptions=True)
    refused = sum(isinstance(outcome, BudgetError) for outcome in outcomes)
    answers = [outcome for outcome in outcomes if not isinstance(outcome, BaseException)]
    assert refused
    billed = sum(_priced(model, answer.usage) for answer in answers)
    assert door.budget.spent.usd is not None
    assert billed <= door.budget.spent.usd + 1e-9
    assert door.budget.spent.usd <= 0.01
    assert len(answers) > 10
    await model.close()


async def test_what_a_provider_may_have_billed_counts_as_spent(scripted: ScriptedServer) -> None:
    replies = iter([hang(), server_error(), Reply("late", usage=(10, 1))])
    scripted.script = lambda request: next(replies)
    model = chat(scripted, read_seconds=1)
    door = gateway(model, caps=Caps(usd=1), price=lambda model, usage: 0.25 if usage.output > 1 else 0.01)
    await door.complete("task", ask())
    assert door.budget.spent.usd == pytest.approx(0.25 + 0.01)
    await model.close()


async def test_a_cap_on_tokens_holds(scripted: ScriptedServer) -> None:
    scripted.script = lambda request: Reply("x", usage=(60, request["max_tokens"]))
    model = chat(scripted)
    door = gateway(model, caps=Caps(tokens=1000))
    requests = (ask(f"{i:03}" * 20, maxOutputTokens=40) for i in range(50))
    outcomes = await asyncio.gather(*(door.complete("task", request) for request in requests), return_exceptions=True)
    spent = door.budget.spent.tokens
    assert any(isinstance(outcome, BudgetError) for outcome in outcomes)
    assert 700 <= spent.input + spent.output <= 1000
    await model.close()


@pytest.mark.parametrize(
    ("caps", "params", "sent"),
    [
        (Caps(), {}, None),
        (Caps(calls=5), {}, None),
        (Caps(usd=1), {}, OUTPUT_BOUND),
        (Caps(tokens=10**6), {}, OUTPUT_BOUND),
        (Caps(usd=1), {"maxOutputTokens": 9}, 9),
        (Caps(usd=1), {"maxOutputTokens": -1, "max_tokens": 0}, OUTPUT_BOUND),
        (Caps(usd=1), {"max_tokens": "9"}, OUTPUT_BOUND),
    ],
)
async def test_an_answer_is_bounded_where_a_cap_could_not_be_kept_otherwise(
    scripted: ScriptedServer, caps: Caps, params: dict[str, object], sent: int | None
) -> None:
    model = chat(scripted)
    await gateway(model, caps=caps).complete("task", ask(**params))
    assert scripted.log[0].body.get("max_tokens") == sent
    await model.close()


@pytest.mark.parametrize(
    ("params", "most"),
    [
        ({"max_tokens": 7, "max_completion_tokens": 900}, 900),
        ({"maxOutputTokens": 7, "max_tokens": 900}, 900),
        ({"max_completion_tokens": 900, "max_tokens": -1}, OUTPUT_BOUND),
    ],
)
async def test_as_much_is_reserved_as_any_of_the_bounds_that_are_sent_allows(
    scripted: ScriptedServer, params: dict[str, object], most: int
) -> None:
    scripted.script = lambda request: Reply("x", usage=(0, most))
    model = chat(scripted)
    with pytest.raises(BudgetError, match="cap on tokens"):
        await gateway(model, caps=Caps(tokens=most)).complete("task", ask(**params))
    assert len(scripted.log) == 0
    door = gateway(model, caps=Caps(tokens=most + 200))
    if most != OUTPUT_BOUND:
        with pytest.raises(InputError, match="the same parameter"):
            await door.complete("task", ask(**params))
        assert len(scripted.log) == 0
        await model.close()
        return
    await door.complete("task", ask(**params))
    named = {name: value for name, value in scripted.log[0].body.items() if name.startswith("max_")}
    assert max(named.values()) == most
    assert min(named.values()) > 0
    await model.close()


async def test_with_retries_every_call_is_answered_as_without_faults(scripted: ScriptedServer) -> None:
    """Half of all requests fail, in every way that trying again can help."""
    seen: Counter[str] = Counter()
    faults = [throttled(), throttled(0.01), server_error(), server_error(502), reset(), truncated(), cut_connection()]

    def script(request: dict[str, Any]) -> str | Reply:
        text = request["messages"][0]["content"]
        seen[text] += 1
        return faults[int(text) % len(faults)] if seen[text] <= int(text) % 3 else f"answer {text}"

    scripted.script = script
    model = chat(scripted)
    door = gateway(model)
    answers = await asyncio.gather(*(door.complete("task", ask(str(i))) for i in range(60)))
    assert [answer.text for answer in answers] == [f"answer {i}" for i in range(60)]
    spent = door.budget.spent
    assert (sum(spent.calls.values()), spent.failed, spent.attempts) == (60, 60, 120)
    assert len(scripted.log) == 120
    await model.close()


async def test_a_hanging_answer_is_given_up_and_asked_for_again(scripted: ScriptedServer) -> None:
    replies = iter([hang(), Reply("late")])
    scripted.script = lambda request: next(replies)
    model = chat(scripted, read_seconds=0.5)
    door = gateway(model)
    assert (await door.complete("task", ask())).text == "late"
    assert door.budget.spent.failed == 1
    await model.close()


async def test_a_final_failure_is_told_once_and_is_no_call(scripted: ScriptedServer, tmp_path: Path) -> None:
    scripted.script = lambda request: unauthorized()
    model, cache = chat(scripted), AnswerCache(tmp_path / "answers.sqlite")
    door = gateway(model, cache=cache, caps=Caps(calls=1))
    for _ in range(2):
        with pytest.raises(FinalFailure):
            await door.complete("task", ask())
    assert len(scripted.log) == 1, "what refused the first call refuses all"
    assert door.budget.spent.calls == {}
    assert await cache.count() == 0
    await model.close()
    await cache.close()


async def test_failures_have_a_cap_of_their_own(scripted: ScriptedServer) -> None:
    scripted.script = lambda request: server_error()
    model = chat(scripted)
    door = gateway(model, caps=Caps(failures=3))
    with pytest.raises(BudgetError, match="3 of 3 requests failed"):
        await door.complete("task", ask())
    assert len(scripted.log) == 3
    await model.close()


async def test_a_rejected_parameter_is_no_failed_attempt(scripted: ScriptedServer) -> None:
    scripted.script = lambda request: rejects("temperature") if "temperature" in request else "fine"
    model = chat(scripted, "picky")
    door = gateway(model, caps=Caps(calls=1))
    assert (await door.complete("task", ask(temperature=0))).text == "fine"
    assert (door.budget.spent.calls, door.budget.spent.failed) == ({"task": 1}, 0)
    await model.close()


async def test_a_cancelled_caller_gives_back_the_call_that_has_not_left_and_drops_the_one_that_has() -> None:
    model = Canned()
    model.gate.clear()
    door = gateway(model, caps=Caps(calls=3), limiter=Limiter(1, well=True))
    tasks = [asyncio.ensure_future(door.complete("task", ask(text))) for text in ("left", "waits")]
    await asyncio.sleep(0.01)
    assert door.budget.remaining_calls == 1
    for task in reversed(tasks):
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    assert door.budget.remaining_calls == 2, "whoever was asked may have worked on it"
    await asyncio.sleep(0)
    assert model.cancelled == 1
    model.gate.set()
    assert (await door.complete("task", ask())).text == "answer 2"
    assert door.budget.spent.calls == {"task": 1}


def _next(replies: Iterator[Reply], request: dict[str, Any]) -> Reply:
    return next(replies)


async def test_what_a_provider_may_have_counted_in_vain_counts_against_a_cap_on_tokens(
    scripted: ScriptedServer,
) -> None:
    model = chat(scripted, read_seconds=1.5)
    request = ask("hello", maxOutputTokens=15)
    most = len("hello") + 16 + 64 + 15
    for calls in (3, 4):
        scripted.log.exchanges.clear()
        scripted.script = partial(_next, iter([hang(), server_error(), truncated(), Reply("late", usage=(10, 5))]))
        door = gateway(model, caps=Caps(tokens=calls * most - 1))
        outcome = await asyncio.gather(door.complete("task", request), return_exceptions=True)
        answered = calls == 4
        assert isinstance(outcome[0], Completion if answered else BudgetError)
        assert len(scripted.log) == (4 if answered else 3)
        assert door.budget._tokens.settled == 2 * most + (15 if answered else 0)
        assert door.budget._tokens.reserved == 0
    await model.close()


async def test_a_shared_request_goes_on_while_anybody_waits_for_it() -> None:
    model = Canned()
    model.gate.clear()
    door = gateway(model)
    first, second = (asyncio.ensure_future(door.complete("task", ask())) for _ in range(2))
    await asyncio.sleep(0.01)
    first.cancel()
    await asyncio.sleep(0.01)
    model.gate.set()
    assert (await second).text == "answer 1"
    assert (len(model.asked), model.cancelled) == (1, 0)
    assert door.budget.spent.calls == {"task": 1}


async def test_cancelling_everything_at_any_moment_leaves_nothing_reserved(
    scripted: ScriptedServer, tmp_path: Path
) -> None:
    scripted.latency = 0.01
    model, cache = chat(scripted), AnswerCache(tmp_path / "answers.sqlite")
    budget, limiter = Budget(Caps(calls=1000, tokens=10**8, usd=100)), Limiter(4, backoff=0.001)
    door = gateway(model, cache=cache, budget=budget, limiter=limiter, price=_priced)
    rng = random.Random(3)
    for wave in range(20):
        tasks = [asyncio.ensure_future(door.complete("task", ask(f"{wave} {i % 5}"))) for i in range(10)]
        await asyncio.sleep(rng.random() * 0.03)
        for task in tasks:
            if rng.random() < 0.8:
                task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    await asyncio.sleep(0.05)
    for account in (budget._calls, budget._tokens, budget._money, budget._failures):
        assert account.reserved == 0
    assert limiter.active == 0
    await model.close()
    await cache.close()


def test_the_key_is_nowhere_in_the_cache(scripted: ScriptedServer, tmp_path: Path) -> None:
    cache, model = AnswerCache(tmp_path / "answers.sqlite"), chat(scripted)

    async def run() -> None:
        await gateway(model, cache=cache).complete("task", ask())
        await model.close()
        await cache.close()

    asyncio.run(run())
    assert not any(KEY.encode() in file.read_bytes() for file in tmp_path.iterdir() if file.is_file())


async def test_a_fault_that_lasts_is_told_after_all_attempts(scripted: ScriptedServer) -> None:
    scripted.script = lambda request: server_error()
    model = chat(scripted)
    door = Gateway(model, cache=None, budget=Budget(Caps()), limiter=Limiter(attempts=4, backoff=0.001))
    with pytest.raises(TransientFailure):
        await door.complete("task", ask())
    assert len(scripted.log) == 4
    assert door.budget.spent.usd == 0
    await model.close()


async def test_cancelling_while_nobody_answers_leaves_nothing_behind_at_once(
    scripted: ScriptedServer, tmp_path: Path
) -> None:
    scripted.script = lambda request: hang()
    model, cache, limiter = chat(scripted), AnswerCache(tmp_path / "answers.sqlite"), Limiter(32, well=True)
    door = gateway(model, cache=cache, limiter=limiter)
    callers = [asyncio.ensure_future(door.complete("task", ask(str(i)))) for i in range(100)]
    await _until(lambda: scripted.log.active == limiter.width)
    began = time.monotonic()
    for caller in callers:
        caller.cancel()
    await asyncio.gather(*callers, return_exceptions=True)
    await _until(lambda: asyncio.all_tasks() == {asyncio.current_task()} and scripted.log.active == 0)
    assert time.monotonic() - began < 0.3
    assert limiter.active == 0
    assert all(caller.cancelled() for caller in callers)
    await model.close()
    await cache.close()


async def test_closing_while_the_sdk_is_being_loaded_waits_for_nothing(
    scripted: ScriptedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    model, loading, loaded = chat(scripted), threading.Event(), threading.Event()

    def load() -> None:
        loading.set()
        loaded.wait(30)

    monkeypatch.setattr(model, "_open", load)
    caller = asyncio.ensure_future(gateway(model).complete("task", ask()))
    await _until(loading.is_set)
    began = time.monotonic()
    caller.cancel()
    await asyncio.gather(caller, return_exceptions=True)
    await model.close()
    assert time.monotonic() - began < 0.3
    loaded.set()


async def _until(true: Callable[[], bool]) -> None:
    # What is waited for happens in another thread, which sets no event of this loop.
    while not true():  # noqa: ASYNC110
        await asyncio.sleep(0.001)


class _Served:
    """A model in this process whose answers come from an endpoint of the tests."""

    name = "served/one"
    identity = "served one"
    local = True

    def __init__(self, endpoint: Endpoint) -> None:
        self._endpoint = endpoint

    async def complete(self, request: ChatRequest) -> Completion:
        kind = await self._endpoint()
        return Completion(str(kind), Usage(10, 400 if kind == "long" else 1))

    async def close(self) -> None:
        return None


class _ServedAway(_Served):
    """The same behind an address."""

    base_url = "http://127.0.0.1:1/v1"
    model_id = "one"
    route = Route("127.0.0.1:1", encrypted=False)


@pytest.mark.parametrize(("served", "widths"), [(_ServedAway, range(8, 17)), (_Served, [32])])
def test_the_latency_of_models_behind_an_address_alone_narrows_the_width(
    served: type[_Served], widths: Sequence[int]
) -> None:
    limiter = Limiter(32, well=True)

    async def main() -> None:
        door = gateway(served(Endpoint(mixed, capacity=8)), limiter=limiter)
        await asyncio.gather(*(door.complete("task", ask(str(i))) for i in range(1000)))

    run_in_virtual_time(main())
    assert limiter.width in widths
