"""Uniform allocation: every arm on the same rows, as many as the budget allows."""

from __future__ import annotations

from collections.abc import Sequence

from apo_engine.evaluation.evaluator import Tick
from apo_engine.search.arm import Arm
from apo_engine.search.race import Race
from apo_engine.search.selection.ladder import Cost, Rung, climb, most_rows


class Uniform:
    """Spends the same on good and bad arms: the yardstick of the other rules."""

    async def select(self, race: Race, arms: Sequence[Arm], keep: int, budget: int, tick: Tick) -> list[Arm]:
        """See `Selector`."""
        return await climb(race, arms, keep, budget, uniform, tick)


def uniform(alive: int, keep: int, cost: Cost, budget: int, most: int) -> Rung:
    """One rung for everybody."""
    return Rung(most_rows(lambda rows: cost(rows, alive), budget, most), keep)
