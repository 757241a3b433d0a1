"""What a prompt's length costs it."""

from __future__ import annotations

from dataclasses import replace

from apo_engine.prompt.edit import tunable_text
from apo_engine.runs.desk import Desk
from apo_engine.search.arm import Arm
from apo_engine.search.optimizer import Optimizer
from apo_engine.search.pool import Pool
from apo_engine.search.race import Race, RowScorer
from apo_engine.search.task import SearchTask
from benchmarks.in_process import Build


def penalised(per_length: float) -> Build:
    """Every score is lowered by this times the prompt's length over the seed's (CAPO, arXiv 2504.16005)."""

    class Penalised(Race):
        def __init__(self, evaluator: RowScorer, seed: Arm, race: Race) -> None:
            super().__init__(evaluator, race.rows)
            self._length = len(tunable_text(seed.prompt))

        def _penalty(self, arm: Arm) -> float:
            return per_length * (len(tunable_text(arm.prompt)) / self._length - 1)

        def scores(self, arm: Arm) -> list[float]:
            penalty = self._penalty(arm)
            return [score - penalty for score in super().scores(arm)]

        def bounds(self, arm: Arm, n: int) -> tuple[float, float]:
            least, most = super().bounds(arm, n)
            penalty = self._penalty(arm)
            return least - penalty, most - penalty

    def build(desk: Desk, task: SearchTask, pool: Pool) -> Optimizer:
        # The pool keeps the plain race: whether anything beats the seed at all takes no account of length.
        return desk.search(replace(task, race=Penalised(task.evaluator, task.seed, task.race)), pool)

    return build
