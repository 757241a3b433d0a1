"""Nothing waits for an answer that it does not need; nothing is left running when a race ends."""

from __future__ import annotations

import asyncio
import math
from typing import get_args

import pytest

from apo_engine.evaluation.evaluator import silent
from apo_engine.problems import BudgetError, ModelError, Problem
from apo_engine.scoring.metric import make_metric
from apo_engine.search.race import Race
from apo_engine.search.selection import selector
from apo_engine.settings import Selection
from tests.engine.search.selection.timed_scorer import TimedScorer, family, rows

ROWS = 30
ARMS = family(8)
# Arm i is right on i rows in each ten: far from one another, so that one row decides little.
TABLE = [[float(n % 10 < i) for n in range(ROWS)] for i in range(len(ARMS))]
HALVES = selector("successive-halving")


def first_rows(scorer: TimedScorer, arm: int) -> int:
    return sum(number == arm for number, _ in scorer.calls)


async def test_a_straggler_of_an_arm_that_is_out_is_not_waited_for() -> None:
    scorer = TimedScorer(ARMS, TABLE, lambda i, n: 1000.0 if (i, n) == (0, 3) else 1.0)
    race = Race(scorer, rows(ROWS))
    best = await scorer.run(HALVES.select(race, ARMS, 1, 120, silent))
    assert best == [ARMS[7]]
    assert scorer.now < 10
    assert race.known(ARMS[0]) == 3
    await scorer.run(race.settled())
    assert scorer.now == 1000
    assert race.known(ARMS[0]) == first_rows(scorer, 0)


async def test_sure_survivors_go_on_while_the_cut_is_open() -> None:
    # Arms 3 and 4 stand at the cut, and the answer that tells them apart is late.
    table = [list(scores) for scores in TABLE]
    table[3] = [1.0 if n == 0 else score for n, score in enumerate(TABLE[4])]
    scorer = TimedScorer(ARMS, table, lambda i, n: 50.0 if (i, n) == (3, 2) else 1.0)
    race = Race(scorer, rows(ROWS))
    task = asyncio.ensure_future(HALVES.select(race, ARMS, 1, 120, silent))
    await scorer.rests(task)
    entry = first_rows(scorer, 7)
    scorer.step()
    assert not await scorer.rests(task)
    assert first_rows(scorer, 7) > entry
    assert first_rows(scorer, 4) == entry
    while not await scorer.rests(task):
        scorer.step()
    assert task.result() == [ARMS[7]]


async def test_a_figure_that_is_no_mean_waits_for_its_rows() -> None:
    scorer = TimedScorer(
        ARMS, TABLE, lambda i, n: 90.0 if (i, n) == (0, 3) else 1.0, metric=make_metric("f1", ("no", "yes"))
    )
    best = await scorer.run(HALVES.select(Race(scorer, rows(ROWS)), ARMS, 1, 120, silent))
    assert best == [ARMS[7]]
    assert scorer.now > 90


async def test_waves_are_as_few_as_the_rungs() -> None:
    scorer = TimedScorer(ARMS, TABLE, lambda i, n: 1.0)
    await scorer.run(HALVES.select(Race(scorer, rows(ROWS)), ARMS, 1, 120, silent))
    assert scorer.now <= math.log2(len(ARMS))


@pytest.mark.parametrize("rule", ["successive-halving", "ucb"])
async def test_a_failure_ends_everything_and_is_raised(rule: Selection) -> None:
    failure = ModelError(Problem("model-gone", "The model is gone."))
    scorer = TimedScorer(ARMS, TABLE, lambda i, n: 1.0 + (i + n) % 3, failing={(2, 1): failure})
    race = Race(scorer, rows(ROWS))
    with pytest.raises(ModelError, match="gone"):
        await scorer.run(selector(rule).select(race, ARMS, 1, 120, silent))
    assert scorer.waiting == 0
    asked = len(scorer.calls)
    with pytest.raises(ModelError, match="gone"):
        await race.extend(ARMS, ROWS)
    assert len(scorer.calls) == asked


async def test_a_failure_after_the_choice_is_told_to_the_next_who_waits() -> None:
    scorer = TimedScorer(
        ARMS,
        TABLE,
        lambda i, n: 100.0 * (i + 1) if i < 2 and n > 4 else 1.0,
        failing={(0, 5): BudgetError(Problem("budget-calls", "The cap on calls is reached."))},
    )
    race = Race(scorer, rows(ROWS))
    assert await scorer.run(HALVES.select(race, ARMS, 1, 120, silent)) == [ARMS[7]]
    assert scorer.waiting > 2
    elsewhere = asyncio.ensure_future(asyncio.Event().wait())
    scorer.step()
    assert not await scorer.rests(elsewhere)
    assert scorer.waiting == 0
    elsewhere.cancel()
    with pytest.raises(BudgetError, match="cap"):
        await race.settled()


async def test_of_failures_at_once_that_of_the_earliest_work_is_raised() -> None:
    failing = {(i, 0): ModelError(Problem("gone", f"Arm {i} failed.")) for i in (5, 3, 6)}
    scorer = TimedScorer(ARMS, TABLE, lambda i, n: 1.0, failing=failing)
    with pytest.raises(ModelError, match="Arm 3 failed"):
        await scorer.run(Race(scorer, rows(ROWS)).extend(ARMS, 2))


@pytest.mark.parametrize("rule", ["successive-halving", "ucb"])
async def test_cancelling_leaves_nothing_running(rule: Selection) -> None:
    scorer = TimedScorer(ARMS, TABLE, lambda i, n: 1.0)
    race = Race(scorer, rows(ROWS))
    task = asyncio.ensure_future(selector(rule).select(race, ARMS, 1, 120, silent))
    await scorer.rests(task)
    assert scorer.waiting > 0
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert scorer.waiting == 0


async def test_a_race_that_is_stopped_lets_go_of_stragglers_and_of_those_who_wait() -> None:
    scorer = TimedScorer(ARMS, TABLE, lambda i, n: 1.0)
    race = Race(scorer, rows(ROWS))
    waiting = asyncio.ensure_future(race.extend(ARMS, 3))
    await scorer.rests(waiting)
    await race.stop()
    assert scorer.waiting == 0
    with pytest.raises(asyncio.CancelledError):
        await waiting


async def test_extend_does_not_wait_for_the_stragglers_of_others() -> None:
    scorer = TimedScorer(ARMS, TABLE, lambda i, n: 100.0 if i == 0 else 1.0)
    race = Race(scorer, rows(ROWS))
    race.begin([ARMS[0]], ROWS)
    await scorer.run(race.extend([ARMS[1]], 5))
    assert scorer.now == 1
    assert race.ranked([ARMS[1]]) == [ARMS[1]]


@pytest.mark.parametrize("rule", get_args(Selection))
async def test_a_selection_does_not_wait_for_arms_that_are_not_in_it(rule: Selection) -> None:
    scorer = TimedScorer(ARMS, TABLE, lambda i, n: 1000.0 if i == 0 else 1.0)
    race = Race(scorer, rows(ROWS))
    race.begin([ARMS[0]], 4)
    await scorer.run(selector(rule).select(race, ARMS[1:], 2, 120, silent))
    assert scorer.now < 100
