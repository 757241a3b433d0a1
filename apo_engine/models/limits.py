"""How many requests at once, and how a failed one is repeated."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Hashable
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from apo_engine.models.failure import FinalFailure, TransientFailure
from apo_engine.models.health import Health, Pass
from apo_engine.models.width import AdaptiveWidth, Departure

if TYPE_CHECKING:
    from tenacity import RetryCallState

T = TypeVar("T")

# How much longer a request waits to be repeated where the endpoint was asked too much.
_THROTTLED = 5.0
# How long the others wait for what becomes of a probe before one more leaves.
_PROBE_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class _Leave:
    """A request under way, as those who watch it remember it."""

    departure: Departure
    given: Pass
    overdue: asyncio.TimerHandle | None


class Limiter:
    """Slots for requests to one endpoint, and the retries of those that failed.

    The number of slots adapts to what the endpoint takes, between 1 and ``width`` (see
    :class:`~apo_engine.models.width.AdaptiveWidth`). An endpoint that asks for a wait (Retry-After) pauses every
    request, and one that seems ill is probed by one request at a time, and one more every ten seconds where nothing
    comes back (see :class:`~apo_engine.models.health.Health`); once it is given up, every call fails. Who waits to
    retry holds no slot. Belongs to one event loop.

    Args:
        width: the most requests at once.
        attempts: how often one call is tried in all. Where every second request fails, a thousand calls come through.
        backoff: the unit, in seconds, of the random exponential wait before a retry, and of the wait between probes;
            before a retry it is five times that where the endpoint was asked too much.
        longest_backoff: that wait's upper limit in seconds.
        patience: the longest Retry-After, in seconds, that is waited for; a longer one fails the call.
        well: take it for granted that requests are answered, as those to a model in this process are.
    """

    def __init__(
        self,
        width: int = 32,
        *,
        attempts: int = 16,
        backoff: float = 0.1,
        longest_backoff: float = 10.0,
        patience: float = 120.0,
        well: bool = False,
    ) -> None:
        if width < 1 or attempts < 1:
            raise ValueError("width and attempts must be at least 1")
        self._width = AdaptiveWidth(width)
        self._health = Health(well=well, seconds=backoff)
        self._attempts = attempts
        self._backoff = backoff
        self._longest_backoff = longest_backoff
        self._patience = patience
        self._active = 0
        # Those that more work waits for, and all others; each with whether it is timed.
        self._urgent: deque[tuple[asyncio.Future[_Leave], bool]] = deque()
        self._waiting: deque[tuple[asyncio.Future[_Leave], bool]] = deque()
        self._paused_until = 0.0
        self._resume: asyncio.TimerHandle | None = None

    @property
    def width(self) -> int:
        """How many requests may be under way now."""
        return self._width.value

    @property
    def active(self) -> int:
        """How many requests are under way."""
        return self._active

    async def run(
        self,
        call: Callable[[], Awaitable[T]],
        kind: Callable[[T], Hashable] | None = None,
        *,
        urgent: bool = False,
        again: Callable[[], Awaitable[None]] | None = None,
    ) -> T:
        """What ``call`` returns, tried again after every :class:`TransientFailure` while that can help.

        Args:
            call: one attempt.
            kind: of an answer, what its latency may be compared with: answers of one kind take about equally long.
                None leaves latency out of account.
            urgent: whether the next free slot is its, before calls that wait longer.
            again: what has to be waited for before another attempt, while no slot is held.

        Raises:
            TransientFailure: the last attempt's, when all failed or the endpoint asks for too long a wait.
            FinalFailure: the endpoint was given up, by this call or another.
            BaseException: whatever else ``call`` raises, at once.
        """
        try:
            return await self._once(call, kind, urgent)
        except TransientFailure as failure:
            first = failure
        return await self._again(call, kind, urgent, first, again)

    async def _again(
        self,
        call: Callable[[], Awaitable[T]],
        kind: Callable[[T], Hashable] | None,
        urgent: bool,
        first: TransientFailure,
        again: Callable[[], Awaitable[None]] | None,
    ) -> T:
        # Most calls never come here, so neither the library's import nor its 50 µs per call burden them.
        from tenacity import AsyncRetrying, retry_if_exception_type, wait_random_exponential

        backoff = wait_random_exponential(multiplier=self._backoff, max=self._longest_backoff)
        longer = wait_random_exponential(multiplier=_THROTTLED * self._backoff, max=self._longest_backoff)
        replay: TransientFailure | None = first

        async def attempt() -> T:
            nonlocal replay
            if replay is not None:
                failure, replay = replay, None
                raise failure
            if again is not None:
                await again()
            return await self._once(call, kind, urgent)

        def wait(state: RetryCallState) -> float:
            failure = _failure(state)
            if failure.retry_after is not None:
                return failure.retry_after
            return longer(state) if failure.throttled else backoff(state)

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

    async def _once(self, call: Callable[[], Awaitable[T]], kind: Callable[[T], Hashable] | None, urgent: bool) -> T:
        leave = await self._enter(timed=kind is not None, urgent=urgent)
        clock = asyncio.get_running_loop().time
        began = clock()
        try:
            answer = await call()
        except BaseException as error:
            self._width.lost(leave.departure)
            if isinstance(error, TransientFailure):
                self._heed(leave, error)
            elif isinstance(error, FinalFailure):
                self._health.refused(leave.given, error)
            else:
                self._health.lost(leave.given)
            if self._health.gone is not None and isinstance(error, TransientFailure):
                raise _given_up(self._health.gone) from None
            raise
        else:
            self._health.answered(leave.given)
            self._width.answered(leave.departure, kind and kind(answer), clock() - began)
            return answer
        finally:
            self._leave(leave)

    def _heed(self, leave: _Leave, failure: TransientFailure) -> None:
        if failure.throttled:
            self._width.refused(leave.departure, self._active - 1)
        pause = self._health.failed(leave.given, failure)
        if failure.retry_after is not None and failure.retry_after <= self._patience:
            pause = max(pause, failure.retry_after)
        if pause:
            self._pause(pause)

    async def _enter(self, *, timed: bool, urgent: bool) -> _Leave:
        if self._health.gone is not None:
            raise _given_up(self._health.gone)
        if not self._waiting and not self._urgent and self._open():
            return self._let_go(timed=timed)
        turn: asyncio.Future[_Leave] = asyncio.get_running_loop().create_future()
        (self._urgent if urgent else self._waiting).append((turn, timed))
        try:
            return await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled() and turn.exception() is None:
                leave = turn.result()
                self._width.lost(leave.departure)
                self._health.lost(leave.given)
                self._leave(leave)
            raise

    def _let_go(self, *, timed: bool) -> _Leave:
        self._active += 1
        given = self._health.leave()
        overdue = None
        if given.probe:
            overdue = asyncio.get_running_loop().call_later(_PROBE_SECONDS, self._overdue, given)
        return _Leave(self._width.leave(self._active, timed=timed), given, overdue)

    def _overdue(self, given: Pass) -> None:
        self._health.lost(given)
        self._admit()

    def _leave(self, leave: _Leave) -> None:
        if leave.overdue is not None:
            leave.overdue.cancel()
        self._active -= 1
        self._admit()

    def _admit(self) -> None:
        gone = self._health.gone
        while (queue := self._urgent or self._waiting) and (gone is not None or self._open()):
            turn, timed = queue.popleft()
            if turn.done():
                continue
            if gone is not None:
                turn.set_exception(_given_up(gone))
            else:
                turn.set_result(self._let_go(timed=timed))

    def _open(self) -> bool:
        return self._active < self.width and self._resume is None and self._health.open

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


def _given_up(gone: FinalFailure) -> FinalFailure:
    """The same failure for another caller: an error that is raised twice keeps growing its traceback."""
    return FinalFailure(gone.problems[0])
