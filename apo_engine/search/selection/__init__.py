"""Selection rules: which candidates are worth keeping, within a budget of calls."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from apo_engine.evaluation.evaluator import Tick
from apo_engine.search.arm import Arm
from apo_engine.search.race import Race


class Selector(Protocol):
    """Finds the best few of many arms."""

    async def select(self, race: Race, arms: Sequence[Arm], keep: int, budget: int, tick: Tick) -> list[Arm]:
        """The ``keep`` best arms, best first, for at most ``budget`` calls.

        Incumbents stand first in ``arms`` and win ties, so that nothing replaces them without evidence.
        """
        ...
