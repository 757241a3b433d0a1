"""What a run may spend, and what it has spent: every call reserves before it leaves, so that no cap is passed."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal

from apo_engine.models.chat import Usage
from apo_engine.models.deadline import Deadline
from apo_engine.models.money import PICO, cap_of, pico_of
from apo_engine.problems import BudgetError, Problem

CallRole = Literal["task", "gradient", "edit", "paraphrase", "judge"]


@dataclass(frozen=True, slots=True)
class Caps:
    """The most that a run may use; None is no cap.

    ``calls`` and ``tokens`` count logical calls of every role, answered from the cache or not; ``usd`` counts
    what leaves the purse; ``seconds`` is wall-clock from the budget's making: nothing is asked or waited for after it.
    ``failures`` caps failed attempts; None stands for twice ``calls``, at least 100. What an endpoint may have worked
    on in vain counts too: in ``calls`` where nobody waited for the answer, in ``tokens`` and ``usd`` always.
    """

    calls: int | None = None
    tokens: int | None = None
    usd: float | None = None
    seconds: float | None = None
    failures: int | None = None


@dataclass(frozen=True, slots=True)
class Spent:
    """What was used so far.

    ``calls`` counts logical calls that were answered, by role, ``cached`` those of them that needed no request,
    ``tokens`` those of every such call. ``usd`` is real spending, None when a price is unknown. ``attempts`` counts
    requests sent, ``failed`` those of them that failed.
    """

    calls: Mapping[str, int] = field(default_factory=dict)
    cached: int = 0
    tokens: Usage = field(default_factory=Usage)
    usd: float | None = 0.0
    attempts: int = 0
    failed: int = 0


class _Account:
    """One capped quantity, in whole units: what is settled, and what is reserved by calls under way."""

    def __init__(self, cap: int | None) -> None:
        self.cap = cap
        self.settled = 0
        self.reserved = 0

    def room(self, amount: int) -> bool:
        return self.cap is None or self.settled + self.reserved + amount <= self.cap

    def hopeless(self, amount: int) -> bool:
        return self.cap is not None and self.settled + amount > self.cap

    def settle(self, reserved: int, actual: int) -> None:
        self.reserved -= reserved
        self.settled += actual


class Reservation:
    """Room for one logical call. Settle it with what was used, lose or release it; the first of these counts."""

    def __init__(self, budget: Budget, role: CallRole, tokens: int) -> None:
        self._budget: Budget | None = budget
        self._role: CallRole = role
        self._tokens = tokens

    def settle(self, usage: Usage, *, cached: bool) -> None:
        """The call was answered, using ``usage``."""
        if self._budget is not None:
            self._budget._settle_call(self._role, self._tokens, usage, cached)
            self._budget = None

    def lose(self) -> None:
        """Nobody waits for the answer any more, but an endpoint may have worked on it."""
        if self._budget is not None:
            self._budget._lose_call(self._tokens)
            self._budget = None

    def release(self) -> None:
        """The call did not take place."""
        if self._budget is not None:
            self._budget._release_call(self._tokens)
            self._budget = None


class Debt:
    """Tokens that a request used in vain out of what its call had reserved. Cover it before the request is repeated,
    or drop it when it is not; the first of the two counts."""

    def __init__(self, budget: Budget, tokens: int) -> None:
        self._budget: Budget | None = budget
        self._tokens = tokens

    async def cover(self, shared: Callable[[], int] = lambda: 0) -> None:
        """Reserve as many tokens again, once there is room for them.

        ``shared`` says how many are reserved by other callers that wait for the same request: those come back only
        after it.

        Raises:
            BudgetError: the cap on tokens leaves no room.
        """
        if self._budget is not None:
            await self._budget._room_for_tokens(self._tokens, shared)
            self.drop()

    def drop(self) -> None:
        """The call comes to its end, and gives back what it reserved."""
        if self._budget is not None:
            self._budget._tokens.reserved += self._tokens
            self._budget = None


class Attempt:
    """Money for one request. Settle it, or say that it failed; the first of the two counts."""

    def __init__(self, budget: Budget, pico: int) -> None:
        self._budget: Budget | None = budget
        self._pico = pico

    def settle(self, usd: float | None) -> None:
        """The request was answered at this price; None when it is unknown."""
        self._end(0 if usd is None else pico_of(usd), unpriced=usd is None, failed=False)

    def fail(self, *, charged: bool, failed: bool = True) -> None:
        """The request failed, or with ``failed=False`` was given up; ``charged`` keeps the money as spent."""
        self._end(self._pico if charged else 0, unpriced=False, failed=failed)

    def _end(self, pico: int, *, unpriced: bool, failed: bool) -> None:
        if self._budget is not None:
            self._budget._end_attempt(self._pico, pico, unpriced, failed)
            self._budget = None


class Budget:
    """Caps, and what was used of them. Belongs to one event loop.

    At every moment, settled + reserved ≤ cap, as long as no call uses more than it reserved. (A :class:`Debt` that is
    dropped passes it until its call ends; nothing leaves by that.) A reservation that finds no room waits while calls
    under way may give some back, and is refused once they cannot.
    """

    def __init__(
        self, caps: Caps, *, clock: Callable[[], float] = time.monotonic, deadline: Deadline | None = None
    ) -> None:
        self.caps = caps
        self.deadline = deadline or Deadline(caps.seconds, clock=clock)
        failures = caps.failures
        if failures is None and caps.calls is not None:
            failures = max(100, 2 * caps.calls)
        self._calls = _Account(caps.calls)
        self._tokens = _Account(caps.tokens)
        self._money = _Account(cap_of(caps.usd))
        self._failures = _Account(failures)
        self._by_role: Counter[str] = Counter()
        self._cached = 0
        self._usage = Usage()
        self._attempts = 0
        self._unpriced = False
        self._waiting: list[asyncio.Future[None]] = []
        self._covering: list[Callable[[], int]] = []

    async def reserve(self, role: CallRole, tokens: int = 0) -> Reservation:
        """Room for one logical call that uses at most ``tokens``.

        Raises:
            BudgetError: a cap of calls, tokens or seconds leaves no room for it.
        """
        while not (self._calls.room(1) and self._tokens.room(tokens)):
            self.deadline.require_time()
            if self._calls.hopeless(1):
                raise _reached("calls", f"{self._calls.settled:,} of {self._calls.cap:,} calls are used")
            self._refuse_tokens(tokens)
            await self._change()
        self.deadline.require_time()
        self._calls.reserved += 1
        self._tokens.reserved += tokens
        return Reservation(self, role, tokens)

    async def attempt(self, usd: float | None) -> Attempt:
        """Money for one request that costs at most ``usd``; None when its price is unknown.

        Raises:
            BudgetError: the cap of money, of failed attempts or of seconds leaves no room, or there is a cap of money
                and no price.
        """
        if usd is None and self.caps.usd is not None:
            raise BudgetError(unknown_price("the model"))
        pico = 0 if usd is None else pico_of(usd)
        while not (self._money.room(pico) and self._failures.room(1)):
            self.deadline.require_time()
            if self._failures.hopeless(1):
                raise _failing(self._failures.settled, self._attempts)
            if self._money.hopeless(pico):
                used = f"${self._money.settled / PICO:.4f} of ${self.caps.usd:.4f} is spent"
                raise _reached("usd", f"{used} and the next request may cost ${pico / PICO:.4f}")
            await self._change()
        self.deadline.require_time()
        self._money.reserved += pico
        self._failures.reserved += 1
        self._attempts += 1
        return Attempt(self, pico)

    def owe(self, tokens: int) -> Debt:
        """A request that failed, within a call that reserved at least ``tokens``, may have used as many."""
        self._tokens.settle(tokens, tokens)
        return Debt(self, tokens)

    @property
    def spent(self) -> Spent:
        """What was used so far; calls under way are not in it."""
        return Spent(
            calls=dict(self._by_role),
            cached=self._cached,
            tokens=self._usage,
            usd=None if self._unpriced else self._money.settled / PICO,
            attempts=self._attempts,
            failed=self._failures.settled,
        )

    @property
    def remaining_calls(self) -> int | None:
        """Logical calls that can still be reserved at this moment; None without a cap."""
        return None if self._calls.cap is None else self._calls.cap - self._calls.settled - self._calls.reserved

    def _refuse_tokens(self, tokens: int) -> None:
        if self._tokens.hopeless(tokens):
            raise self._no_tokens(tokens)

    def _no_tokens(self, tokens: int) -> BudgetError:
        used = self._tokens.settled + self._tokens.reserved
        told = f"{used:,} of {self._tokens.cap:,} tokens are used or reserved"
        return _reached("tokens", f"{told} and the next call may need {tokens:,}")

    async def _room_for_tokens(self, tokens: int, shared: Callable[[], int]) -> None:
        self._covering.append(shared)
        try:
            while not self._tokens.room(tokens):
                self._refuse_tokens(tokens)
                if self._tokens.reserved <= sum(stuck() for stuck in self._covering):
                    # All that is reserved belongs to callers that wait for requests that wait here.
                    raise self._no_tokens(tokens)
                await self._change()
        finally:
            self._covering.remove(shared)

    def _settle_call(self, role: CallRole, tokens: int, usage: Usage, cached: bool) -> None:
        self._calls.settle(1, 1)
        self._tokens.settle(tokens, usage.input + usage.output)
        self._by_role[role] += 1
        self._cached += cached
        self._usage += usage
        self._changed()

    def _lose_call(self, tokens: int) -> None:
        self._calls.settle(1, 1)
        self._tokens.settle(tokens, tokens)
        self._changed()

    def _release_call(self, tokens: int) -> None:
        self._calls.settle(1, 0)
        self._tokens.settle(tokens, 0)
        self._changed()

    def _end_attempt(self, reserved: int, actual: int, unpriced: bool, failed: bool) -> None:
        self._money.settle(reserved, actual)
        self._failures.settle(1, int(failed))
        self._unpriced |= unpriced
        self._changed()

    async def _change(self) -> None:
        future = asyncio.get_running_loop().create_future()
        self._waiting.append(future)
        await future

    def _changed(self) -> None:
        waiting, self._waiting = self._waiting, []
        for future in waiting:
            if not future.done():
                future.set_result(None)


def unknown_price(model: str) -> Problem:
    """Why a cap of money cannot be kept: nobody knows what ``model`` costs."""
    return Problem(
        "price-unknown",
        f"The price of {model} is unknown, so a cap in dollars cannot be kept.",
        "Cap calls or tokens instead: --max-calls, or `apo.budget: {calls: …, tokens: …}`.",
    )


def _reached(cap: str, used: str) -> BudgetError:
    remedy = "Run again with a larger cap: what was answered is kept and costs nothing again."
    return BudgetError(Problem(f"budget-{cap}", f"The cap on {cap} is reached: {used}.", remedy))


def _failing(failed: int, attempts: int) -> BudgetError:
    message = f"{failed:,} of {attempts:,} requests failed, which is the cap on failed attempts."
    return BudgetError(
        Problem("budget-failures", message, "Run again when the endpoint is well: what was answered is kept.")
    )
