"""Absurd numbers are data: in settings they are refused at their line, from endpoints they are estimated or ignored."""

from __future__ import annotations

import asyncio
import json
import math
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest

from apo_engine.models.budget import Budget, Caps
from apo_engine.models.chat import ChatModel, Completion, Usage
from apo_engine.models.failure import retry_after
from apo_engine.models.gateway import Gateway
from apo_engine.models.ledger import Ledger
from apo_engine.models.limits import Limiter
from apo_engine.models.memory_cache import MemoryCache
from apo_engine.models.money import MOST, PICO, cap_of, pico_of
from apo_engine.models.purse import DailyCaps, Purse
from apo_engine.models.tokens import are_too_few, estimate_tokens
from apo_engine.problems import BudgetError
from apo_server.settings import from_options, updated
from tests.cli.conftest import Apo, make_apo
from tests.engine.models.support import Canned, ask, chat
from tests.scripted import Reply, ScriptedServer
from tests.scripted.world import World

WORLD = World(12)
DAY = date(2026, 3, 1)


@pytest.fixture
def apo(tmp_path: Path, scripted: ScriptedServer) -> Apo:
    """`apo` in a folder with a few tickets."""
    WORLD.write(tmp_path)
    scripted.script = WORLD.script
    return make_apo(tmp_path, scripted)


#: What stands as a cap, and whether it may be one.
CAPS = [
    ("usd: 1e308", False),
    (f"usd: 1{'0' * 400}", False),
    ("usd: -0.0", True),
    ("usd: 1e-320", True),
    ("usd: .nan", False),
    ("usd: .inf", False),
    ("usd: true", False),
    ("usd: -1e-300", False),
    ("usd: 1e999", False),
    (f"calls: {2**63}", False),
    ("calls: 1e3", False),
    (f"tokens: 1{'0' * 30}", False),
    ("tokens: 1000000000", True),
    ("seconds: 1e308", False),
    ("seconds: -0.0", False),
    ("seconds: 1e-320", True),
]


@pytest.mark.parametrize(("cap", "usable"), CAPS, ids=[cap[:20] for cap, _ in CAPS])
def test_a_cap_in_a_prompt(cap: str, usable: bool, tmp_path: Path) -> None:
    from apo_engine import api
    from apo_engine.prompt.file import load_prompt

    WORLD.write(tmp_path, f"apo.budget: {{{cap}}}")
    problems = api.check(load_prompt(tmp_path / "tickets.prompt"))
    errors = [problem for problem in problems if problem.code == "setting-invalid"]
    assert bool(errors) is not usable
    for error in errors:
        assert error.place is not None
        assert error.place.line == 5
        assert f"'apo.budget.{cap.partition(':')[0]}' must be" in error.message


@pytest.mark.parametrize(
    "flag", ["--max-usd=1e308", "--max-usd=1e-320", "--max-seconds=1e308", f"--max-calls={10**30}"]
)
def test_a_cap_on_the_command_line(flag: str, apo: Apo) -> None:
    outcome = apo("evaluate", "tickets.prompt", flag)
    assert outcome.code in (0, 2), outcome.err
    assert "Traceback" not in outcome.err
    assert "went wrong" not in outcome.err


DAILY = [
    ({"usd": 1e308}, DailyCaps(usd=1e6)),
    ({"usd": math.inf}, DailyCaps(usd=1e6)),
    ({"usd": -0.0}, DailyCaps(usd=0.0)),
    ({"usd": 1e-320}, DailyCaps(usd=1e-320)),
    ({"usd": math.nan}, None),
    ({"usd": 10**400}, None),
    ({"usd": True}, None),
    ({"usd": "1"}, None),
    ({"calls": 10**400}, DailyCaps(calls=10**9)),
    ({"calls": 2**64}, DailyCaps(calls=10**9)),
    ({"calls": 1.5}, None),
    ({"calls": -1}, None),
]


