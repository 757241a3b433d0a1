"""What every optimizer promises: a search whose pool holds a result at any moment."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from apo_engine.search.arm import Arm
from apo_engine.search.events import Stopped


@dataclass(frozen=True, slots=True)
class Found:
    """The end of a search: the arm that ranks first on selection rows (the seed where nothing beat it)."""

    best: Arm
    stopped: Stopped
    reason: str


class Optimizer(Protocol):
    """Looks for a better prompt within the rounds and calls of its task, and tells what it does as events.

    It works on a `Pool`, whose ``best`` is what was found so far when the search is interrupted.
    """

    async def run(self) -> Found:
        """Search until rounds, calls, failures or progress end.

        Raises:
            BudgetError: the cap on calls is too small for even one step (before anything is asked), or a cap was hit.
            ModelError: the endpoint fails for good.
        """
        ...
