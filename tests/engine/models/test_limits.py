"""Slots, adaptation and retries."""

from __future__ import annotations

import asyncio
import time

import pytest

from apo_engine.models.failure import FinalFailure, TransientFailure
from apo_engine.models.limits import Limiter
from apo_engine.problems import Problem

_PROBLEM = Problem("test", "It failed.")


def _transient(retry_after: float | None = None, *, throttled: bool = False) -> TransientFailure:
    return TransientFailure(_PROBLEM, retry_after=retry_after, throttled=throttled)


class _Endpoint:
    """Fails with what it is given, in order, then answers; keeps the times and the most callers at once."""

    def __init__(self, *failures: Exception, seconds: float = 0.0) -> None:
        self.failures = list(failures)
        self.seconds = seconds
        self.began: list[float] = []
        self.active = 0
        self.peak = 0

    async def __call__(self) -> str:
        self.began.append(time.monotonic())
        self.active += 1
        self.peak = max(self.peak, self.active)
        try:
            await asyncio.sleep(self.seconds)
            if self.failures:
                raise self.failures.pop(0)
            return "answer"
        finally:
            self.active -= 1


async def test_never_more_at_once_than_the_width_and_never_fewer_while_others_wait() -> None:
    limiter, endpoint = Limiter(4, well=True), _Endpoint(seconds=0.02)
    began = time.monotonic()
    assert await asyncio.gather(*(limiter.run(endpoint) for _ in range(20))) == ["answer"] * 20
    assert endpoint.peak == 4
    assert time.monotonic() - began < 0.02 * 5 * 2
    assert limiter.active == 0


async def test_transient_failures_are_tried_again_until_an_answer_comes() -> None:
    limiter, endpoint = Limiter(backoff=0.001), _Endpoint(*(_transient() for _ in range(5)))
    assert await limiter.run(endpoint) == "answer"
    assert len(endpoint.began) == 6


async def test_the_attempts_are_bounded_and_the_last_failure_is_told() -> None:
    failures = [_transient() for _ in range(9)]
    limiter, endpoint = Limiter(attempts=3, backoff=0.001), _Endpoint(*failures)
    with pytest.raises(TransientFailure) as caught:
        await limiter.run(endpoint)
    assert caught.value is failures[2]
    assert len(endpoint.began) == 3
    assert limiter.active == 0


async def test_one_attempt_means_no_retry() -> None:
    endpoint = _Endpoint(_transient())
    with pytest.raises(TransientFailure):
        await Limiter(attempts=1).run(endpoint)
    assert len(endpoint.began) == 1


@pytest.mark.parametrize("error", [FinalFailure(_PROBLEM), ValueError("a bug")])
async def test_other_failures_are_not_tried_again(error: Exception) -> None:
    limiter, endpoint = Limiter(), _Endpoint(error)
    with pytest.raises(type(error)):
        await limiter.run(endpoint)
    assert len(endpoint.began) == 1
    assert limiter.active == 0


async def test_who_waits_to_retry_holds_no_slot() -> None:
    limiter, slow, quick = Limiter(1, backoff=10, well=True), _Endpoint(_transient()), _Endpoint()
    waiting = asyncio.ensure_future(limiter.run(slow))
    await asyncio.sleep(0.01)
    assert await asyncio.wait_for(limiter.run(quick), 1) == "answer"
    waiting.cancel()


async def test_the_wait_asked_for_is_kept_by_everyone() -> None:
    limiter = Limiter(4)
    asked, other = _Endpoint(_transient(0.2, throttled=True)), _Endpoint()
    first = asyncio.ensure_future(limiter.run(asked))
    await asyncio.sleep(0.02)
    await asyncio.gather(first, *(limiter.run(other) for _ in range(3)))
    resumed = [asked.began[1], *other.began]
    assert min(resumed) - asked.began[0] >= 0.19
    assert max(resumed) - asked.began[0] < 1


async def test_too_long_a_wait_fails_at_once_and_pauses_nobody() -> None:
    limiter, endpoint = Limiter(patience=60), _Endpoint(_transient(3600, throttled=True))
    with pytest.raises(TransientFailure):
        await limiter.run(endpoint)
    assert len(endpoint.began) == 1
    assert await asyncio.wait_for(limiter.run(_Endpoint()), 1) == "answer"


async def test_throttling_halves_the_width_once_per_wave_and_answers_bring_it_back() -> None:
    limiter = Limiter(16, backoff=0.001, well=True)
    wave = _Endpoint(*(_transient(throttled=True) for _ in range(16)), seconds=0.01)
    await asyncio.gather(*(limiter.run(wave) for _ in range(16)))
    assert 8 <= limiter.width <= 10
    await asyncio.gather(*(limiter.run(_Endpoint()) for _ in range(400)))
    assert limiter.width == 16


async def test_the_width_never_falls_below_one() -> None:
    limiter = Limiter(2, attempts=8, backoff=0.0001)
    assert await limiter.run(_Endpoint(*(_transient(throttled=True) for _ in range(7)))) == "answer"
    assert limiter.width >= 1


async def test_cancelled_callers_leave_no_slot_behind() -> None:
    limiter, endpoint = Limiter(2), _Endpoint(seconds=0.05)
    tasks = [asyncio.ensure_future(limiter.run(endpoint)) for _ in range(10)]
    await asyncio.sleep(0.01)
    for task in tasks[::2]:
        task.cancel()
    await asyncio.sleep(0)
    for task in tasks[1:3]:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    assert limiter.active == 0
    assert await asyncio.wait_for(limiter.run(_Endpoint()), 1) == "answer"


async def test_a_caller_cancelled_in_the_moment_of_its_turn_passes_the_turn_on() -> None:
    limiter, loop = Limiter(1), asyncio.get_running_loop()

    async def first() -> None:
        await asyncio.sleep(0)
        loop.call_soon(second.cancel)

    holder = asyncio.ensure_future(limiter.run(first))
    second = asyncio.ensure_future(limiter.run(_Endpoint()))
    third = asyncio.ensure_future(limiter.run(_Endpoint()))
    await holder
    assert await asyncio.wait_for(third, 1) == "answer"
    assert second.cancelled()
    assert limiter.active == 0


@pytest.mark.parametrize(("width", "attempts"), [(0, 1), (1, 0), (-3, 1)])
def test_senseless_limits_are_refused(width: int, attempts: int) -> None:
    with pytest.raises(ValueError, match="at least 1"):
        Limiter(width, attempts=attempts)


async def test_what_must_come_before_another_attempt_is_waited_for_without_a_slot() -> None:
    limiter, failing, ready = (
        Limiter(1, backoff=0.001, well=True),
        _Endpoint(_transient(), _transient()),
        asyncio.Event(),
    )
    asked = 0

    async def again() -> None:
        nonlocal asked
        asked += 1
        await ready.wait()

    waiting = asyncio.ensure_future(limiter.run(failing, again=again))
    while not asked:  # noqa: ASYNC110
        await asyncio.sleep(0.001)
    assert await limiter.run(_Endpoint()) == "answer"
    ready.set()
    assert await waiting == "answer"
    assert asked == 2
