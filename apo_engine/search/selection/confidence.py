"""Upper confidence bounds (UCB and UCB-E, as in Pryzant et al. 2023), on shared rows."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from apo_engine.evaluation.evaluator import Tick
from apo_engine.search.arm import Arm
from apo_engine.search.race import Race
from apo_engine.search.selection.levels import levels_of

# The constant of the paper.
_C = 2.0
# A pull is a block of rows, and each step pulls several arms: 32 calls at once fill the slots of an ordinary endpoint.
# Smaller blocks choose no better (benchmarks/selection_study.py), and make the chain of steps longer.
_BLOCK = 4
_ARMS = 8

# bonus(t, n) at step t, for an arm on n rows.
Bonus = Callable[[int, int], float]


def ucb(t: int, n: int) -> float:
    """UCB (Auer, Cesa-Bianchi & Fischer 2002): c·√(ln t / n)."""
    return _C * math.sqrt(math.log(t) / n)


def ucb_e(t: int, n: int) -> float:
    """UCB-E (Audibert, Bubeck & Munos 2010): c·√(c / n)."""
    return _C * math.sqrt(_C / n)


@dataclass(frozen=True, slots=True)
class UpperConfidence:
    """Pulls, step by step, the arms with the highest level + bonus.

    No row is pulled twice: an arm on all rows is left out. Arms differ in how many rows they have, and bare means
    would compare easy rows with hard ones; levels do not (see `levels_of`), neither here nor in the final ranking.
    """

    bonus: Bonus

    async def select(self, race: Race, arms: Sequence[Arm], keep: int, budget: int, tick: Tick) -> list[Arm]:
        """See `Selector`. Every step waits for its answers, since every answer counts for the next."""
        arms = list({arm.id: arm for arm in arms}.values())
        await race.settled(arms)
        step = 1
        while (calls := self._pull(race, arms, step, budget, tick)) is not None:
            await race.settled(arms)
            budget -= calls
            step += 1
        level = levels_of(race, arms)
        return sorted(arms, key=lambda arm: -level[arm.id])[:keep]

    def _pull(self, race: Race, arms: Sequence[Arm], step: int, budget: int, tick: Tick) -> int | None:
        """Begin one step; the calls it takes, or None where nothing is left to pull."""
        level = levels_of(race, arms)
        known = {arm.id: race.known(arm) for arm in arms}
        pulls = [arm for arm in arms if known[arm.id] < min(_BLOCK, len(race.rows))] if step == 1 else []
        most = len(pulls) or _ARMS
        if not pulls:
            pulls = sorted(arms, key=lambda arm: -(level[arm.id] + self.bonus(step, max(1, known[arm.id]))))
        begun, spent = 0, 0
        for arm in pulls:
            goals = range(min(known[arm.id] + _BLOCK, len(race.rows)), known[arm.id], -1)
            rows = next((rows for rows in goals if race.cost([arm], rows) <= budget - spent), None)
            if rows is not None:
                spent += race.cost([arm], rows)
                race.begin([arm], rows, tick)
                begun += 1
            if begun == most:
                break
        return spent if begun else None
