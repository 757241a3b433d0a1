"""The cap on seconds holds, whatever a run waits for: it ends in order, and nothing leaves after it."""

from __future__ import annotations

import asyncio
import json
import os
import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from email.utils import formatdate
from pathlib import Path
from typing import Any

import pytest

from apo_engine import api
from apo_engine.models.budget import Budget, Caps
from apo_engine.models.chat import ChatModel, ChatRequest, Completion
from apo_engine.models.deadline import Deadline
from apo_engine.models.gateway import Gateway
from apo_engine.models.ledger import Ledger
from apo_engine.models.limits import Limiter
from apo_engine.models.purse import DailyCaps, Purse
from apo_engine.problems import ApoError, BudgetError
from apo_engine.prompt.file import load_prompt
from apo_engine.runs.optimize import optimize_job
from apo_engine.runs.plan import make_plan
from apo_engine.runs.stream import Run
from apo_engine.search.events import HoldoutOpened
from apo_server.purses import Purses
from apo_server.wire import Request
from apo_server.worker import replies_to
from tests.cli.conftest import Apo, make_apo
from tests.engine.models.support import Canned, ask
from tests.scripted import Reply, ScriptedServer, hang, reset, server_error, throttled
from tests.scripted.server import Script
from tests.scripted.world import World, kind_of

CAP = 1.0
#: How long after its cap a run may end; a busy machine takes some of it.
LATE = 2.0
WORLD = World(60, guess=0.2)


