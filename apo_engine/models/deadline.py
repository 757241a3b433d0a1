"""The end of a run's time: one moment that everything which asks or waits obeys."""

from __future__ import annotations

import asyncio
import contextvars
import threading
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import Future
from typing import TypeVar

from apo_engine.problems import BudgetError, Problem

T = TypeVar("T")


class Deadline:
    """Ends ``seconds`` after it is made, or after the moment ``began`` of its clock; never, if that is None.

    The clock is monotonic: setting the time of day neither shortens nor lengthens a run.
    """

    def __init__(
        self,
        seconds: float | None = None,
        *,
        clock: Callable[[], float] = time.monotonic,
        began: float | None = None,
    ) -> None:
        self._seconds = seconds
        self._clock = clock
        self._began = clock() if began is None else began

    @property
    def remaining(self) -> float | None:
        """Seconds that are left, never below 0; None if there is no end."""
        return self.remaining_of(1.0)

    def remaining_of(self, share: float) -> float | None:
        """Seconds that are left of the first ``share`` of the time, never below 0; None if there is no end."""
        if self._seconds is None:
            return None
        return max(0.0, share * self._seconds - (self._clock() - self._began))

    def require_time(self) -> None:
        """Make sure that the time is not over.

        Raises:
            BudgetError: it is.
        """
        if self.remaining == 0:
            raise self.over()

    async def bound(self, work: Awaitable[T]) -> T:
        """What ``work`` returns. At the deadline it is cancelled, and waited for until it has put things away.

        Raises:
            BudgetError: the time was over before ``work`` was done.
        """
        remaining = self.remaining
        if remaining is None:
            return await work
        try:
            async with asyncio.timeout(remaining) as scope:
                return await work
        except TimeoutError:
            if not scope.expired():
                raise
            raise self.over() from None

    async def run_in_thread(self, work: Callable[[Callable[[], bool]], T]) -> T:
        """Run ``work`` in a thread and return its result, at the deadline at the latest.

        A thread cannot be cancelled: ``work`` is given a function that says whether nobody waits for it any more. The
        thread keeps neither the event loop nor the process from ending.

        Raises:
            BudgetError: the time was over before ``work`` was done.
        """
        stopped = threading.Event()
        outcome: Future[T] = Future()

        def run() -> None:
            try:
                outcome.set_result(work(stopped.is_set))
            except BaseException as error:  # whoever waits gets it
                outcome.set_exception(error)

        outcome.set_running_or_notify_cancel()
        threading.Thread(target=contextvars.copy_context().run, args=(run,), daemon=True).start()
        try:
            return await self.bound(asyncio.wrap_future(outcome))
        finally:
            stopped.set()

    def over(self) -> BudgetError:
        """Says that the time is over."""
        message = f"The cap on seconds is reached: {self._seconds:g} s are over."
        remedy = "Run again with a larger cap: what was answered is kept and costs nothing again."
        return BudgetError(Problem("budget-seconds", message, remedy))
