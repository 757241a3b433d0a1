"""The width finds the endpoint's limit, stays just under it, and stays wide where there is none."""

from __future__ import annotations

import asyncio
import statistics

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apo_engine.models.latency import LatencySample, compare, knee
from apo_engine.models.limits import Limiter
from apo_engine.models.width import AdaptiveWidth
from tests.engine.models.endpoint import (
    BASE,
    Endpoint,
    Service,
    constant,
    fixed,
    mixed,
    noisy,
    slow,
    traffic,
    with_stragglers,
)
from tests.engine.models.virtual_time import run_in_virtual_time

SEEDS = range(4)


@pytest.mark.parametrize("service", [constant, noisy, with_stragglers, mixed, slow])
def test_a_healthy_endpoint_is_used_at_full_width_however_its_latency_varies(service: Service) -> None:
    shares = []
    for seed in SEEDS:
        wide = fixed(Endpoint(service, seed=seed), 32)
        found = traffic(Endpoint(service, seed=seed), Limiter(32, well=True))
        assert found.width >= 16
        shares.append(wide.seconds / found.seconds)
    assert statistics.mean(shares) >= 0.95


@pytest.mark.parametrize("service", [constant, noisy, with_stragglers])
@pytest.mark.parametrize("capacity", [5, 8, 12])
def test_a_queue_is_left_short_without_loss_of_throughput(service: Service, capacity: int) -> None:
    shares, latencies = [], []
    for seed in SEEDS:
        wide = fixed(Endpoint(service, capacity=capacity, seed=seed), 32)
        found = traffic(Endpoint(service, capacity=capacity, seed=seed), Limiter(32, well=True))
        shares.append(wide.seconds / found.seconds)
        latencies.append(found.latency / wide.latency)
    assert statistics.mean(shares) >= 0.9
    assert statistics.mean(latencies) <= 0.7


def test_the_width_ends_near_the_capacity_of_an_endpoint_that_queues() -> None:
    found = traffic(Endpoint(capacity=8), Limiter(32, well=True))
    assert 8 <= found.width <= 12
    assert found.latency <= 1.5 * BASE
    assert found.seconds <= 1000 / 8 * BASE / 0.95


@pytest.mark.parametrize("limit", [3, 8, 24])
def test_the_width_stays_just_under_a_limit_with_few_refusals(limit: int) -> None:
    endpoint = Endpoint(noisy, limit=limit)
    found = traffic(endpoint, Limiter(32, attempts=20, well=True))
    assert found.width in (limit - 1, limit)
    assert endpoint.refused <= 30
    assert found.seconds <= fixed(Endpoint(noisy), limit).seconds / 0.95


def test_the_width_recovers_when_a_limit_is_lifted() -> None:
    endpoint, limiter = Endpoint(noisy, limit=8), Limiter(32, attempts=20, well=True)
    assert traffic(endpoint, limiter).width <= 8
    endpoint.limit = 10**9
    assert traffic(endpoint, limiter, 2000).width == 32


def test_the_width_recovers_when_a_slow_time_of_the_endpoint_is_over() -> None:
    limiter = Limiter(32, well=True)
    assert traffic(Endpoint(capacity=4), limiter).width <= 6
    assert traffic(Endpoint(), limiter, 3000).width == 32


def test_answers_that_become_slower_at_any_width_do_not_narrow_it_for_long() -> None:
    limiter = Limiter(32, well=True)
    traffic(Endpoint(constant), limiter)
    later = traffic(Endpoint(lambda rng: ("short", 3 * BASE)), limiter)
    assert later.width == 32
    assert later.seconds <= 1000 / 32 * 3 * BASE / 0.9


def test_requests_whose_latency_tells_nothing_keep_the_full_width() -> None:
    async def main(limiter: Limiter, endpoint: Endpoint) -> float:
        await asyncio.gather(*(limiter.run(endpoint) for _ in range(2000)))
        return asyncio.get_running_loop().time()

    limiter = Limiter(32, well=True)
    seconds = run_in_virtual_time(main(limiter, Endpoint(noisy, capacity=4)))
    assert limiter.width == 32
    assert seconds == pytest.approx(fixed(Endpoint(noisy, capacity=4), 32, 2000).seconds)


def test_requests_that_are_given_up_do_not_keep_the_width_from_growing() -> None:
    async def main(limiter: Limiter) -> None:
        endpoint = Endpoint(slow)
        given_up = [asyncio.ensure_future(limiter.run(endpoint, lambda kind: kind)) for _ in range(16)]
        await asyncio.sleep(0.1)
        for task in given_up:
            task.cancel()
        await asyncio.gather(*given_up, return_exceptions=True)
        await asyncio.gather(*(limiter.run(endpoint, lambda kind: kind) for _ in range(200)))

    limiter = Limiter(32, well=True)
    run_in_virtual_time(main(limiter))
    assert limiter.width == 32


@given(
    st.integers(1, 64),
    st.lists(st.tuples(st.sampled_from(["answer", "refuse", "lose"]), st.floats(0, 100), st.booleans()), max_size=300),
)
def test_whatever_happens_the_width_stays_between_one_and_the_widest(
    widest: int, happenings: list[tuple[str, float, bool]]
) -> None:
    width = AdaptiveWidth(widest)
    under_way = []
    for what, seconds, timed in happenings:
        while len(under_way) < width.value:
            under_way.append(width.leave(len(under_way) + 1, timed=timed))
        departure = under_way.pop(0)
        if what == "answer":
            width.answered(departure, "kind" if timed else None, seconds)
        else:
            width.lost(departure)
            if what == "refuse":
                width.refused(departure, len(under_way))
        assert 1 <= width.value <= widest


def _sample(width: int, *latencies: float) -> LatencySample:
    sample = LatencySample(width, len(latencies))
    for seconds in latencies:
        sample.leave()
        sample.answer(width, "kind", seconds)
    return sample


def test_latency_in_proportion_to_the_width_is_a_queue_and_equal_latency_is_none() -> None:
    narrow = _sample(8, *[0.1] * 12)
    assert compare(narrow, _sample(16, *[0.2] * 12)) == "queueing"
    assert compare(narrow, _sample(16, *[0.1] * 12)) == "free"
    assert compare(narrow, _sample(16, 0.2)) == "unclear"


def test_the_knee_is_where_the_queue_begins_and_a_little_more() -> None:
    assert knee(_sample(4, *[0.1] * 12), _sample(16, *[0.2] * 12)) in range(8, 11)
