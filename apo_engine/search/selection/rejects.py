"""Successive rejects (Audibert, Bubeck & Munos 2010) on shared rows, for the best ``keep`` arms."""

from __future__ import annotations

from collections.abc import Sequence

from apo_engine.evaluation.evaluator import Tick
from apo_engine.search.arm import Arm
from apo_engine.search.race import Race
from apo_engine.search.selection.ladder import Cost, Rung, climb
from apo_engine.search.selection.shares import inverse_rows


class SuccessiveRejects:
    """Drops the worst arm again and again, so that its rungs are many and their cuts small."""

    async def select(self, race: Race, arms: Sequence[Arm], keep: int, budget: int, tick: Tick) -> list[Arm]:
        """See `Selector`."""
        return await climb(race, arms, keep, budget, rejects, tick)


def rejects(alive: int, keep: int, cost: Cost, budget: int, most: int) -> Rung:
    """The rungs have alive, alive − 1, … arms, as long as that is more than ``keep``."""
    return inverse_rows([alive, *range(alive - 1, keep, -1)], keep, cost, budget, most)
