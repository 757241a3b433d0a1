"""The race: arms scored on one shared, nested order of selection rows, so that any two compare row by row."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Awaitable, Iterable, Sequence
from typing import Protocol

from apo_engine.evaluation.evaluator import Tick, judged, silent
from apo_engine.evaluation.result import RowResult
from apo_engine.examples.example import Example
from apo_engine.prompt.file import PromptFile
from apo_engine.scoring.metric import Metric
from apo_engine.search.arm import Arm


class RowScorer(Protocol):
    """What a race asks of the evaluator; see there."""

    @property
    def metric(self) -> Metric:
        """How rows become one figure."""
        ...

    async def score(self, prompt: PromptFile, rows: Sequence[Example], tick: Tick = ...) -> tuple[RowResult, ...]:
        """Score the rows; ``tick`` is called once per row as answers come."""
        ...

    def known(self, prompt: PromptFile, rows: Sequence[Example]) -> tuple[RowResult, ...]:
        """The results at hand for the longest fully scored prefix of the rows."""
        ...

    def cost(self, prompt: PromptFile, rows: Sequence[Example]) -> int:
        """How many calls scoring the rows would make now."""
        ...


class Race:
    """Evidence on selection rows: always a prefix of ``rows``, never bought twice, kept over rounds.

    Scoring goes on in the background. When a call fails for good, everything else under way is cancelled and waited
    for, and every wait from then on raises the failure (of several at once, that of the work begun first). Cancelling
    a wait, or `stop`, ends the race likewise. What was answered by then stays known.
    """

    def __init__(self, evaluator: RowScorer, rows: Sequence[Example]) -> None:
        self.rows = tuple(rows)
        self._evaluator = evaluator
        self._asked: dict[str, int] = {}
        self._bounds: dict[str, dict[int, tuple[float, float]]] = {}
        # What is under way: which piece of work it is, counted from 0, for which arm, from which row on.
        self._under_way: dict[asyncio.Task[object], tuple[int, str, int]] = {}
        self._begun = 0
        self._waiting: list[asyncio.Future[None]] = []
        self._failures: dict[int, BaseException] = {}
        self._stopped = False

    def known(self, arm: Arm) -> int:
        """How many rows, from the first on, the arm is scored on. Depends on arrival until all is `settled`."""
        return len(self._evaluator.known(arm.prompt, self.rows))

    def cost(self, arms: Sequence[Arm], n: int) -> int:
        """Calls that scoring these arms on the first ``n`` rows would add to what is asked for already."""
        return sum(self._cost(arm, n) for arm in arms)

    def begin(self, arms: Iterable[Arm], n: int, tick: Tick = silent) -> None:
        """Have the arms scored on the first ``n`` rows, without waiting for it; ``tick`` is called per answer."""
        n = min(n, len(self.rows))
        for arm in arms:
            asked = self._asked.get(arm.id, 0)
            if n <= asked or self._stopped or self._failures:
                continue
            self._asked[arm.id] = n
            self._bounds.pop(arm.id, None)
            first = max(asked, self.known(arm))
            if first < n:
                work = self._evaluator.score(arm.prompt, self.rows[first:n], self._answered(arm, tick))
                task: asyncio.Task[object] = asyncio.ensure_future(work)
                self._under_way[task] = (self._begun, arm.id, first)
                self._begun += 1
                task.add_done_callback(self._ended)

    async def extend(self, arms: Sequence[Arm], n: int, tick: Tick = silent) -> None:
        """Score the arms on the first ``n`` rows.

        Raises:
            ModelError, BudgetError: a call of the race failed for good.
        """
        self.begin(arms, n, tick)
        names = {arm.id for arm in arms}
        tasks = [task for task, (_, name, first) in self._under_way.items() if name in names and first < n]
        await self._guarded(asyncio.wait(tasks) if tasks else asyncio.sleep(0))

    async def news(self) -> None:
        """Wait for the next answer of anything under way. Raises as `extend` does.

        Raises:
            RuntimeError: nothing is under way, so that no answer can come.
        """
        if not (self._under_way or self._failures or self._stopped):
            raise RuntimeError("nothing is under way")
        future = asyncio.get_running_loop().create_future()
        self._waiting.append(future)
        await self._guarded(future)

    async def settled(self, arms: Sequence[Arm] | None = None) -> None:
        """Wait until nothing is under way, or nothing of these arms. Raises as `extend` does."""
        names = None if arms is None else {arm.id for arm in arms}
        await self._guarded(asyncio.sleep(0))
        while tasks := [task for task, (_, name, _) in self._under_way.items() if names is None or name in names]:
            await self._guarded(asyncio.wait(tasks))

    async def stop(self) -> None:
        """End the race: cancel what is under way and wait for its end. What was answered stays known."""
        self._stopped = True
        tasks = tuple(self._under_way)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def bounds(self, arm: Arm, n: int) -> tuple[float, float]:
        """The least and the most that the arm's figure on the first ``n`` rows can be, whatever is still answered."""
        found = self._bounds.setdefault(arm.id, {})
        if n not in found:
            found[n] = self._bounded(arm, n)
        return found[n]

    def figure(self, arm: Arm, n: int) -> float:
        """The metric on the first ``n`` rows, or on those known where they are fewer."""
        return self.bounds(arm, min(n, self.known(arm)))[0]

    @property
    def additive(self) -> bool:
        """Whether a figure is the mean of the scores of its rows."""
        return self._evaluator.metric.mean

    def scores(self, arm: Arm) -> list[float]:
        """The scores of the rows that the arm is scored on, from the first on."""
        return [result.score for result in self._evaluator.known(arm.prompt, self.rows)]

    def ranked(self, arms: Sequence[Arm]) -> list[Arm]:
        """Best first, on the rows that all of them are scored on; of equals, the earlier one."""
        n = min((self.known(arm) for arm in arms), default=0)
        return sorted(arms, key=lambda arm: -self.figure(arm, n))

    async def _guarded(self, wait: Awaitable[object]) -> None:
        try:
            await wait
        except asyncio.CancelledError:
            await self.stop()
            raise
        if self._failures:
            await self.stop()
            raise self._failures[min(self._failures)]
        if self._stopped:
            raise asyncio.CancelledError

    def _cost(self, arm: Arm, n: int) -> int:
        asked = self._asked.get(arm.id, 0)
        if n <= asked:
            return 0
        cost = self._evaluator.cost
        # Calls under way stand in both terms, so that the difference does not depend on what has been answered.
        return cost(arm.prompt, self.rows[:n]) - cost(arm.prompt, self.rows[:asked])

    def _bounded(self, arm: Arm, n: int) -> tuple[float, float]:
        results = self._evaluator.known(arm.prompt, self.rows[:n])
        metric = self._evaluator.metric
        if not metric.mean:
            figure = metric.total(judged(results))
            return (figure, figure) if len(results) == n else (0.0, 1.0)
        if len(results) < n:
            each = (self._evaluator.known(arm.prompt, (row,)) for row in self.rows[len(results) : n])
            results = (*results, *(result for one in each for result in one))
        # An exactly rounded sum: neither the order of arrival nor what is missing can turn a tie.
        scores = [result.score for result in results]
        return math.fsum(scores) / max(n, 1), math.fsum((*scores, n - len(scores))) / max(n, 1)

    def _answered(self, arm: Arm, tick: Tick) -> Tick:
        def answered() -> None:
            self._bounds.pop(arm.id, None)
            tick()
            self._wake()

        return answered

    def _ended(self, task: asyncio.Task[object]) -> None:
        number, _, _ = self._under_way.pop(task)
        failure = None if task.cancelled() else task.exception()
        if failure is not None:
            self._failures[number] = failure
            for other in self._under_way:
                other.cancel()
        self._wake()

    def _wake(self) -> None:
        waiting, self._waiting = self._waiting, []
        for future in waiting:
            if not future.done():
                future.set_result(None)


def affordable(race: Race, arms: Sequence[Arm], budget: int) -> int:
    """The most rows that all arms can be scored on within ``budget`` calls, by bisection."""
    low, high = 0, len(race.rows)
    while low < high:
        middle = (low + high + 1) // 2
        if race.cost(arms, middle) <= budget:
            low = middle
        else:
            high = middle - 1
    return low
