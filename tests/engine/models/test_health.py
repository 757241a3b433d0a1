"""One request goes ahead, an endpoint that is ill is probed instead of hammered, and one that is gone is given up."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from apo_engine.models.failure import FinalFailure, TransientFailure
from apo_engine.models.limits import Limiter
from apo_engine.problems import Problem
from tests.engine.models.virtual_time import run_in_virtual_time

_PROBLEM = Problem("test", "It failed.")


class Endpoint:
    """Takes a second for an answer, or for the failure that ``ill`` gives for that time; for the first few, longer."""

    def __init__(self, ill: Callable[[float], Exception | None], *, slow: int = 0, seconds: float = 1) -> None:
        self.ill = ill
        self.slow = slow
        self.seconds = seconds
        self.began: list[float] = []

    async def __call__(self) -> str:
        clock = asyncio.get_running_loop().time
        self.began.append(clock())
        await asyncio.sleep(self.seconds if len(self.began) <= self.slow else 1)
        failure = self.ill(clock())
        if failure is not None:
            raise failure
        return "answer"


def traffic(endpoint: Endpoint, calls: int = 100, **options: Any) -> list[str | BaseException]:
    """What becomes of so many calls at once."""

    async def main() -> list[str | BaseException]:
        limiter = Limiter(32, **options)
        found = await asyncio.gather(*(limiter.run(endpoint) for _ in range(calls)), return_exceptions=True)
        assert limiter.active == 0
        return found

    running: Coroutine[Any, Any, list[str | BaseException]] = main()
    return run_in_virtual_time(running)


def down(failure: Callable[[], Exception], since: float = 0, until: float = float("inf")) -> Endpoint:
    return Endpoint(lambda now: failure() if since <= now < until else None)


def test_one_request_goes_ahead_and_then_all() -> None:
    endpoint = Endpoint(lambda now: None)
    assert traffic(endpoint) == ["answer"] * 100
    assert endpoint.began.count(0) == 1
    assert endpoint.began.count(1) == 32


def test_what_refuses_the_first_request_refuses_all_with_one_request() -> None:
    endpoint = down(lambda: FinalFailure(_PROBLEM))
    found = traffic(endpoint)
    assert {type(failure) for failure in found} == {FinalFailure}
    assert len({id(failure) for failure in found}) == 100
    assert len(endpoint.began) == 1


def test_a_refusal_later_lets_one_more_leave_and_no_wave() -> None:
    endpoint = down(lambda: FinalFailure(_PROBLEM), since=2.5)
    found = traffic(endpoint, 200)
    assert found.count("answer") == 33
    assert len(endpoint.began) == 33 + 32 + 1


@pytest.mark.parametrize(("scouts", "most_seconds"), [(4, 6), (8, 25)])
def test_an_endpoint_that_never_answers_is_given_up_after_a_few_scouts(scouts: int, most_seconds: float) -> None:
    endpoint = down(lambda: TransientFailure(_PROBLEM, scouts=scouts))
    found = traffic(endpoint)
    assert all(isinstance(failure, FinalFailure) for failure in found)
    assert len(endpoint.began) == scouts
    assert endpoint.began[-1] < most_seconds


def test_a_scout_that_is_long_under_way_is_followed_by_another() -> None:
    endpoint = Endpoint(lambda now: None, slow=1, seconds=120)
    assert traffic(endpoint) == ["answer"] * 100
    assert endpoint.began[1] <= 10
    assert max(endpoint.began) < 20


def test_an_endpoint_that_lets_everyone_wait_in_vain_is_given_up_in_minutes() -> None:
    endpoint = Endpoint(lambda now: TransientFailure(_PROBLEM), slow=1000, seconds=120)
    found = traffic(endpoint)
    assert all(isinstance(failure, FinalFailure) for failure in found)
    assert len(endpoint.began) < 30
    assert max(endpoint.began) < 240


def test_an_outage_is_sat_out_with_a_probe_now_and_then() -> None:
    endpoint = down(lambda: TransientFailure(_PROBLEM), since=3, until=63)
    assert traffic(endpoint, 400) == ["answer"] * 400
    during = [at for at in endpoint.began if 4 <= at < 62]
    assert len(during) < 12
    assert max(endpoint.began) < 120


def test_an_endpoint_that_does_not_come_back_is_given_up_in_two_minutes() -> None:
    endpoint = down(lambda: TransientFailure(_PROBLEM), since=3)
    found = traffic(endpoint, 400)
    assert "answer" in found
    assert all(isinstance(failure, FinalFailure) for failure in found if failure != "answer")
    assert 60 < max(endpoint.began) < 180
    assert len([at for at in endpoint.began if at > 4]) <= 13


def test_a_caller_that_leaves_while_it_scouts_lets_another_go() -> None:
    async def main() -> None:
        limiter, endpoint = Limiter(4), Endpoint(lambda now: None)
        first, second = (asyncio.ensure_future(limiter.run(endpoint)) for _ in range(2))
        await asyncio.sleep(0.5)
        first.cancel()
        assert await second == "answer"
        assert endpoint.began == [0, 0.5]

    run_in_virtual_time(main())


def test_every_second_request_may_fail() -> None:
    draw = random.Random(1)
    endpoint = Endpoint(lambda now: TransientFailure(_PROBLEM) if draw.random() < 0.5 else None)
    assert traffic(endpoint, 1000) == ["answer"] * 1000
