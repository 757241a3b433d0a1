"""Many callers, faults and caps at once, and what the endpoint's own books say of it.

One trial draws everything from a seed: which cap, how tight; how many prompts share it, as one run or as runs of their
own that share a day; prices, known or not; parameters that ask for more than one answer, or for one without end;
faults, answers that come late, and callers that leave. The endpoint bills every request that it worked on, whatever
became of the answer.

``python -m tests.faults.spending --trials 200`` prints the worst of as many trials for each cap.
"""

from __future__ import annotations

import argparse
import asyncio
import math
import random
import tempfile
import threading
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from apo_engine.models.budget import Budget, Caps
from apo_engine.models.cache import AnswerCache
from apo_engine.models.chat import ChatModel, ChatRequest, Completion, Message, Usage
from apo_engine.models.gateway import Gateway
from apo_engine.models.ledger import Ledger
from apo_engine.models.limits import Limiter
from apo_engine.models.openai_chat import OpenAIChat
from apo_engine.models.purse import DailyCaps, Purse
from apo_engine.problems import BudgetError, ModelError
from tests.engine.models.support import chat
from tests.scripted import Reply, ScriptedServer, hang, server_error
from tests.scripted.faults import PASSING

#: What is capped, each in a trial of its own.
CAPS = ("calls", "tokens", "usd", "calls of a day", "usd of a day")
_CALLERS = 64
_LONGEST = 40
# An answer that nothing bounds; a request that may get one is refused by the smaller caps.
_ENDLESS = 10_000
# What a prompt may ask for instead of a short answer: a longer one, or one that nothing bounds.
_GREEDY: tuple[Mapping[str, object], ...] = ({"max_completion_tokens": 2 * _LONGEST}, {})
_INPUT_USD, _OUTPUT_USD = 1e-6, 4e-6
#: Sums of floats drift.
ROUNDING = 1e-9
# Faults that come before any work, and so are not billed.
_FREE = ("429", "429, Retry-After", "500", "502", "503, Retry-After")


@dataclass(frozen=True)
class Bill:
    """What one trial cost by the endpoint's books, the cap it had, and how many requests there were."""

    cap: str
    used: float
    allowed: float
    requests: int
    answers: int
    refused: int

    @property
    def overspent(self) -> float:
        """By how much of itself the cap was passed; at most 0 where it held."""
        return self.used / self.allowed - 1


class _Books:
    """An endpoint that bills; what a request costs and what becomes of it is drawn as it comes."""

    def __init__(self, draw: random.Random, faults: float) -> None:
        self.requests = 0
        self.tokens = 0
        self.usd = 0.0
        self._draw = draw
        self._faults = faults
        self._lock = threading.Lock()

    def __call__(self, request: dict[str, Any]) -> Reply:
        with self._lock:
            return self._reply(request)

    def _reply(self, request: Mapping[str, Any]) -> Reply:
        draw = self._draw
        self.requests += 1
        fails = draw.random() < self._faults
        kind = draw.choice([*PASSING, "504", "time-out"])
        if fails and kind in _FREE:
            return PASSING[kind](Reply(""))
        usage = self._usage(request)
        self.tokens += usage.input + usage.output
        self.usd += price(usage)
        latency = draw.random() * 0.02
        if not fails:
            return Reply("x" * usage.output, usage=(usage.input, usage.output), latency=latency)
        if kind == "504":
            return server_error(504)
        return hang() if kind == "time-out" else replace(PASSING[kind](Reply("")), latency=latency)

    def _usage(self, request: Mapping[str, Any]) -> Usage:
        """As much as there may be, every third time."""
        asked = sum(len(message["content"].encode()) for message in request["messages"])
        share = 1.0 if self._draw.random() < 0.3 else self._draw.random()
        bounds = [request[name] for name in ("max_tokens", "max_completion_tokens") if name in request]
        longest = _ENDLESS if min(bounds, default=0) < 1 else max(bounds)
        return Usage(math.ceil(asked * share), request.get("n", 1) * math.ceil(longest * share))


def price(usage: Usage) -> float:
    """USD, by the endpoint's list."""
    return usage.input * _INPUT_USD + usage.output * _OUTPUT_USD


class _Away:
    """A model whose requests leave the machine, though they come to a port of it."""

    local = False

    def __init__(self, model: OpenAIChat, *, priced: bool) -> None:
        self.name, self.identity = model.name, model.identity
        self.priced = priced
        self._model = model

    async def complete(self, request: ChatRequest) -> Completion:
        return await self._model.complete(request)

    async def close(self) -> None:
        await self._model.close()


def _price_of(model: ChatModel, usage: Usage) -> float | None:
    assert isinstance(model, _Away)
    return price(usage) if model.priced else None