@pytest.mark.parametrize(("given", "caps"), DAILY, ids=[str(given)[:24] for given, _ in DAILY])
async def test_a_cap_for_a_day(given: dict[str, object], caps: DailyCaps | None, tmp_path: Path) -> None:
    settings, wrong = from_options({"workspaceBudget": given})
    assert bool(wrong) is (caps is None)
    assert settings.daily == (caps or DailyCaps())
    raised, _ = updated(settings, {"workspaceBudget": {"usd": 10**9, "calls": 10**12}})
    if caps is not None and caps.usd is not None:
        assert raised.daily.usd is not None
        assert raised.daily.usd <= caps.usd
    ledger = Ledger(tmp_path / "spending.sqlite")
    purse = Purse(ledger, "here", settings.daily, today=lambda: DAY)
    if settings.daily.usd is not None and settings.daily.usd < 1:
        with pytest.raises(BudgetError):
            await purse.draw(0.01)
    else:
        (await purse.draw(0.01)).settle(0.01)
    ledger.close()


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_a_cap_of_the_editor_that_is_no_number_is_not_taken_for_none(value: float) -> None:
    settings, wrong = from_options({"budget": {"usd": value}})
    assert wrong == ("'apo.budget' holds a number that is not finite.",)
    assert "budget" not in settings.editor


#: The usage that an endpoint reports, as JSON.
USAGE = {
    "negative": '{"prompt_tokens": -5, "completion_tokens": 2}',
    "fractional": '{"prompt_tokens": 12.5, "completion_tokens": 2}',
    "1e308": '{"prompt_tokens": 1e308, "completion_tokens": 2}',
    "1e999": '{"prompt_tokens": 10, "completion_tokens": 1e999}',
    "10^400": f'{{"prompt_tokens": 1{"0" * 400}, "completion_tokens": 2}}',
    "10^5000": f'{{"prompt_tokens": 10, "completion_tokens": 1{"0" * 5000}}}',
    "2^63": f'{{"prompt_tokens": 10, "completion_tokens": {2**63}}}',
    "text": '{"prompt_tokens": "10", "completion_tokens": "2"}',
    "booleans": '{"prompt_tokens": true, "completion_tokens": false}',
    "null": "null",
    "nulls": '{"prompt_tokens": null, "completion_tokens": null}',
    "a list": "[10, 2]",
    "a number": "12",
    "empty": "{}",
    "one field": '{"prompt_tokens": 10}',
    "NaN": '{"prompt_tokens": NaN, "completion_tokens": 2}',
    "Infinity": '{"prompt_tokens": 10, "completion_tokens": Infinity}',
    "far beyond max_tokens": '{"prompt_tokens": 10, "completion_tokens": 500000}',
    "a million tokens for a few words": '{"prompt_tokens": 1000000, "completion_tokens": 2}',
    "ten million tokens for a few words": '{"prompt_tokens": 10000000, "completion_tokens": 2}',
    "more than any template adds": '{"prompt_tokens": 10400, "completion_tokens": 2, "total_tokens": 10402}',
    "no tokens for a text": '{"prompt_tokens": 10, "completion_tokens": 0}',
    "no tokens at all": '{"prompt_tokens": 0, "completion_tokens": 0}',
    "a total below its parts": '{"prompt_tokens": 10, "completion_tokens": 2, "total_tokens": 3}',
    "a total of 1e308": '{"prompt_tokens": 10, "completion_tokens": 2, "total_tokens": 1e308}',
    "nested": '{"prompt_tokens": {"a": [1]}, "completion_tokens": 2}',
    "nested 300 deep": '{"prompt_tokens": ' + "[" * 300 + "]" * 300 + "}",
}


def _reply(usage: str, more: str = "") -> Reply:
    message = '{"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": "yes"}}'
    return Reply(body=f'{{"id": "x", {more} "choices": [{message}], "usage": {usage}}}'.encode())


class Away:
    """A model elsewhere, at the scripted server."""

    local = False

    def __init__(self, server: ScriptedServer) -> None:
        self._model = chat(server)
        self.name, self.identity, self.complete = self._model.name, self._model.identity, self._model.complete
        self.close = self._model.close


def _price(_: ChatModel, usage: Usage) -> float:
    return usage.input * 1e-6 + usage.output * 4e-6


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    """What is spent on a day."""
    ledger = Ledger(tmp_path / "spending.sqlite")
    yield ledger
    ledger.close()


