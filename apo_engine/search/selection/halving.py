"""Successive halving on shared rows (Karnin, Koren & Somekh 2013), with evidence that outlives the round."""

from __future__ import annotations

import math
from collections.abc import Sequence

from apo_engine.evaluation.evaluator import Tick
from apo_engine.search.arm import Arm
from apo_engine.search.race import Race

# To cut after fewer rows than this is a lottery: one row in twelve is all that a difference of 8 points shows.
FEWEST_ROWS = 12


class SuccessiveHalving:
    """Spends an equal share of the budget per rung; after each, the better half goes on to more rows.

    Where its share would show a rung fewer than `FEWEST_ROWS`, the rung takes from those after it.
    """

    async def select(self, race: Race, arms: Sequence[Arm], keep: int, budget: int, tick: Tick) -> list[Arm]:
        """See `Selector`. Calls left over in a rung go to the next."""
        alive = list({arm.id: arm for arm in arms}.values())
        rungs = max(1, math.ceil(math.log2(max(1, len(alive) / keep)))) + 1
        for rung in range(rungs):
            enough = race.cost(alive, min(FEWEST_ROWS, len(race.rows)))
            rows = affordable(race, alive, min(budget, max(budget // (rungs - rung), enough)))
            budget -= race.cost(alive, rows)
            await race.extend(alive, rows, tick)
            if rung < rungs - 1:
                alive = race.ranked(alive)[: max(keep, math.ceil(len(alive) / 2))]
        return race.ranked(alive)[:keep]


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
