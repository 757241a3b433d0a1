"""Selection rules: which candidates are worth keeping, within a budget of calls."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

from apo_engine.evaluation.evaluator import Tick
from apo_engine.search.arm import Arm
from apo_engine.search.race import Race
from apo_engine.search.selection.confidence import UpperConfidence, ucb, ucb_e
from apo_engine.search.selection.halving import SuccessiveHalving
from apo_engine.search.selection.rejects import SuccessiveRejects
from apo_engine.search.selection.uniform import Uniform
from apo_engine.settings import Selection


class Selector(Protocol):
    """Finds the best few of many arms."""

    async def select(self, race: Race, arms: Sequence[Arm], keep: int, budget: int, tick: Tick) -> list[Arm]:
        """The ``keep`` best arms, best first, for at most ``budget`` calls beyond those already begun.

        Incumbents stand first in ``arms`` and win ties, so that nothing replaces them without evidence. Calls that
        could not change the choice may still be under way at the end: await `Race.settled` before reading evidence.

        Raises:
            ModelError, BudgetError: a call failed for good. Nothing is left running.
        """
        ...


_SELECTORS: dict[Selection, Callable[[], Selector]] = {
    "uniform": Uniform,
    "ucb": lambda: UpperConfidence(ucb),
    "ucb-e": lambda: UpperConfidence(ucb_e),
    "successive-rejects": SuccessiveRejects,
    "successive-halving": SuccessiveHalving,
}


def selector(name: Selection) -> Selector:
    """The selection rule of that name."""
    return _SELECTORS[name]()
