"""The evaluator asks each pair of prompt and row once, in order, and stops cleanly."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Callable, Collection, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apo_engine.evaluation.evaluator import Evaluator
from apo_engine.evaluation.fanout import fan_out
from apo_engine.examples.example import Example
from apo_engine.models.chat import ChatRequest, Completion, LabelScores, Message, Usage
from apo_engine.problems import BudgetError, ModelError, Problem
from apo_engine.scoring.judgement import Judgement
from apo_engine.scoring.metric import make_metric
from tests.engine.table_model import TableModel, evaluator, gateway, prompt, row


class GatedModel(TableModel):
    """Answers a row when its gate is opened; ``failing`` rows fail instead."""

    def __init__(self, failing: Collection[int] = ()) -> None:
        super().__init__(lambda system, user: "yes")
        self.failing = {f"row {number}" for number in failing}
        self.gates: defaultdict[str, asyncio.Event] = defaultdict(asyncio.Event)
        self.cancelled = 0
        self.awaited = 0
        self.reached = asyncio.Event()

    async def complete(self, request: ChatRequest) -> Completion:
        user = request.messages[-1].content.strip()
        try:
            answer = await super().complete(request)
            if len(self.requests) == self.awaited:
                self.reached.set()
            await self.gates[user].wait()
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        if user in self.failing:
            raise ModelError(Problem("down", f"{user} fails"))
        return answer

    async def asked(self, number: int) -> None:
        """Wait until so many requests have come in all."""
        if len(self.requests) < number:
            self.awaited = number
            await self.reached.wait()

    def open(self, *numbers: int) -> None:
        for number in numbers:
            self.gates[f"row {number}"].set()


class WeighingModel(TableModel):
    """Scores labels; counts how often it is asked."""

    def __init__(self) -> None:
        super().__init__(lambda system, user: "")
        self.weighed = 0

    async def score_labels(self, messages: Sequence[Message], labels: Sequence[str]) -> LabelScores:
        self.weighed += 1
        await asyncio.sleep(0)
        return LabelScores({label: 1.0 / (1 + place) for place, label in enumerate(labels)}, Usage(1, 0))


class Doubling:
    """A grader that takes three calls per row, and says half a point."""

    calls = 3

    async def open(self) -> None: ...

    async def grade(self, row: Example, answer: str) -> Judgement:
        return Judgement(0.5, answer, marks=(0.25, 0.75), remark=f"so {row.expected}")

    async def close(self) -> None: ...


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


async def test_a_row_under_way_is_one_logical_call_for_all_who_wait() -> None:
    model = GatedModel()
    door = gateway(model)
    scorer = Evaluator(door, make_metric("label", ("yes", "no")), labels=("yes", "no"))
    rows = [row(n) for n in range(4)]
    ticks = [0, 0]

    def ticker(which: int) -> Callable[[], None]:
        def tick() -> None:
            ticks[which] += 1

        return tick

    one = asyncio.ensure_future(scorer.score(prompt(), rows[:3], ticker(0)))
    two = asyncio.ensure_future(scorer.score(prompt(), rows[1:], ticker(1)))
    await model.asked(4)
    assert scorer.cost(prompt(), rows) == 0
    assert scorer.known(prompt(), rows) == ()
    model.open(*range(4))
    first, second = await asyncio.gather(one, two)
    assert first[1:] == second[:2]
    assert door.budget.spent.calls == {"task": 4}
    assert door.budget.spent.cached == 0
    assert ticks == [3, 3]


async def test_a_cancelled_caller_leaves_shared_rows_to_the_others_and_ends_its_own() -> None:
    model = GatedModel()
    scorer = evaluator(model)
    rows = [row(n) for n in range(3)]
    one = asyncio.ensure_future(scorer.score(prompt(), rows[:2]))
    two = asyncio.ensure_future(scorer.score(prompt(), rows[1:]))
    await model.asked(3)
    one.cancel()
    with pytest.raises(asyncio.CancelledError):
        await one
    assert model.cancelled == 1
    assert scorer.cost(prompt(), rows) == 1
    model.open(0, 1, 2)
    assert [result.row for result in await two] == ["r001", "r002"]
    assert len(model.requests) == 3
    assert (await scorer.score(prompt(), rows))[0].score == 1.0
    assert len(model.requests) == 4


async def test_a_failing_row_fails_all_who_wait_and_is_asked_anew_afterwards() -> None:
    model = GatedModel(failing=[1, 2])
    scorer = evaluator(model)
    rows = [row(n) for n in range(4)]
    one = asyncio.ensure_future(scorer.score(prompt(), rows[:3]))
    two = asyncio.ensure_future(scorer.score(prompt(), rows[1:]))
    await model.asked(4)
    model.open(0, 1)
    for waiting in (one, two):
        with pytest.raises(ModelError, match="row 1 fails"):
            await waiting
    # Rows 2 and 3 were waited for by nobody any more.
    assert model.cancelled == 2
    assert len(scorer.known(prompt(), rows)) == 1
    model.failing.clear()
    model.open(2, 3)
    assert all(result.score == 1.0 for result in await scorer.score(prompt(), rows))


@given(st.data())
async def test_whoever_asks_and_whoever_leaves_each_row_is_asked_once(data: st.DataObject) -> None:
    model = GatedModel()
    scorer = evaluator(model)
    rows = [row(n) for n in range(5)]
    wanted = data.draw(st.lists(st.sets(st.integers(0, 4), min_size=1), min_size=1, max_size=4))
    leaving = data.draw(st.sets(st.integers(0, len(wanted) - 1), max_size=len(wanted) - 1))
    tasks = [asyncio.ensure_future(scorer.score(prompt(), [rows[n] for n in sorted(some)])) for some in wanted]
    await model.asked(len(set().union(*wanted)))
    for number in leaving:
        tasks[number].cancel()
    outcomes = asyncio.gather(*tasks, return_exceptions=True)
    model.open(*range(5))
    for number, outcome in enumerate(await outcomes):
        if number in leaving:
            assert isinstance(outcome, asyncio.CancelledError)
        else:
            assert [result.row for result in outcome] == [rows[n].id for n in sorted(wanted[number])]
    assert len(model.requests) == len(set().union(*wanted))
    kept = set().union(*(some for number, some in enumerate(wanted) if number not in leaving))
    assert scorer.cost(prompt(), [rows[n] for n in sorted(kept)]) == 0


async def test_calibration_rows_and_scored_rows_share_their_calls() -> None:
    model = WeighingModel()
    rows = [row(n) for n in range(6)]
    labels = ("yes", "no")
    scorer = Evaluator(gateway(model), make_metric("label", labels), labels=labels, calibration=rows[:3])
    assert scorer.cost(prompt(), rows[2:]) == 6
    await asyncio.gather(scorer.score(prompt(), rows[2:]), scorer.score(prompt(), rows[4:]))
    assert model.weighed == 6
    assert scorer.cost(prompt(), rows) == 0


async def test_what_judging_takes_is_part_of_the_cost_and_what_it_says_of_the_result() -> None:
    scorer = Evaluator(gateway(TableModel(lambda system, user: "hm")), make_metric("judge", ()), grader=Doubling())
    rows = [row(n) for n in range(3)]
    assert (scorer.cost(prompt(), rows), scorer.cost_of_new(rows)) == (12, 12)
    (result, *_) = await scorer.score(prompt(), rows[:1])
    assert (result.score, result.marks, result.remark) == (0.5, (0.25, 0.75), "so yes")
    assert scorer.cost(prompt(), rows) == 8
    with pytest.raises(ValueError, match="needs a grader"):
        Evaluator(gateway(TableModel(lambda system, user: "hm")), make_metric("judge", ()))
