"""Reserving before spending: no interleaving passes a cap."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, initialize, invariant, rule

from apo_engine.models.budget import Attempt, Budget, Caps, Reservation, Spent
from apo_engine.models.chat import Usage
from apo_engine.problems import BudgetError

CALLS, TOKENS, FAILURES, SECONDS = 12, 500, 5, 100.0


class Interleavings(RuleBasedStateMachine):
    """Any order of reserving, settling, failing, releasing and cancelling, with waiting callers in between."""

    waiting_calls = Bundle("waiting_calls")
    waiting_attempts = Bundle("waiting_attempts")
    debts = Bundle("debts")

    @initialize()
    def begin(self) -> None:
        self.loop = asyncio.new_event_loop()
        self.tasks: list[asyncio.Task[Any]] = []
        self.now = 0.0
        caps = Caps(calls=CALLS, tokens=TOKENS, usd=1.0, seconds=SECONDS, failures=FAILURES)
        self.budget = Budget(caps, clock=lambda: self.now)
        self.settled_calls = 0
        self.settled_tokens = 0
        self.lost_tokens = 0
        self.failed = 0

    def teardown(self) -> None:
        for task in self.tasks:
            task.cancel()
        self._step()
        for task in self.tasks:
            assert task.cancelled() or task.exception() is None or isinstance(task.exception(), BudgetError)
        self.loop.close()

    def _step(self) -> None:
        for _ in range(3):
            self.loop.run_until_complete(asyncio.sleep(0))

    def _start(self, coroutine: Any) -> asyncio.Task[Any]:
        task = self.loop.create_task(coroutine)
        self.tasks.append(task)
        self._step()
        return task

    def _ask(self, coroutine: Any) -> asyncio.Task[Any]:
        """Begin to reserve; nothing is reserved, and nobody waits, once the time is over."""
        task = self._start(coroutine)
        if self.now >= SECONDS:
            assert isinstance(task.exception(), BudgetError)
        return task

    def _result(self, task: asyncio.Task[Any]) -> Any:
        """What was reserved; None when it was refused, or still waits and is cancelled for that."""
        if not task.done():
            task.cancel()
            self._step()
            return None
        return None if task.exception() else task.result()

    @rule(seconds=st.floats(0, 8))
    def time_goes_by(self, seconds: float) -> None:
        self.now += seconds

    @rule(target=waiting_calls, tokens=st.integers(0, 200))
    def reserve(self, tokens: int) -> tuple[asyncio.Task[Any], int]:
        return self._ask(self.budget.reserve("task", tokens)), tokens

    @rule(target=waiting_attempts, cents=st.integers(0, 40))
    def attempt(self, cents: int) -> tuple[asyncio.Task[Any], int]:
        return self._ask(self.budget.attempt(cents / 100)), cents

    @rule(call=consumes(waiting_calls), share=st.floats(0, 1), cached=st.booleans())
    def settle_call(self, call: tuple[asyncio.Task[Any], int], share: float, cached: bool) -> None:
        reservation = self._result(call[0])
        if isinstance(reservation, Reservation):
            used = int(call[1] * share)
            reservation.settle(Usage(used, 0), cached=cached)
            reservation.release()
            self.settled_calls += 1
            self.settled_tokens += used

    @rule(call=consumes(waiting_calls))
    def release_call(self, call: tuple[asyncio.Task[Any], int]) -> None:
        reservation = self._result(call[0])
        if isinstance(reservation, Reservation):
            reservation.release()
            reservation.settle(Usage(10**9, 0), cached=False)

    @rule(call=consumes(waiting_calls))
    def lose_call(self, call: tuple[asyncio.Task[Any], int]) -> None:
        reservation = self._result(call[0])
        if isinstance(reservation, Reservation):
            reservation.lose()
            reservation.release()
            self.lost_tokens += call[1]

    @rule(target=debts, call=consumes(waiting_calls), alone=st.booleans())
    def owe(self, call: tuple[asyncio.Task[Any], int], alone: bool) -> Any:
        reservation = self._result(call[0])
        if not isinstance(reservation, Reservation):
            return None
        debt = self.budget.owe(call[1])
        self.lost_tokens += call[1]
        # As if all that others reserved were reserved by callers that wait for the same request.
        shared = self.budget._tokens.reserved if alone else 0
        covering = self._start(debt.cover(lambda: shared))
        assert covering.done() or not alone, "nobody waits for what cannot come back"
        return reservation, debt, covering

    @rule(debt=consumes(debts), share=st.floats(0, 1))
    def go_on_or_give_up(self, debt: Any, share: float) -> None:
        if debt is None:
            return
        reservation, owed, covering = debt
        used = int(reservation._tokens * share)
        if self._covered(covering):
            reservation.settle(Usage(used, 0), cached=False)
            self.settled_calls += 1
            self.settled_tokens += used
        else:
            owed.drop()
            reservation.release()
        owed.drop()

    def _covered(self, covering: asyncio.Task[Any]) -> bool:
        if not covering.done():
            covering.cancel()
            self._step()
            return False
        return covering.exception() is None

    @rule(attempt=consumes(waiting_attempts), share=st.floats(0, 1))
    def settle_attempt(self, attempt: tuple[asyncio.Task[Any], int], share: float) -> None:
        made = self._result(attempt[0])
        if isinstance(made, Attempt):
            made.settle(attempt[1] / 100 * share)
            made.fail(charged=True)

    @rule(attempt=consumes(waiting_attempts), charged=st.booleans(), failed=st.booleans())
    def fail_attempt(self, attempt: tuple[asyncio.Task[Any], int], charged: bool, failed: bool) -> None:
        made = self._result(attempt[0])
        if isinstance(made, Attempt):
            made.fail(charged=charged, failed=failed)
            made.settle(10.0)
            self.failed += failed

    @invariant()
    def no_cap_is_passed(self) -> None:
        budget = self.budget
        for account in (budget._calls, budget._tokens, budget._money, budget._failures):
            assert account.cap is not None
            assert account.reserved >= 0
            assert account.settled + account.reserved <= account.cap

    @invariant()
    def what_is_told_is_what_was_settled(self) -> None:
        spent = self.budget.spent
        assert sum(spent.calls.values()) == self.settled_calls
        assert spent.tokens.input == self.settled_tokens
        assert self.budget._tokens.settled == self.settled_tokens + self.lost_tokens
        assert spent.failed == self.failed
        assert spent.usd is not None
        assert 0 <= spent.usd <= 1


TestInterleavings = Interleavings.TestCase
TestInterleavings.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)


async def test_every_call_of_every_role_counts_cached_or_not() -> None:
    budget = Budget(Caps(calls=3))
    (await budget.reserve("task")).settle(Usage(5, 1), cached=True)
    (await budget.reserve("gradient")).settle(Usage(7, 2, estimated=True), cached=False)
    (await budget.reserve("task")).settle(Usage(1, 1), cached=False)
    assert budget.spent == Spent({"task": 2, "gradient": 1}, 1, Usage(13, 4, estimated=True), 0.0, 0, 0)
    assert budget.remaining_calls == 0
    with pytest.raises(BudgetError) as caught:
        await budget.reserve("edit")
    assert "3 of 3 calls" in str(caught.value)
    assert caught.value.problems[0].remedy


async def test_who_finds_no_room_waits_for_what_is_given_back() -> None:
    budget = Budget(Caps(calls=1))
    first = await budget.reserve("task")
    waiting = asyncio.ensure_future(budget.reserve("task"))
    await asyncio.sleep(0)
    assert not waiting.done()
    first.release()
    (await waiting).settle(Usage(), cached=False)
    assert budget.spent.calls == {"task": 1}


async def test_who_waits_is_refused_once_the_cap_is_settled() -> None:
    budget = Budget(Caps(calls=1))
    first = await budget.reserve("task")
    waiting = [asyncio.ensure_future(budget.reserve("task")) for _ in range(3)]
    await asyncio.sleep(0)
    first.settle(Usage(), cached=False)
    outcomes = await asyncio.gather(*waiting, return_exceptions=True)
    assert all(isinstance(outcome, BudgetError) for outcome in outcomes)


@pytest.mark.parametrize(
    ("caps", "code"),
    [(Caps(tokens=100), "budget-tokens"), (Caps(seconds=0), "budget-seconds"), (Caps(calls=0), "budget-calls")],
)
async def test_a_cap_that_leaves_no_room_refuses_the_first_call(caps: Caps, code: str) -> None:
    with pytest.raises(BudgetError) as caught:
        await Budget(caps).reserve("task", 101)
    assert caught.value.problems[0].code == code


async def test_no_call_begins_after_the_time_is_over() -> None:
    now = 100.0
    budget = Budget(Caps(seconds=30), clock=lambda: now)
    await budget.reserve("task")
    assert budget.deadline.remaining == 30
    now = 130.0
    assert budget.deadline.remaining == 0
    with pytest.raises(BudgetError, match="30 s"):
        await budget.reserve("task")


async def test_money_is_reserved_and_what_was_not_used_comes_back() -> None:
    budget = Budget(Caps(usd=0.10))
    attempt = await budget.attempt(0.08)
    waiting = asyncio.ensure_future(budget.attempt(0.08))
    await asyncio.sleep(0)
    assert not waiting.done()
    attempt.settle(0.01)
    (await waiting).settle(0.08)
    assert budget.spent.usd == pytest.approx(0.09)
    with pytest.raises(BudgetError, match=r"\$0\.0900 of \$0\.1000"):
        await budget.attempt(0.02)


async def test_a_failed_attempt_costs_what_the_provider_may_have_billed() -> None:
    budget = Budget(Caps(usd=1.0))
    (await budget.attempt(0.3)).fail(charged=False)
    assert (budget.spent.usd, budget.spent.failed) == (0.0, 1)
    (await budget.attempt(0.3)).fail(charged=True)
    assert (budget.spent.usd, budget.spent.failed, budget.spent.attempts) == (pytest.approx(0.3), 2, 2)


async def test_failed_attempts_have_a_cap_of_their_own() -> None:
    budget = Budget(Caps(failures=2))
    for _ in range(2):
        (await budget.attempt(None)).fail(charged=False)
    with pytest.raises(BudgetError, match="2 of 2 requests failed"):
        await budget.attempt(None)
    default = Budget(Caps(calls=10))
    for _ in range(100):
        (await default.attempt(None)).fail(charged=False)
    with pytest.raises(BudgetError):
        await default.attempt(None)


async def test_an_unknown_price_makes_the_sum_unknown_and_cannot_be_capped() -> None:
    open_budget = Budget(Caps())
    (await open_budget.attempt(None)).settle(None)
    assert open_budget.spent.usd is None
    with pytest.raises(BudgetError, match="unknown"):
        await Budget(Caps(usd=1)).attempt(None)
