"""Whose children a round makes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from random import Random
from typing import Any

from apo_engine.runs.desk import Desk
from apo_engine.search.apo import ApoSearch
from apo_engine.search.draws import draw
from apo_engine.search.optimizer import Optimizer
from apo_engine.search.pool import Pool
from apo_engine.search.selection import selector
from apo_engine.search.task import SearchTask
from benchmarks.in_process import Build

# Of (row scores by arm, best arm first) and how many at most, the parents by their place.
Choose = Callable[[Sequence[Sequence[float]], int, Random], list[int]]


def chosen(choose: Choose, count: int | None = None) -> Build:
    """The parents of a round are chosen by their scores on the rows that all of the race have in common.

    ``count`` of them, where the race has as many; None leaves the number to the engine. The round's calls stay the
    same: more parents have fewer children each.
    """

    class Chosen(ApoSearch):
        def _step(self, allowance: int) -> Any:
            task, beam, step = self._task, self._beam, super()._step(allowance)
            if not step.parents:
                return step
            n = min(len(task.race.scores(arm)) for arm in beam)
            scores = [task.race.scores(arm)[:n] for arm in beam]
            rng = draw(task.seed_number, "parents", self._next_row, n, len(beam))
            arms = tuple(beam[at] for at in choose(scores, min(count or len(step.parents), len(beam)), rng))
            per_row = task.evaluator.calls_per_row
            reading = step.reading * len(step.parents) // len(arms)
            each = (step.reading * per_row + step.each) * len(step.parents) // len(arms) - reading * per_row
            if not self._children(each, step.first):
                return replace(step, parents=arms[: len(step.parents)])
            return replace(step, parents=arms, reading=reading, each=each)

    def build(desk: Desk, task: SearchTask, pool: Pool) -> Optimizer:
        proposer, fallback = desk.proposers(task.settings)
        return Chosen(task, pool, proposer, fallback, selector(task.settings.selection))

    return build


def leading(scores: Sequence[Sequence[float]], count: int, rng: Random) -> list[int]:
    """Those that rank first, as in the engine."""
    return list(range(count))


def by_front(scores: Sequence[Sequence[float]], count: int, rng: Random) -> list[int]:
    """Drawn by how many rows each is best on, of those that no other makes superfluous (GEPA, arXiv 2507.19457)."""
    fronts = [{at for at, score in enumerate(row) if score == max(row)} for row in zip(*scores, strict=True)]
    needed = set(range(len(scores)))
    for at in sorted(needed, key=lambda at: (sum(scores[at]), -at)):
        if all(front & needed != {at} for front in fronts):
            needed.remove(at)
    weights = Counter(at for front in fronts for at in sorted(front & needed)) or Counter({0: 1})
    chosen: list[int] = []
    while len(chosen) < count and weights:
        (at,) = rng.choices(list(weights), list(weights.values()))
        chosen.append(at)
        del weights[at]
    return chosen


def complementing(scores: Sequence[Sequence[float]], count: int, rng: Random) -> list[int]:
    """The first, then those that do most on rows that the ones before fail."""
    chosen = [0]
    while len(chosen) < count:
        best = [max(row) for row in zip(*(scores[at] for at in chosen), strict=True)]
        rest = [at for at in range(len(scores)) if at not in chosen]
        chosen.append(
            max(rest, key=lambda at: (sum(max(0, s - b) for s, b in zip(scores[at], best, strict=True)), -at))
        )
    return chosen