def gateway_with_caps(model: Away, ledger: Ledger, notes: list[str]) -> Gateway:
    """A gateway with a cap of a dollar on the run, and one on the day."""
    return Gateway(
        model,
        cache=None,
        budget=Budget(Caps(usd=1.0)),
        limiter=Limiter(1, well=True),
        purse=Purse(ledger, "here", DailyCaps(usd=1.0), today=lambda: DAY),
        price=_price,
        note=notes.append,
    )


@pytest.mark.parametrize("reported", USAGE)
async def test_the_tokens_of_an_answer(reported: str, scripted: ScriptedServer, ledger: Ledger) -> None:
    scripted.script = lambda _: _reply(USAGE[reported])
    model, notes = Away(scripted), list[str]()
    door = gateway_with_caps(model, ledger, notes)
    answers = [await door.complete("task", ask("hello", draw=draw, maxOutputTokens=40)) for draw in range(2)]
    assert [answer.text for answer in answers] == ["yes", "yes"]
    assert len(scripted.log) == 2, "nothing is asked again for it"
    for answer in answers:
        assert answer.usage.estimated
        assert 0 < answer.usage.input <= 10
        assert 0 < answer.usage.output <= 5
    assert len(notes) == 1
    assert "estimated" in notes[0]
    # What it cost is not known: the most that it may have cost is spent.
    most = 2 * _price(model, Usage(5 + 16 + 64, 40))
    calls, usd = ledger.spent(DAY.isoformat(), "here")
    assert (calls, usd) == (2, pytest.approx(most))
    assert door.budget.spent.usd == pytest.approx(most)
    json.dumps(door.budget.spent.usd, allow_nan=False)
    await model.close()


WORDS = " ".join(f"word{number * 7919}" for number in range(400))
LONG = 2 * len(WORDS)


