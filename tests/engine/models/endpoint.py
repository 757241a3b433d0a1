"""An endpoint in this process that serves so many at once, lets others wait, and refuses beyond a limit."""

from __future__ import annotations

import asyncio
import math
import random
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from statistics import median

from apo_engine.models.failure import TransientFailure
from apo_engine.models.limits import Limiter
from apo_engine.problems import Problem
from tests.engine.models.virtual_time import run_in_virtual_time

#: Of a source of randomness, the kind of an answer and the seconds that it takes to write.
Service = Callable[[random.Random], tuple[Hashable, float]]

BASE = 0.1


def constant(rng: random.Random) -> tuple[str, float]:
    """Each answer takes equally long."""
    return "short", BASE


def noisy(rng: random.Random) -> tuple[str, float]:
    """Answers of about the same length: log-normal."""
    return "short", BASE * math.exp(rng.gauss(0, 0.5))


def with_stragglers(rng: random.Random) -> tuple[str, float]:
    """One answer in twenty takes ten times as long."""
    return "short", BASE * math.exp(rng.gauss(0, 0.25)) * (10 if rng.random() < 0.05 else 1)


def mixed(rng: random.Random) -> tuple[str, float]:
    """Three in ten are long and take twenty times as long."""
    long = rng.random() < 0.3
    return "long" if long else "short", BASE * (20 if long else 1) * math.exp(rng.gauss(0, 0.4))


def slow(rng: random.Random) -> tuple[str, float]:
    """Slow from the start."""
    return "short", 50 * BASE * math.exp(rng.gauss(0, 0.3))


class Endpoint:
    """Serves ``capacity`` requests at once, first come, first served; refuses those beyond ``limit`` at once."""

    def __init__(
        self, service: Service = constant, *, capacity: int = 10**9, limit: int = 10**9, seed: int = 0
    ) -> None:
        self.limit = limit
        self.refused = 0
        self.latencies: list[float] = []
        self._service = service
        self._rng = random.Random(seed)
        self._free = asyncio.Semaphore(capacity)
        self._active = 0

    async def __call__(self) -> Hashable:
        if self._active >= self.limit:
            self.refused += 1
            await asyncio.sleep(0.005)
            raise TransientFailure(Problem("test", "Too many."), throttled=True)
        clock = asyncio.get_running_loop().time
        began = clock()
        self._active += 1
        try:
            async with self._free:
                kind, seconds = self._service(self._rng)
                await asyncio.sleep(seconds)
        finally:
            self._active -= 1
        self.latencies.append(clock() - began)
        return kind


@dataclass(frozen=True)
class Traffic:
    """What came of many requests: seconds for all, the median latency of the later half, the width at the end."""

    seconds: float
    latency: float
    width: int


def traffic(endpoint: Endpoint, limiter: Limiter, requests: int = 1000) -> Traffic:
    """So many requests through a limiter, in virtual time."""

    async def main() -> float:
        await asyncio.gather(*(limiter.run(endpoint, lambda kind: kind) for _ in range(requests)))
        return asyncio.get_running_loop().time()

    seconds = run_in_virtual_time(main())
    return Traffic(seconds, median(endpoint.latencies[-requests // 2 :]), limiter.width)


def fixed(endpoint: Endpoint, width: int, requests: int = 1000) -> Traffic:
    """The same with a width that never changes."""

    async def main() -> float:
        slots = asyncio.Semaphore(width)

        async def one() -> None:
            async with slots:
                await endpoint()

        await asyncio.gather(*(one() for _ in range(requests)))
        return asyncio.get_running_loop().time()

    return Traffic(run_in_virtual_time(main()), median(endpoint.latencies[-requests // 2 :]), width)
