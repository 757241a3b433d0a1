"""The frame of a search in rounds: how many there are, what each may cost, when they end, and the last word after them.

Every optimizer works within it, so that they differ in how they propose and in nothing else.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Protocol

from apo_engine.evaluation.evaluator import Tick
from apo_engine.search.arm import Arm
from apo_engine.search.events import RoundEnded, Standing, Stopped
from apo_engine.search.optimizer import Found
from apo_engine.search.pool import Pool
from apo_engine.search.proposer import Enter
from apo_engine.search.race import affordable
from apo_engine.search.selection import Selector
from apo_engine.search.selection.levels import ranked_by_level
from apo_engine.search.task import SearchTask

# More calls buy more rounds, and larger ones: many small steps find more than few large ones, but the
# smaller the gains that are left, the more rows it takes to tell them.
_ROUNDS, _ROUNDS_POWER = 0.113, 0.58
# A child is scored on this share of a round's calls as soon as it exists, on no fewer rows than these: large rounds
# come with large budgets, and what is left to gain at their end is small.
_FIRST_SHARE, FEWEST_FIRST = 1 / 8, 8
# The last word among the finalists is had on at least this share of the selection rows.
_FINALISTS, _FINAL_SHARE = 3, 0.2


class InRounds(Protocol):
    """A search that goes on in rounds."""

    @property
    def beam(self) -> Sequence[Arm]:
        """The prompts in the race, best first; never empty."""
        ...

    async def round(self, number: int, calls: int) -> str | None:
        """The next round, counted from 1, within ``calls``; why no further one can find anything, or None."""
        ...


async def in_rounds(task: SearchTask, pool: Pool, search: InRounds) -> Found:
    """Rounds, until there are no more calls, no more to find, or no more progress; then the last word.

    Raises as the rounds do.
    """
    settings = task.settings
    planned = max(
        1, min(settings.rounds, round(_ROUNDS * (_for_rounds(task) / task.evaluator.calls_per_row) ** _ROUNDS_POWER))
    )
    stale = 0
    for number in range(1, planned + 1):
        before = pool.best
        nothing_left = await search.round(number, _for_rounds(task) // (planned - number + 1))
        if nothing_left is not None:
            return await _last_word(task, pool, search.beam, "no-failures", nothing_left)
        stale = stale + 1 if pool.best.id == before.id else 0
        if stale >= settings.patience:
            reason = f"{stale} rounds found nothing better"
            return await _last_word(task, pool, search.beam, "no-progress", reason)
    reason = f"all {planned} rounds are done"
    if planned < settings.rounds:
        reason = f"the cap on calls allows {planned} of {settings.rounds} rounds"
    return await _last_word(task, pool, search.beam, "finished", reason)


def first_rows(task: SearchTask, calls: int) -> int:
    """The selection rows that a child is scored on as soon as it exists, in a round of so many calls."""
    return max(FEWEST_FIRST, int(_FIRST_SHARE * calls) // task.evaluator.calls_per_row)


def first_cost(task: SearchTask, rows: int) -> int:
    """Calls that score a prompt that nothing is known of on its first selection rows."""
    return task.evaluator.cost_of_new(task.race.rows[:rows])


def affordable_children(task: SearchTask, calls: int, other: int, child: int) -> int:
    """How many children of ``child`` calls each a round of ``calls`` has room for beside ``other`` calls.

    The only child may take more than a round's share, but not more than there is.
    """
    count = max(0, calls - other) // child
    return count or int(other + child <= task.allowance.remaining())


async def compare(
    task: SearchTask, selector: Selector, beam: list[Arm], budget: int, rows: int, tick: Tick
) -> list[Arm]:
    """The prompts in the race, told apart within a budget: as many as the beam is wide are kept.

    The first alone has nobody to be compared with; it is scored on its first ``rows``.
    """
    if len(beam) > 1:
        return await selector.select(task.race, beam, task.settings.beam, budget, tick)
    await task.race.extend(beam, min(rows, affordable(task.race, beam, budget)), tick)
    return beam


def rank(task: SearchTask, pool: Pool, number: int, arms: Sequence[Arm]) -> list[Arm]:
    """End a round: the arms, best first. The first of them is the pool's best from now on."""
    race = task.race
    ranked = ranked_by_level(race, arms)
    pool.best = ranked[0]
    n = min(race.known(arm) for arm in ranked)
    standings = tuple(Standing(arm.id, race.figure(arm, n), n) for arm in ranked[: task.settings.beam])
    task.reporter.emit(RoundEnded(number, standings, task.reporter.spent()))
    return ranked


def entry(task: SearchTask, pool: Pool, rows: int, tick: Tick) -> Enter:
    """Scores a child on its first selection rows as soon as it exists, if it may enter the pool."""

    async def enter(arm: Arm) -> None:
        if pool.refusal(arm) is None:
            await task.race.extend([arm], rows, tick)

    return enter


async def flawless(task: SearchTask, pool: Pool, tick: Tick) -> str | None:
    """Why the user's prompt leaves nothing to find, or None. Reads on only as long as every row is answered right."""
    race, seed = task.race, task.seed
    for rows in (FEWEST_FIRST, len(race.rows)):
        if race.cost([seed], rows) > task.allowance.remaining():
            return None
        await race.extend([seed], rows, tick)
        if min(race.scores(seed)) < 1:
            return None
    pool.tell([seed])
    return "every selection row is answered right: no rewrite could do better"


def _for_rounds(task: SearchTask) -> int:
    """Calls for rounds: all but those for the finalists."""
    final = math.ceil(_FINAL_SHARE * len(task.race.rows)) * task.evaluator.calls_per_row
    left = task.allowance.remaining()
    return max(left // 2, left - final)


async def _last_word(task: SearchTask, pool: Pool, beam: Sequence[Arm], stopped: Stopped, reason: str) -> Found:
    """The end of a search: the finalists meet on as many selection rows as can be had."""
    race = task.race
    finalists = ranked_by_level(race, [pool.best, *beam])[:_FINALISTS]
    if len(finalists) > 1:
        n = affordable(race, finalists, task.allowance.remaining())
        tick = task.reporter.phase("Comparing the finalists", race.cost(finalists, n))
        await race.extend(finalists, n, tick)
        pool.tell(finalists)
        pool.best = ranked_by_level(race, finalists)[0]
    return pool.found(stopped, reason)
