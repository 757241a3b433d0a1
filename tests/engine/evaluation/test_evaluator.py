"""The evaluator asks each pair of prompt and row once, in order, and stops cleanly."""

from __future__ import annotations

import asyncio

import pytest

from apo_engine.evaluation.fanout import fan_out
from apo_engine.problems import BudgetError
from tests.engine.table_model import TableModel, evaluator, prompt, row


async def test_results_stand_in_row_order_with_what_was_read() -> None:
    model = TableModel(lambda system, user: "Yes." if "row 1" in user else "hm")
    results = await evaluator(model).score(prompt(), [row(0), row(1, "no"), row(1 + 9)])
    assert [(r.row, r.predicted, r.score, r.invalid) for r in results] == [
        ("r000", "", 0.0, True),
        ("r001", "yes", 0.0, False),
        ("r010", "yes", 1.0, False),
    ]


async def test_a_row_is_asked_once_however_often_it_is_scored() -> None:
    model = TableModel(lambda system, user: "yes")
    scorer = evaluator(model)
    rows = [row(n) for n in range(6)]
    assert scorer.cost(prompt(), rows) == 6
    await scorer.score(prompt(), rows[:4])
    assert scorer.cost(prompt(), rows) == 2
    await scorer.score(prompt(), rows)
    assert len(model.requests) == 6
    assert len(scorer.known(prompt(), rows)) == 6


async def test_known_is_a_prefix_so_that_pairs_stay_pairs() -> None:
    scorer = evaluator(TableModel(lambda system, user: "yes"))
    rows = [row(n) for n in range(6)]
    await scorer.score(prompt(), [rows[0], rows[1], rows[4]])
    assert [result.row for result in scorer.known(prompt(), rows)] == ["r000", "r001"]


async def test_a_cap_ends_scoring_and_keeps_what_was_answered() -> None:
    scorer = evaluator(TableModel(lambda system, user: "yes"), calls=3)
    rows = [row(n) for n in range(10)]
    with pytest.raises(BudgetError, match="calls"):
        await scorer.score(prompt(), rows)
    assert sum(scorer.cost(prompt(), [one]) == 0 for one in rows) <= 3


async def test_a_failure_leaves_nothing_running() -> None:
    running = 0

    async def work(fail: bool) -> None:
        nonlocal running
        running += 1
        try:
            await asyncio.sleep(0.01 if fail else 30)
            raise RuntimeError("first in order")
        finally:
            running -= 1

    with pytest.raises(RuntimeError, match="first in order"):
        await fan_out([work(False), work(True), work(False)])
    assert running == 0


async def test_a_cancelled_fan_out_cancels_its_work() -> None:
    ended = asyncio.Event()

    async def work() -> None:
        try:
            await asyncio.sleep(30)
        finally:
            ended.set()

    task = asyncio.ensure_future(fan_out([work()]))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert ended.is_set()
