"""Monte-Carlo search (APE, Zhou et al. 2023): the beam is reworded at random, and selection alone gives direction.

The paper's baseline MC: as many samples per prompt as APO has children, raced by the same rule on the same rows.
"""

from __future__ import annotations

import asyncio
from collections import Counter

from apo_engine.evaluation.evaluator import Tick
from apo_engine.evaluation.fanout import fan_out
from apo_engine.search.arm import Arm
from apo_engine.search.editor import ModelEditor, Rewrite
from apo_engine.search.events import RoundStarted
from apo_engine.search.optimizer import Found
from apo_engine.search.pool import Pool
from apo_engine.search.proposer import Enter
from apo_engine.search.rounds import (
    FEWEST_FIRST,
    affordable_children,
    compare,
    entry,
    first_cost,
    first_rows,
    flawless,
    in_rounds,
    rank,
)
from apo_engine.search.selection import Selector
from apo_engine.search.task import SearchTask

# Of a round's calls, this share compares the prompts that are in the race already.
_COMPARING_SHARE = 0.3


class MonteCarloSearch:
    """Paraphrases of the beam, ``samples`` of each prompt in a round. See `Optimizer`."""

    def __init__(self, task: SearchTask, pool: Pool, editor: ModelEditor, selector: Selector, samples: int) -> None:
        self._task = task
        self._pool = pool
        self._editor = editor
        self._selector = selector
        self._samples = samples
        self._beam = [task.seed]
        # How often each prompt was reworded: a further draw is a further request.
        self._draws: Counter[str] = Counter()

    @property
    def beam(self) -> list[Arm]:
        """See `InRounds`."""
        return self._beam

    async def run(self) -> Found:
        """See `Optimizer`."""
        self._task.allowance.require(2 * first_cost(self._task, FEWEST_FIRST) + 1, "to reword once and compare")
        return await in_rounds(self._task, self._pool, self)

    async def round(self, number: int, calls: int) -> str | None:
        """See `InRounds`."""
        task, race = self._task, self._task.race
        tick = task.reporter.phase(f"Round {number}: rewording, comparing", calls)
        if number == 1 and (nothing_left := await flawless(task, self._pool, tick)):
            return nothing_left
        racing = tuple(self._beam)
        rows = first_rows(task, calls)
        comparing = int(_COMPARING_SHARE * calls) if len(racing) > 1 else first_cost(task, rows)
        parents = self._parents(affordable_children(task, calls, comparing, 1 + first_cost(task, rows)))
        task.reporter.emit(RoundStarted(number, tuple(arm.id for arm in racing[: task.settings.beam])))
        # Rewording is the longer chain: its calls go first, and comparisons fill the slots that it leaves.
        drawn = [(parent, self._next_draw(parent)) for parent in parents]
        enter = entry(task, self._pool, rows, tick)
        rewording = asyncio.ensure_future(fan_out(self._reword(arm, draw, number, enter, tick) for arm, draw in drawn))
        kept = asyncio.ensure_future(compare(task, self._selector, self._beam, comparing, rows, tick))
        await fan_out([rewording, kept])
        await race.settled()
        newcomers = self._pool.admit(rewording.result())
        self._pool.tell([*racing, *newcomers])
        self._beam = rank(task, self._pool, number, [*kept.result(), *newcomers])
        return None

    def _parents(self, children: int) -> list[Arm]:
        """The parent of each child, the best prompt first; at most ``samples`` of each."""
        return [arm for arm in self._beam[: self._task.settings.beam] for _ in range(self._samples)][:children]

    def _next_draw(self, arm: Arm) -> int:
        draw = self._draws[arm.id]
        self._draws[arm.id] += 1
        return draw

    async def _reword(self, arm: Arm, draw: int, number: int, enter: Enter, tick: Tick) -> Rewrite:
        made = await self._editor.paraphrase(arm, number, draw)
        tick()
        if isinstance(made, Arm):
            await enter(made)
        return made
