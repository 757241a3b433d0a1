"""How many requests at once, and how a failed one is repeated."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, TypeVar

from apo_engine.models.failure import TransientFailure

if TYPE_CHECKING:
    from tenacity import RetryCallState

T = TypeVar("T")


class Limiter:
    """Slots for requests to one endpoint, and the retries of those that failed.

    The number of slots adapts (additive increase, multiplicative decrease): a throttled request halves it, once
    for all the requests that left before it did, down to 1; every answer adds 1/width, up to ``width``. An
    endpoint that asks for a wait (Retry-After) pauses every request. Who waits to retry holds no slot.
    Belongs to one event loop.

    Args:
        width: the most requests at once.
        attempts: how often one call is tried in all.
        backoff: the unit, in seconds, of the random exponential wait before a retry.
        longest_backoff: that wait's upper limit in seconds.
        patience: the longest Retry-After, in seconds, that is waited for; a longer one fails the call.
    """

    def __init__(
        self,
        width: int = 32,
        *,
        attempts: int = 6,
        backoff: float = 0.5,
        longest_backoff: float = 30.0,
        patience: float = 120.0,
    ) -> None:
        if width < 1 or attempts < 1:
            raise ValueError("width and attempts must be at least 1")
        self._widest = width
        self._width = float(width)
        self._attempts = attempts
        self._backoff = backoff
        self._longest_backoff = longest_backoff
        self._patience = patience
        self._active = 0
        self._decreases = 0
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._paused_until = 0.0
        self._resume: asyncio.TimerHandle | None = None

    @property
    def width(self) -> int:
        """How many requests may be under way now."""
        return int(self._width)

    @property
    def active(self) -> int:
        """How many requests are under way."""
        return self._active

    async def run(self, call: Callable[[], Awaitable[T]]) -> T:
        """What ``call`` returns, tried again after every :class:`TransientFailure` while that can help.

        Raises:
            TransientFailure: the last attempt's, when all failed or the endpoint asks for too long a wait.
            BaseException: whatever else ``call`` raises, at once.
        """
        try:
            return await self._once(call)
        except TransientFailure as failure:
            first = failure
        return await self._again(call, first)

    async def _again(self, call: Callable[[], Awaitable[T]], first: TransientFailure) -> T:
        # Most calls never come here, so neither the library's import nor its 50 µs per call burden them.
        from tenacity import AsyncRetrying, retry_if_exception_type, wait_random_exponential

        backoff = wait_random_exponential(multiplier=self._backoff, max=self._longest_backoff)
        replay: TransientFailure | None = first

        async def attempt() -> T:
            nonlocal replay
            if replay is not None:
                failure, replay = replay, None
                raise failure
            return await self._once(call)

        def wait(state: RetryCallState) -> float:
            asked = _failure(state).retry_after
            return backoff(state) if asked is None else asked

        def stop(state: RetryCallState) -> bool:
            asked = _failure(state).retry_after
            return state.attempt_number >= self._attempts or (asked is not None and asked > self._patience)

        retrying = AsyncRetrying(
            sleep=asyncio.sleep,
            wait=wait,
            stop=stop,
            retry=retry_if_exception_type(TransientFailure),
            reraise=True,
        )
        return await retrying(attempt)

    async def _once(self, call: Callable[[], Awaitable[T]]) -> T:
        await self._enter()
        decreases = self._decreases
        try:
            answer = await call()
        except TransientFailure as failure:
            if failure.throttled and decreases == self._decreases:
                self._width = max(1.0, self._width / 2)
                self._decreases += 1
            if failure.retry_after is not None and failure.retry_after <= self._patience:
                self._pause(failure.retry_after)
            raise
        else:
            self._width = min(float(self._widest), self._width + 1 / self._width)
            return answer
        finally:
            self._leave()

    async def _enter(self) -> None:
        if not self._waiting and self._open():
            self._active += 1
            return
        turn = asyncio.get_running_loop().create_future()
        self._waiting.append(turn)
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                self._leave()
            raise

    def _leave(self) -> None:
        self._active -= 1
        self._admit()

    def _admit(self) -> None:
        while self._waiting and self._open():
            turn = self._waiting.popleft()
            if not turn.done():
                self._active += 1
                turn.set_result(None)

    def _open(self) -> bool:
        return self._active < self.width and self._resume is None

    def _pause(self, seconds: float) -> None:
        loop = asyncio.get_running_loop()
        until = loop.time() + seconds
        if self._resume is not None:
            if until <= self._paused_until:
                return
            self._resume.cancel()
        self._paused_until = until
        self._resume = loop.call_at(until, self._end_pause)

    def _end_pause(self) -> None:
        self._resume = None
        self._admit()


def _failure(state: RetryCallState) -> TransientFailure:
    error = state.outcome.exception() if state.outcome else None
    assert isinstance(error, TransientFailure)
    return error