@pytest.mark.parametrize(("asked", "answered"), [(1, 2000), (LONG // 25, 2000), (2000, 1), (2000, LONG // 25), (1, 1)])
async def test_fewer_tokens_than_a_text_can_have(
    asked: int, answered: int, scripted: ScriptedServer, ledger: Ledger
) -> None:
    text = f"{WORDS} {WORDS.upper()}"
    scripted.script = lambda _: Reply(text, usage=(asked, answered))
    model, notes = Away(scripted), list[str]()
    door = gateway_with_caps(model, ledger, notes)
    answer = await door.complete("task", ask(text, maxOutputTokens=4000))
    guess = estimate_tokens(text)
    assert (answer.text, answer.usage) == (text, Usage(guess, guess, estimated=True))
    assert len(notes) == 1
    # The most that it may have cost is spent, in the run and on the day.
    most = _price(model, Usage(len(text) + 16 + 64, 4000))
    assert ledger.spent(DAY.isoformat(), "here") == (1, pytest.approx(most))
    assert door.budget.spent.usd == pytest.approx(most)
    await model.close()


def test_a_text_of_any_length_is_judged_at_once() -> None:
    """The event loop waits for it."""
    text = "".join(f"word{number * 7919} " for number in range(1_000_000))
    began = time.monotonic()
    assert are_too_few(1, [text])
    assert not are_too_few(len(text) // 20, [text])
    assert time.monotonic() - began < 1


@pytest.mark.parametrize(
    ("text", "tokens"),
    [
        (WORDS, len(WORDS) // 20),
        (" " * 100_000, 9),
        ("-" * 5000 + "\n" + "=" * 5000, 9),
        ("-+" * 5000 + "ha" * 5000 + "\n    " * 5000, 9),
        ("\u4f60\u597d" * 5000, 9),
        ("", 9),
        ("responsibilities internationalization", 2),
    ],
    ids=["long words", "spaces", "lines", "patterns", "another script", "nothing", "two words"],
)
async def test_few_tokens_of_long_words_and_of_repetitions_are_believed(
    text: str, tokens: int, scripted: ScriptedServer
) -> None:
    scripted.script = lambda _: Reply(text, usage=(tokens, tokens))
    model = Away(scripted)
    door = Gateway(model, cache=None, budget=Budget(Caps()), limiter=Limiter(1, well=True), price=_price)
    assert (await door.complete("task", ask(text))).usage == Usage(tokens, tokens)
    await model.close()


@pytest.mark.parametrize(
    ("usage", "tokens"),
    [
        ('{"prompt_tokens": 10, "completion_tokens": 2, "total_tokens": 40}', (10, 30)),
        ('{"prompt_tokens": 10.0, "completion_tokens": 2}', (10, 2)),
        ('{"prompt_tokens": 10, "completion_tokens": 2, "completion_tokens_details": {"x": NaN}}', (10, 2)),
        ('{"prompt_tokens": 10, "completion_tokens": 2, "total_tokens": null}', (10, 2)),
        ('{"prompt_tokens": 85, "completion_tokens": 40}', (85, 40)),
    ],
    ids=[
        "reasoning in the total alone",
        "whole floats",
        "NaN beside it",
        "no total",
        "all that was reserved",
    ],
)
async def test_tokens_that_can_be_true_count_as_they_are(
    usage: str, tokens: tuple[int, int], scripted: ScriptedServer, ledger: Ledger
) -> None:
    scripted.script = lambda _: _reply(usage)
    model = Away(scripted)
    purse = Purse(ledger, "here", DailyCaps(usd=1.0), today=lambda: DAY)
    limiter = Limiter(1, well=True)
    door = Gateway(model, cache=None, budget=Budget(Caps()), limiter=limiter, purse=purse, price=_price)
    answer = await door.complete("task", ask("hello", maxOutputTokens=40))
    assert answer.usage == Usage(*tokens)
    assert ledger.spent(DAY.isoformat(), "here")[1] == pytest.approx(_price(model, answer.usage))
    await model.close()


async def test_what_an_endpoint_adds_is_believed_once_it_is_reserved(scripted: ScriptedServer) -> None:
    scripted.script = lambda _: _reply('{"prompt_tokens": 8000, "completion_tokens": 2}')
    model, notes = Away(scripted), list[str]()
    door = Gateway(model, cache=None, budget=Budget(Caps()), limiter=Limiter(1, well=True), note=notes.append)
    assert (await door.complete("task", ask("first"))).usage.estimated
    assert (await door.complete("task", ask("second"))).usage == Usage(8000, 2)
    assert len(notes) == 1
    await model.close()


@pytest.mark.parametrize(
    "usage", [(9_500, 1), (9_500, 10_000), (10_080, 40), (85, 80)], ids=["input", "both", "most", "output"]
)
@pytest.mark.parametrize("honest", [0, 3])
async def test_no_report_passes_a_cap_on_tokens(honest: int, usage: tuple[int, int], scripted: ScriptedServer) -> None:
    answers = iter([(30, 1)] * honest)
    scripted.script = lambda _: Reply("yes", usage=next(answers, usage))
    model, cap = Away(scripted), 3_000
    door = Gateway(model, cache=None, budget=Budget(Caps(tokens=cap)), limiter=Limiter(8, well=True))
    asked = [door.complete("task", ask(f"row {number}", maxOutputTokens=40)) for number in range(200)]
    found = await asyncio.gather(*asked, return_exceptions=True)
    counted = [one.usage.input + one.usage.output for one in found if isinstance(one, Completion)]
    assert honest <= len(counted)
    spent = door.budget.spent.tokens
    assert sum(counted) == spent.input + spent.output <= cap
    await model.close()


@pytest.mark.parametrize(
    "more",
    [
        f'"created": 1{"0" * 400},',
        '"created": -1e999,',
        '"created": NaN,',
        '"logprobs": {"content": [{"token": "yes", "logprob": NaN}]},',
        '"logprobs": {"content": [{"logprob": Infinity}]}, "service_tier": -Infinity,',
        f'"system_fingerprint": 1{"0" * 5000},',
    ],
    ids=["created 10^400", "created 1e999", "created NaN", "logprob NaN", "logprob Infinity", "10^5000"],
)
async def test_numbers_that_nobody_reads_spoil_no_answer(more: str, scripted: ScriptedServer) -> None:
    scripted.script = lambda _: _reply('{"prompt_tokens": 10, "completion_tokens": 2}', more)
    model = chat(scripted)
    answer = await model.complete(ask())
    assert (answer.text, answer.usage) == ("yes", Usage(10, 2))
    await model.close()


@pytest.mark.parametrize(
    "headers",
    [
        {"retry-after": "nan"},
        {"retry-after": "inf"},
        {"retry-after": "-1e308"},
        {"retry-after": "9" * 5000},
        {"retry-after": "Fri, 31 Dec 99999 23:59:59 GMT"},
        {"retry-after": "Thu, 01 Jan 0000 00:00:00 GMT"},
        {"retry-after-ms": "1e308"},
        {"retry-after-ms": "NaN", "retry-after": "-5"},
        {"retry-after": "Wed, 21 Oct 2015 07:28:00 +999999"},
    ],
    ids=lambda headers: str(headers)[:40],
)
def test_a_wait_that_makes_no_sense_is_none(headers: dict[str, str]) -> None:
    assert not retry_after(headers)


async def test_absurd_tokens_of_a_stored_answer_are_not_used() -> None:
    cache = MemoryCache()
    budget = Budget(Caps())
    door = Gateway(Canned(), cache=cache, budget=budget, limiter=Limiter(1, well=True))
    await door.complete("task", ask())
    (key,) = cache._answers
    await cache.put(key, Completion("kept", Usage(2**70, -(2**70))))
    again = await door.complete("task", ask())
    assert (again.text, again.usage) == ("kept", Usage(estimated=True))


@pytest.mark.parametrize("usd", [1e308, 10**400, math.inf, math.nan, -1.0, -0.0, 1e-320, 4e6, 1e18])
def test_money_stays_within_64_bits(usd: float) -> None:
    assert 0 <= pico_of(usd) <= MOST < 2**63
    cap = cap_of(usd)
    assert cap is None or 0 <= cap < MOST


async def test_a_ledger_counts_on_where_sums_would_leave_64_bits(ledger: Ledger) -> None:
    for _ in range(5):
        assert ledger.reserve(DAY.isoformat(), "here", MOST, DailyCaps())
    assert ledger.spent(DAY.isoformat(), "here") == (5, MOST / PICO)
    assert not ledger.reserve(DAY.isoformat(), "here", 1, DailyCaps(usd=1e6))


async def test_a_ledger_never_counts_less_than_nothing(ledger: Ledger) -> None:
    purse = Purse(ledger, "here", DailyCaps(usd=1.0), today=lambda: DAY)
    ledger.correct(DAY.isoformat(), "here", -(10**18))
    assert ledger.spent(DAY.isoformat(), "here") == (0, 0.0)
    (await purse.draw(0.6)).settle(-5.0)
    assert ledger.spent(DAY.isoformat(), "here") == (1, 0.0)
    (await purse.draw(0.6)).settle(1e308)
    with pytest.raises(BudgetError):
        await purse.draw(0.6)


@pytest.mark.parametrize("back", [1, 3, 20])
async def test_a_clock_that_is_set_back_begins_no_day_anew(back: int, ledger: Ledger) -> None:
    today = DAY
    purse = Purse(ledger, "here", DailyCaps(calls=2), today=lambda: today)
    for _ in range(2):
        (await purse.draw(0.0)).settle(0.0)
    today = date.fromordinal(DAY.toordinal() - back)
    with pytest.raises(BudgetError):
        await purse.draw(0.0)
    today = date.fromordinal(DAY.toordinal() + 1)
    (await purse.draw(0.0)).settle(0.0)


def test_a_run_says_once_that_tokens_are_estimated(apo: Apo, scripted: ScriptedServer) -> None:
    bad = '{"prompt_tokens": 1e308, "completion_tokens": -3.5, "total_tokens": "many"}'
    scripted.script = lambda request: replace(_reply(bad))
    outcome = apo("evaluate", "tickets.prompt", "--json")
    assert outcome.code == 0, outcome.err
    assert outcome.err.count("they are estimated") == 1
    json.loads(outcome.out, parse_constant=lambda name: pytest.fail(f"{name} is no JSON"))
