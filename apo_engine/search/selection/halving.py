"""Successive halving (Karnin, Koren & Somekh 2013) on shared rows, for the best ``keep`` arms."""

from __future__ import annotations

import math
from collections.abc import Sequence

from apo_engine.evaluation.evaluator import Tick
from apo_engine.search.arm import Arm
from apo_engine.search.race import Race
from apo_engine.search.selection.ladder import Cost, Rung, climb
from apo_engine.search.selection.shares import inverse_rows


class SuccessiveHalving:
    """After each rung, the better half goes on to twice the rows."""

    async def select(self, race: Race, arms: Sequence[Arm], keep: int, budget: int, tick: Tick) -> list[Arm]:
        """See `Selector`."""
        return await climb(race, arms, keep, budget, halving, tick)


def halving(alive: int, keep: int, cost: Cost, budget: int, most: int) -> Rung:
    """The rungs have alive, ⌈alive / 2⌉, … arms, as long as that is more than ``keep``."""
    sizes = [alive]
    while (half := math.ceil(sizes[-1] / 2)) > keep:
        sizes.append(half)
    return inverse_rows(sizes, keep, cost, budget, most)