@pytest.fixture(scope="module", autouse=True)
def _loaded() -> None:
    """What takes a second to be loaded is loaded, so that the cap is reached where each attack wants it."""
    import genai_prices  # noqa: F401
    import httpx2  # noqa: F401
    import openai  # noqa: F401


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a prompt and 60 tickets; nothing outside it is used."""
    WORLD.write(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    return tmp_path


def options(folder: Path, base_url: str, seconds: float = CAP, **flags: object) -> api.Options:
    environ = {
        **os.environ,
        "APO_CACHE_DIR": str(folder / "cache"),
        "OPENAI_BASE_URL": base_url,
        "OPENAI_API_KEY": "sk-none",
    }
    return api.Options(flags={"budget": {"seconds": seconds}, **flags}, environ=environ)


async def ends_in_time(run: Any, seconds: float = CAP) -> BudgetError:
    """The error with which a run ends at its cap."""
    began = time.monotonic()
    with pytest.raises(BudgetError) as caught:
        await asyncio.wait_for(run, 20)
    assert time.monotonic() - began < seconds + LATE
    assert caught.value.problems[0].code == "budget-seconds"
    assert f"{seconds:g} s are over" in str(caught.value)
    return caught.value


def _first_answers(then: Reply) -> Script:
    answered = iter([True])
    return lambda request: WORLD.script(request) if next(answered, False) else then


#: What an endpoint does instead of answering.
STALLS: Mapping[str, Script] = {
    "429, Retry-After 9": lambda _: throttled(9),
    "429, Retry-After of a date": lambda _: throttled(formatdate(time.time() + 60, usegmt=True)),
    "429, retry-after-ms": lambda _: replace(throttled(), headers={"retry-after-ms": "60000"}),
    "429, no wait named": lambda _: throttled(),
    "503, Retry-After 119": lambda _: replace(server_error(503), headers={"Retry-After": "119"}),
    "500": lambda _: server_error(),
    "reset": lambda _: reset(),
    "silence": lambda _: hang(),
    "drip": lambda _: Reply("billing", end="drip", drip=30.0),
    "late": lambda _: Reply("billing", latency=20.0),
    "one answer, then silence": _first_answers(hang()),
    "one answer, then Retry-After": _first_answers(throttled(30)),
}


@pytest.mark.parametrize("stall", STALLS)
async def test_an_endpoint_that_stalls(stall: str, folder: Path, scripted: ScriptedServer) -> None:
    scripted.script = STALLS[stall]
    await ends_in_time(api.evaluate(load_prompt(folder / "tickets.prompt"), options(folder, scripted.base_url)))
    asked = len(scripted.log)
    await asyncio.sleep(0.5)
    assert asked == len(scripted.log) > 0
    first = scripted.log[0].began
    assert all(exchange.began - first < CAP + 0.3 for exchange in scripted.log.exchanges)
    assert scripted.log.active == 0, "what was under way is cancelled"


async def test_a_name_that_is_looked_up_for_ever(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = socket.getaddrinfo

    def slow(host: str, *args: Any, **named: Any) -> Any:
        if host in ("slow.example", b"slow.example"):
            time.sleep(3)
        return real("127.0.0.1", *args, **named)

    monkeypatch.setattr(socket, "getaddrinfo", slow)
    for name in ("HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    prompt = load_prompt(folder / "tickets.prompt")
    await ends_in_time(api.evaluate(prompt, options(folder, "http://slow.example:9/v1")))


async def test_a_listener_that_accepts_nobody(folder: Path) -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        address = listener.getsockname()
        # Those that wait fill the queue, so that further connections hang.
        waiting = [socket.socket() for _ in range(3)]
        for each in waiting:
            each.setblocking(False)
            each.connect_ex(address)
        prompt = load_prompt(folder / "tickets.prompt")
        await ends_in_time(api.evaluate(prompt, options(folder, f"http://127.0.0.1:{address[1]}/v1")))
        for each in waiting:
            each.close()


async def test_a_single_slot_that_one_request_holds(folder: Path, scripted: ScriptedServer) -> None:
    scripted.script = lambda _: hang()
    given = options(folder, scripted.base_url, concurrency=1)
    await ends_in_time(api.evaluate(load_prompt(folder / "tickets.prompt"), given))
    assert len(scripted.log) == 1


@pytest.mark.parametrize(
    "code",
    [
        "import time\ndef score(answer, expected):\n    time.sleep(60)\n    return 1\n",
        "def score(answer, expected):\n    while True: pass\n",
        "import time\ntime.sleep(60)\ndef score(answer, expected):\n    return 1\n",
    ],
    ids=["sleeps", "spins", "sleeps while it is loaded"],
)
async def test_a_scoring_function_that_hangs(code: str, folder: Path, scripted: ScriptedServer) -> None:
    scripted.script = WORLD.script
    (folder / "hung.py").write_text(code, "utf-8")
    given = options(folder, scripted.base_url, metric="hung:score")
    await ends_in_time(api.evaluate(load_prompt(folder / "tickets.prompt"), given))


async def test_a_judge_that_hangs(folder: Path, scripted: ScriptedServer) -> None:
    scripted.script = lambda request: hang() if kind_of(request) == "judge" else WORLD.script(request)
    given = options(folder, scripted.base_url, metric="judge", judge={"rubric": "Be right.", "repeats": 3})
    await ends_in_time(api.evaluate(load_prompt(folder / "tickets.prompt"), given))


async def test_a_critic_that_hangs(folder: Path, scripted: ScriptedServer) -> None:
    scripted.script = lambda request: hang() if kind_of(request) == "gradient" else WORLD.script(request)
    given = options(folder, scripted.base_url, 1.5)
    await ends_in_time(api.gradients(load_prompt(folder / "tickets.prompt"), given), 1.5)
    assert any(kind_of(body) == "gradient" for body in scripted.log.bodies)


async def test_a_single_row_that_hangs(folder: Path, scripted: ScriptedServer) -> None:
    prompt, given = load_prompt(folder / "tickets.prompt"), options(folder, scripted.base_url, 1.0)
    scripted.script = WORLD.script
    opened = (await api.evaluate(prompt, options(folder, scripted.base_url, 60))).failing[0].line
    scripted.script = lambda _: hang()
    prompt = load_prompt(folder / "tickets.prompt")
    again = replace(given, fresh=True)
    await ends_in_time(api.answer_row(prompt, again, folder / "tickets.jsonl", opened), 1.0)


async def test_a_pattern_that_takes_a_second_on_each_answer(folder: Path, scripted: ScriptedServer) -> None:
    rows = (json.dumps({"text": f"ticket {i}", "label": "(?:x+x+)+y"}) + "\n" for i in range(60))
    (folder / "tickets.jsonl").write_text("".join(rows), "utf-8")
    scripted.script = lambda _: "x" * 5000
    given = options(folder, scripted.base_url, metric="regex")
    await ends_in_time(api.evaluate(load_prompt(folder / "tickets.prompt"), given))


_SHORT_TEXTS = b'{"error":{"message":"no","l":[' + b'"a",' * 3_700_000 + b'"a"]}}'


@pytest.mark.parametrize("status", [200, 401, 500])
async def test_an_error_of_millions_of_texts(status: int, folder: Path, scripted: ScriptedServer) -> None:
    scripted.script = lambda _: Reply(status=status, body=_SHORT_TEXTS)
    began = time.monotonic()
    with pytest.raises(ApoError):
        await api.evaluate(load_prompt(folder / "tickets.prompt"), options(folder, scripted.base_url, 4, concurrency=1))
    assert time.monotonic() - began < 4 + LATE


async def test_a_long_answer_that_is_searched_for_keys_while_the_time_ends(
    folder: Path, scripted: ScriptedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    from apo_engine.models.secrets import Secrets

    real = Secrets.struck

    def slow(self: Secrets, text: str, most: int | None = None) -> str:
        if len(text) > 10**6:
            time.sleep(5)
        return real(self, text, most)

    monkeypatch.setattr(Secrets, "struck", slow)
    scripted.script = lambda _: "billing " * 200_000
    await ends_in_time(api.evaluate(load_prompt(folder / "tickets.prompt"), options(folder, scripted.base_url)))


class Stubborn:
    """A model in this process that cannot be interrupted, as the embedded one in the middle of a sentence."""

    name, identity, local = "embedded/stubborn", "stubborn", True

    def __init__(self) -> None:
        self._busy: list[asyncio.Task[None]] = []

    async def complete(self, request: ChatRequest) -> Completion:
        busy = asyncio.ensure_future(asyncio.to_thread(time.sleep, 4))
        self._busy.append(busy)
        await asyncio.shield(busy)
        return Completion("late")

    async def close(self) -> None:
        await asyncio.wait(self._busy)


async def test_a_local_model_in_the_middle_of_an_answer(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("apo_engine.runs.plan.open_model", lambda *_, **__: Stubborn())
    prompt = load_prompt(folder / "tickets.prompt")
    await ends_in_time(api.evaluate(prompt, options(folder, "http://127.0.0.1:9/v1")))


async def test_a_search_whose_first_scores_never_come(folder: Path, scripted: ScriptedServer) -> None:
    scripted.script = lambda _: hang()
    await ends_in_time(api.optimize(load_prompt(folder / "tickets.prompt"), options(folder, scripted.base_url)))


async def test_a_search_that_uses_its_share_leaves_time_for_the_verdict(folder: Path, scripted: ScriptedServer) -> None:
    scripted.script = lambda request: hang() if kind_of(request) == "gradient" else WORLD.script(request)
    prompt = load_prompt(folder / "tickets.prompt")
    began = time.monotonic()
    found = await Run(optimize_job(prompt, options(folder, scripted.base_url, 3), judge_always=True))
    assert time.monotonic() - began < 3 + LATE
    assert (found.stopped, found.code) == ("budget", "")
    assert "80% of 3 s" in found.reason
    assert found.verdict is not None


async def test_unseen_rows_that_hang_leave_no_verdict_and_say_so(folder: Path, scripted: ScriptedServer) -> None:
    scripted.script = WORLD.script
    prompt, given = load_prompt(folder / "tickets.prompt"), options(folder, scripted.base_url, 3)
    run = Run(optimize_job(prompt, given, judge_always=True))
    began = time.monotonic()
    async for event in run:
        if isinstance(event, HoldoutOpened):
            scripted.script = lambda _: hang()
    found = run.result
    assert time.monotonic() - began < 3 + LATE
    assert (found.verdict, found.stopped, found.code) == (None, "budget", "budget-seconds")
    assert "3 s are over" in found.reason
    assert found.broke_off


async def test_what_was_answered_is_kept_and_costs_nothing_again(folder: Path, scripted: ScriptedServer) -> None:
    answered: set[str] = set()

    def some(request: dict[str, Any]) -> str | Reply:
        if len(answered) >= 10:
            return hang()
        answered.add(json.dumps(request["messages"]))
        return WORLD.script(request)

    scripted.script = some
    prompt = load_prompt(folder / "tickets.prompt")
    await ends_in_time(api.evaluate(prompt, options(folder, scripted.base_url)))
    scripted.script = WORLD.script
    asked = len(scripted.log)
    await api.evaluate(prompt, options(folder, scripted.base_url, 60))
    again = {json.dumps(body["messages"]) for body in scripted.log.bodies[asked:]}
    assert len(answered) == 10
    assert not answered & again


def _gateway(model: ChatModel, caps: Caps, purse: Purse | None = None) -> Gateway:
    limiter = Limiter(32, well=True, backoff=0.01)
    return Gateway(model, cache=None, budget=Budget(caps), limiter=limiter, purse=purse, price=lambda *_: 1.0)


class Silent(Canned):
    """A model elsewhere that does not answer."""

    local = False

    def __init__(self) -> None:
        super().__init__()
        self.gate.clear()


@pytest.mark.parametrize(
    "caps",
    [Caps(seconds=CAP, calls=1), Caps(seconds=CAP, usd=1.0), Caps(seconds=CAP, tokens=5000)],
    ids=["a call", "money", "tokens"],
)
async def test_callers_that_wait_for_what_another_may_give_back(caps: Caps) -> None:
    door = _gateway(Silent(), caps)
    calls = [door.complete("task", ask(str(i))) for i in range(3)]
    outcomes = await asyncio.wait_for(asyncio.gather(*calls, return_exceptions=True), CAP + LATE)
    assert [outcome.problems[0].code for outcome in outcomes if isinstance(outcome, BudgetError)] == [
        "budget-seconds"
    ] * 3
    budget = door.budget
    assert [account.reserved for account in (budget._calls, budget._tokens, budget._money, budget._failures)] == [0] * 4


async def test_a_caller_that_waits_for_the_purse_of_the_day(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "spending.sqlite")
    door = _gateway(Silent(), Caps(seconds=CAP), Purse(ledger, "here", DailyCaps(usd=1.5)))
    outcomes = await asyncio.wait_for(
        asyncio.gather(*(door.complete("task", ask(str(i))) for i in range(2)), return_exceptions=True), CAP + LATE
    )
    assert all(isinstance(outcome, BudgetError) for outcome in outcomes)
    day = time.strftime("%Y-%m-%d")
    assert ledger.spent(day, "here") == (1, 1.0), "the request that left may have been billed"
    assert door.budget.spent.usd == 1.0
    ledger.close()


class Billed(Canned):
    """A model that fails after it may have worked; ``ask_again`` opens when all have joined."""

    async def complete(self, request: ChatRequest) -> Completion:
        from apo_engine.models.failure import TransientFailure
        from apo_engine.problems import Problem

        self.asked.append(request)
        await asyncio.sleep(0.05)
        raise TransientFailure(Problem("model-timeout", "No answer.", ""), charged=True)


@pytest.mark.parametrize("keys", [1, 2, 3])
async def test_callers_that_hold_what_their_own_request_needs_wait_for_nobody(keys: int) -> None:
    # Each shares its request with another; room for one attempt of each, and for none after it.
    probe = _gateway(Canned(), Caps(tokens=10**6))
    await probe.complete("task", ask("0", maxOutputTokens=40))
    door = _gateway(Billed(), Caps(tokens=300 * keys + 50))
    calls = [door.complete("task", ask(str(i % keys), maxOutputTokens=40)) for i in range(2 * keys)]
    outcomes = await asyncio.wait_for(asyncio.gather(*calls, return_exceptions=True), 5)
    assert all(isinstance(outcome, BudgetError) for outcome in outcomes), outcomes
    assert door.budget._tokens.reserved == 0


async def test_a_clock_that_is_set_back_makes_no_run_longer(monkeypatch: pytest.MonkeyPatch) -> None:
    door = _gateway(Silent(), Caps(seconds=CAP))
    real = time.time
    monkeypatch.setattr(time, "time", lambda: real() - 86_400)
    await ends_in_time(door.complete("task", ask()))


@pytest.mark.parametrize("do", ["evaluate", "gradients", "optimize", "row"])
async def test_what_the_editor_asks_for(
    do: Any, folder: Path, scripted: ScriptedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    scripted.script = lambda _: hang()
    monkeypatch.setenv("OPENAI_BASE_URL", scripted.base_url)
    prompt, rows = folder / "tickets.prompt", folder / "tickets.jsonl"
    opened = load_prompt(prompt)
    plan = await make_plan("evaluate", opened, options(folder, scripted.base_url))
    await plan.close()
    request = Request(
        1,
        do,
        path=str(prompt),
        text=opened.text,
        editor={"budget": {"seconds": CAP}},
        cache=str(folder / "cache"),
        allowed_roots=(str(folder),),
        row=str(rows),
        line=plan.open_rows[0].line,
    )

    async def serve() -> None:
        async for _ in replies_to(request, Purses()):
            pass

    await ends_in_time(serve())


@pytest.fixture
def busy(tmp_path: Path, scripted: ScriptedServer) -> Iterator[Apo]:
    """`apo` before an endpoint that asks for a wait of nine seconds."""
    WORLD.write(tmp_path, "apo.budget: {seconds: 2}")
    scripted.script = lambda _: throttled(9)
    yield make_apo(tmp_path, scripted)


@pytest.mark.parametrize("command", ["evaluate", "optimize", "gradients"])
def test_the_command_ends_with_3_and_a_sentence(command: str, busy: Apo, scripted: ScriptedServer) -> None:
    began = time.monotonic()
    outcome = busy(command, "tickets.prompt")
    assert time.monotonic() - began < 2 + 5, "its start and its end included"
    assert outcome.code == 3
    assert "The cap on seconds is reached: 2 s are over." in outcome.err
    assert "Traceback" not in outcome.err
    # On a busy machine nothing may have left within the time.
    assert all(exchange.began - scripted.log[0].began <= 2 for exchange in scripted.log.exchanges)


async def test_work_in_a_thread_ends_with_the_time_and_is_told_so() -> None:
    heard = threading.Event()

    def works_on(is_stopped: Callable[[], bool]) -> None:
        while not is_stopped():
            time.sleep(0.01)
        heard.set()

    with pytest.raises(BudgetError, match="cap on seconds"):
        await asyncio.wait_for(Deadline(0.1).run_in_thread(works_on), 5)
    assert await asyncio.to_thread(heard.wait, 5)
