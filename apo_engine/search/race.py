"""The race: arms scored on one shared, nested order of selection rows, so that any two compare row by row."""

from __future__ import annotations

from collections.abc import Sequence

from apo_engine.evaluation.evaluator import Evaluator, Tick, judged, silent
from apo_engine.evaluation.fanout import fan_out
from apo_engine.examples.example import Example
from apo_engine.search.arm import Arm


class Race:
    """Evidence on selection rows. It accumulates over rounds: a row once scored is never scored again."""

    def __init__(self, evaluator: Evaluator, rows: Sequence[Example]) -> None:
        self.rows = tuple(rows)
        self._evaluator = evaluator

    def known(self, arm: Arm) -> int:
        """How many rows, from the first on, the arm is scored on."""
        return len(self._evaluator.known(arm.prompt, self.rows))

    def cost(self, arms: Sequence[Arm], n: int) -> int:
        """Calls that scoring these arms on the first ``n`` rows would take now."""
        return sum(self._evaluator.cost(arm.prompt, self.rows[:n]) for arm in arms)

    async def extend(self, arms: Sequence[Arm], n: int, tick: Tick = silent) -> None:
        """Score the arms on the first ``n`` rows."""
        await fan_out(self._evaluator.score(arm.prompt, self.rows[:n], tick) for arm in arms)

    def figure(self, arm: Arm, n: int) -> float:
        """The metric on the first ``n`` rows, or on those known where they are fewer."""
        return self._evaluator.metric.total(judged(self._evaluator.known(arm.prompt, self.rows[:n])))

    def ranked(self, arms: Sequence[Arm]) -> list[Arm]:
        """Best first, on the rows that all of them are scored on; of equals, the earlier one."""
        n = min((self.known(arm) for arm in arms), default=0)
        return sorted(arms, key=lambda arm: -self.figure(arm, n))
