"""Levels: how good arms are that were scored on different numbers of rows."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate

from apo_engine.search.arm import Arm
from apo_engine.search.race import Race

# Row effects and levels are fitted in turns; after this many, levels move by less than half a point.
_SWEEPS = 10


def levels(scores: Sequence[Sequence[float]]) -> list[float]:
    """The level of each arm, given its scores on the first rows of one shared order (each arm on as many as it has).

    The least-squares fit of score = level + effect of the row, by turns (backfitting), so that an arm is judged
    against the others on the rows it has in common with them. An arm without rows stands below all others.
    """
    most = max(map(len, scores), default=0)
    fitted = [_mean(row) for row in scores]
    for _ in range(_SWEEPS):
        effects = [
            _mean([row[at] - level for row, level in zip(scores, fitted, strict=True) if len(row) > at])
            for at in range(most)
        ]
        upto = [0.0, *accumulate(effects)]
        typical = upto[-1] / max(most, 1)
        fitted = [_mean(row) - upto[len(row)] / max(len(row), 1) + typical for row in scores]
    # Rounded, so that arms of the same evidence are equal and the earlier one wins.
    return [round(level, 9) if row else float("-inf") for level, row in zip(fitted, scores, strict=True)]


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values) if values else 0.0


def levels_of(race: Race, arms: Sequence[Arm]) -> dict[str, float]:
    """The level of each arm by id; for a metric that is no mean of rows, its figure on its own rows."""
    if not race.additive:
        return {arm.id: race.figure(arm, len(race.rows)) for arm in arms}
    fitted = levels([race.scores(arm) for arm in arms])
    return {arm.id: level for arm, level in zip(arms, fitted, strict=True)}


def ranked_by_level(race: Race, arms: Sequence[Arm]) -> list[Arm]:
    """Each arm once, best first; of equals, the earlier one."""
    arms = list({arm.id: arm for arm in arms}.values())
    level = levels_of(race, arms)
    return sorted(arms, key=lambda arm: -level[arm.id])
