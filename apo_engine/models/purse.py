"""What may be spent for a purpose in a day, by all its runs together."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from datetime import date
from typing import TYPE_CHECKING

import msgspec

from apo_engine.models.money import pico_of
from apo_engine.problems import BudgetError, Problem

if TYPE_CHECKING:
    from apo_engine.models.ledger import Ledger

#: The code of the problem that a purse is empty.
EMPTY = "budget-day"


class DailyCaps(msgspec.Struct, frozen=True, omit_defaults=True):
    """The most that may leave the machine in a day, in requests and in USD; None is no cap."""

    calls: int | None = None
    usd: float | None = None


class Draw:
    """Room for one request. Settle it with what it cost; the first time counts."""

    def __init__(self, purse: Purse, day: str, pico: int) -> None:
        self._purse: Purse | None = purse
        self._day = day
        self._pico = pico

    def settle(self, usd: float | None) -> None:
        """The request left and cost this much; None keeps the most that it may have cost."""
        if self._purse is not None:
            purse, self._purse = self._purse, None
            purse._ended(self._day, 0 if usd is None else pico_of(usd) - self._pico)


class Purse:
    """The caps of a day under a name, shared by all runs that draw from it. Belongs to one event loop.

    At every moment, what is spent and reserved stays within the caps, as long as no request costs more than it
    reserved. A request that finds no room waits while others under way may give some back.
    """

    def __init__(self, ledger: Ledger, name: str, caps: DailyCaps, *, today: Callable[[], date] = date.today) -> None:
        self.caps = caps
        self._ledger = ledger
        self._name = name
        self._today = today
        self._under_way = 0
        self._waiting: list[asyncio.Future[None]] = []

    async def draw(self, usd: float | None) -> Draw:
        """Room for one request that costs at most ``usd``; None when its price is unknown.

        Raises:
            BudgetError: the day's caps leave no room, there is a cap of money and no price, or nothing can be counted.
        """
        if usd is None and self.caps.usd is not None:
            message = "The price of the model is unknown, so the day's cap in dollars cannot be kept."
            raise BudgetError(Problem("price-unknown", message, "Cap the calls of a day instead."))
        pico = 0 if usd is None else pico_of(usd)
        while not self._ledger.reserve(day := self._today().isoformat(), self._name, pico, self.caps):
            if not self._under_way:
                raise self._empty(day)
            future = asyncio.get_running_loop().create_future()
            self._waiting.append(future)
            await future
        self._under_way += 1
        return Draw(self, day, pico)

    def _ended(self, day: str, pico: int) -> None:
        self._under_way -= 1
        # An answer that is here is used, whatever becomes of the ledger; the next request hears of that.
        with contextlib.suppress(BudgetError):
            if pico:
                self._ledger.correct(day, self._name, pico)
        waiting, self._waiting = self._waiting, []
        for future in waiting:
            if not future.done():
                future.set_result(None)

    def _empty(self, day: str) -> BudgetError:
        calls, usd = self._ledger.spent(day, self._name)
        used = []
        if self.caps.calls is not None:
            used.append(f"{calls:,} of {self.caps.calls:,} requests")
        if self.caps.usd is not None:
            used.append(f"${usd:.4f} of ${self.caps.usd:.4f}")
        message = f"What may be spent here in a day is used up: {' and '.join(used)}."
        return BudgetError(Problem(EMPTY, message, "Go on tomorrow, or raise the cap: what was answered is kept."))
