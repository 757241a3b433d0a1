"""A scorer whose answers come from a table, at times of its own clock: any order of arrival, without waiting."""

from __future__ import annotations

import asyncio
import heapq
from collections import deque
from collections.abc import Callable, Coroutine, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from apo_engine.evaluation.evaluator import Tick, silent
from apo_engine.evaluation.fanout import fan_out
from apo_engine.evaluation.result import RowResult
from apo_engine.examples.example import Example
from apo_engine.prompt.file import PromptFile, parse_prompt
from apo_engine.scoring.metric import Metric, make_metric
from apo_engine.search.arm import Arm, child_arm, seed_arm

T = TypeVar("T")
Latency = Callable[[int, int], float]

# More turns of the event loop than anything here needs to come to rest after an answer.
_TURNS = 40


def rows(count: int) -> tuple[Example, ...]:
    return tuple(Example(f"r{n:03d}", {"text": f"row {n}"}, "yes", n, Path("rows.jsonl")) for n in range(count))


def family(count: int) -> list[Arm]:
    """A seed and its children, numbered from 0 in their text."""
    seed = seed_arm(_prompt(0))
    return [seed, *(child_arm(seed, _prompt(n), "edit", 1) for n in range(1, count))]


def _prompt(number: int) -> PromptFile:
    return parse_prompt(f'{{{{role "system"}}}}\nArm {number}.\n{{{{role "user"}}}}\n{{{{text}}}}\n', None)


class TimedScorer:
    """Arm i answers row n with score ``table[i][n]``, ``latency(i, n)`` after its turn; without latency, at once.

    At most ``width`` answers are under way at a time. ``calls`` are the (arm, row) asked for, in order.
    """

    def __init__(
        self,
        arms: Sequence[Arm],
        table: Sequence[Sequence[float]],
        latency: Latency | None = None,
        *,
        width: int | None = None,
        metric: Metric | None = None,
        failing: Mapping[tuple[int, int], Exception] | None = None,
    ) -> None:
        self.metric = metric or make_metric("label", ("yes", "no"))
        self.calls: list[tuple[int, int]] = []
        self.now = 0.0
        self._number = {arm.prompt.fingerprint: i for i, arm in enumerate(arms)}
        self._table = table
        self._latency = latency
        self._width = width
        self._failing = failing or {}
        self._asked: set[tuple[int, int]] = set()
        self._results: dict[tuple[int, int], RowResult] = {}
        self._queue: deque[tuple[float, asyncio.Future[None]]] = deque()
        self._due: list[tuple[float, int, asyncio.Future[None]]] = []
        self._pushed = 0

    async def score(self, prompt: PromptFile, rows: Sequence[Example], tick: Tick = silent) -> tuple[RowResult, ...]:
        arm = self._number[prompt.fingerprint]
        if self._latency is None:
            for row in rows:
                self._answer(arm, row.line)
                tick()
        else:
            await fan_out(self._answered(arm, row.line, tick) for row in rows)
        return tuple(self._results[arm, row.line] for row in rows)

    def known(self, prompt: PromptFile, rows: Sequence[Example]) -> tuple[RowResult, ...]:
        arm = self._number[prompt.fingerprint]
        found = []
        for row in rows:
            result = self._results.get((arm, row.line))
            if result is None:
                break
            found.append(result)
        return tuple(found)

    def cost(self, prompt: PromptFile, rows: Sequence[Example]) -> int:
        arm = self._number[prompt.fingerprint]
        return sum((arm, row.line) not in self._asked for row in rows)

    @property
    def waiting(self) -> int:
        """How many answers somebody still waits for."""
        futures = [*(future for _, _, future in self._due), *(future for _, future in self._queue)]
        return sum(not future.done() for future in futures)

    async def run(self, work: Coroutine[Any, Any, T]) -> T:
        """The outcome of ``work``, with the clock going from answer to answer.

        Raises:
            RuntimeError: the work waits, but no answer is to come.
        """
        task = asyncio.ensure_future(work)
        while not await self.rests(task):
            if not self._due:
                task.cancel()
                raise RuntimeError("the work waits for nothing")
            self.step()
        return task.result()

    async def rests(self, task: asyncio.Task[T]) -> bool:
        """Let everything run that can without another answer, and begin what has its turn; whether the task ended."""
        for _ in range(_TURNS):
            await asyncio.sleep(0)
        while self._queue and (self._width is None or len(self._due) < self._width):
            latency, future = self._queue.popleft()
            heapq.heappush(self._due, (self.now + latency, self._pushed, future))
            self._pushed += 1
        return task.done()

    def step(self) -> None:
        """The next answers come: all of one moment."""
        self.now = self._due[0][0]
        while self._due and self._due[0][0] == self.now:
            _, _, future = heapq.heappop(self._due)
            if not future.done():
                future.set_result(None)

    async def _answered(self, arm: int, row: int, tick: Tick) -> None:
        if (arm, row) not in self._results:
            assert self._latency is not None
            future = asyncio.get_running_loop().create_future()
            self._ask(arm, row)
            self._queue.append((self._latency(arm, row), future))
            await future
            self._keep(arm, row)
        tick()

    def _answer(self, arm: int, row: int) -> None:
        if (arm, row) not in self._results:
            self._ask(arm, row)
            self._keep(arm, row)

    def _ask(self, arm: int, row: int) -> None:
        self.calls.append((arm, row))
        self._asked.add((arm, row))

    def _keep(self, arm: int, row: int) -> None:
        if (arm, row) in self._failing:
            raise self._failing[arm, row]
        score = self._table[arm][row]
        self._results[arm, row] = RowResult(f"r{row:03d}", row, "", "yes", "", score, "yes" if score >= 0.5 else "no")