async def trial(folder: Path, seed: int, cap: str) -> Bill:
    """Spend against one cap until it is reached, or everything is answered."""
    draw = random.Random(f"{cap} {seed}")
    books = _Books(random.Random(draw.random()), draw.choice([0.0, 0.1, 0.3, 0.5]))
    prompts = draw.randrange(1, 5)
    daily = cap.endswith("of a day")
    calls = draw.randrange(1, 150)
    quantity = cap.partition(" ")[0]
    amount = {"calls": calls, "tokens": calls * 120, "usd": calls * 1.5e-4}[quantity]
    failures = draw.randrange(10, 200)
    caps = Caps(**({} if daily else {quantity: amount}), failures=failures)
    budgets = [Budget(caps)]
    purses: list[Purse | None] = [None]
    ledgers: list[Ledger] = []
    if daily:
        # Runs of their own, as of several windows, that have nothing in common but the ledger.
        budgets = [Budget(caps) for _ in range(prompts)]
        ledgers = [Ledger(folder / "spending.sqlite") for _ in range(prompts)]
        purses = [Purse(ledger, "workspace", DailyCaps(**{quantity: amount})) for ledger in ledgers]
    with ScriptedServer(books) as server:
        models = [_Away(chat(server, f"m{i}", read_seconds=0.3), priced=draw.random() < 0.8) for i in range(prompts)]
        cache = AnswerCache(folder / "answers.sqlite")
        gateways = [
            Gateway(
                model,
                cache=cache if draw.random() < 0.5 else None,
                budget=budgets[i % len(budgets)],
                limiter=Limiter(32, backoff=0.002),
                purse=purses[i % len(purses)],
                price=_price_of,
            )
            for i, model in enumerate(models)
        ]
        callers = [_call(random.Random(draw.random()), gateways) for _ in range(_CALLERS)]
        refused = sum(await asyncio.wait_for(asyncio.gather(*callers), 60))
        for model in models:
            await model.close()
        await cache.close()
        for ledger in ledgers:
            ledger.close()
        answers = sum(sum(budget.spent.calls.values()) for budget in budgets)
        failed = sum(budget.spent.failed for budget in budgets)
    assert failed <= failures * len(budgets)
    used = {
        # A request that failed is repeated: those have a cap of their own.
        "calls": books.requests - failed,
        "tokens": books.tokens,
        "usd": books.usd,
        "calls of a day": books.requests,
        "usd of a day": books.usd,
    }
    return Bill(cap, used[cap], amount, books.requests, answers, refused)


async def _call(draw: random.Random, gateways: list[Gateway]) -> int:
    """One caller: some calls one after the other, of which it may give up one; how often a cap refused it."""
    refused = 0
    for _ in range(draw.randrange(1, 5)):
        text = f"{draw.randrange(100)} " * draw.randrange(1, 30)
        params: Mapping[str, object] = {"maxOutputTokens": draw.randrange(1, _LONGEST)}
        if draw.random() < 0.2:
            params = draw.choice(_GREEDY)
        request = ChatRequest((Message("user", text),), params)
        call = asyncio.ensure_future(draw.choice(gateways).complete("task", request))
        if draw.random() < 0.1:
            await asyncio.sleep(draw.random() * 0.05)
            call.cancel()
        (outcome,) = await asyncio.gather(call, return_exceptions=True)
        refused += isinstance(outcome, BudgetError)
        if isinstance(outcome, Exception) and not isinstance(outcome, (BudgetError, ModelError)):
            raise outcome
    return refused


def main() -> int:
    """Print the table; 1 when a cap was passed."""
    parser = argparse.ArgumentParser(prog="python -m tests.faults.spending", description=__doc__)
    parser.add_argument("--trials", type=int, default=40)
    options = parser.parse_args()
    print("| cap on | trials | requests | answers | calls refused | caps reached | worst overspend |")
    print("|---|---:|---:|---:|---:|---:|---:|")
    sound = True
    for cap in CAPS:
        bills = []
        for seed in range(options.trials):
            with tempfile.TemporaryDirectory() as folder:
                bills.append(asyncio.run(trial(Path(folder), seed, cap)))
        worst = max(bill.overspent for bill in bills)
        sound = sound and worst <= ROUNDING
        requests, answers = (sum(getattr(bill, name) for bill in bills) for name in ("requests", "answers"))
        refused, reached = sum(bill.refused for bill in bills), sum(bill.refused > 0 for bill in bills)
        over = "none" if worst <= ROUNDING else f"**{worst:.1%}**"
        print(f"| {cap} | {len(bills)} | {requests:,} | {answers:,} | {refused:,} | {reached} | {over} |", flush=True)
    return 0 if sound else 1


if __name__ == "__main__":
    raise SystemExit(main())
