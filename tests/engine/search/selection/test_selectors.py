"""Every selection rule: exact budgets, one nested order, no change without evidence, and no thought of timing."""

from __future__ import annotations

from collections.abc import Sequence
from typing import get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from apo_engine.evaluation.evaluator import silent
from apo_engine.scoring.metric import make_metric
from apo_engine.search.arm import Arm
from apo_engine.search.race import Race, affordable
from apo_engine.search.selection import selector
from apo_engine.settings import Selection
from tests.engine.search.selection.timed_scorer import TimedScorer, family, rows
from tests.engine.table_model import TableModel, evaluator

RULES: tuple[Selection, ...] = get_args(Selection)
ROWS = 24
ARMS = family(9)


@st.composite
def tables(draw: st.DrawFn) -> list[list[float]]:
    """Scores of a few arms, right or wrong, or in between."""
    score = draw(st.sampled_from([st.sampled_from([0.0, 1.0]), st.sampled_from([0.0, 0.1, 0.2, 0.3, 0.7, 1.0])]))
    count = draw(st.integers(1, len(ARMS)))
    return [draw(st.lists(score, min_size=ROWS, max_size=ROWS)) for _ in range(count)]


def latencies(table: Sequence[Sequence[float]]) -> st.SearchStrategy[list[list[int]]]:
    """Some answers take far longer than others."""
    one = st.sampled_from([1, 1, 1, 2, 5, 40])
    return st.lists(st.lists(one, min_size=ROWS, max_size=ROWS), min_size=len(table), max_size=len(table))


def best_of(names: Sequence[Arm]) -> list[int]:
    return [ARMS.index(arm) for arm in names]


@settings(deadline=None, max_examples=150)
@given(tables(), st.sampled_from(RULES), st.integers(1, 4), st.lists(st.integers(0, 150), max_size=3))
async def test_no_call_beyond_the_budget_and_rows_stay_nested(
    table: list[list[float]], rule: Selection, keep: int, budgets: list[int]
) -> None:
    arms = ARMS[: len(table)]
    scorer = TimedScorer(arms, table)
    race = Race(scorer, rows(ROWS))
    for budget in budgets:
        before = len(scorer.calls)
        best = await selector(rule).select(race, arms, keep, budget, silent)
        await race.settled()
        assert len(scorer.calls) - before <= budget
        assert len({arm.id for arm in best}) == min(keep, len(arms))
    assert len(scorer.calls) == len(set(scorer.calls))
    for i, arm in enumerate(arms):
        asked = {row for number, row in scorer.calls if number == i}
        assert asked == set(range(len(asked)))
        assert race.known(arm) == len(asked)


@settings(deadline=None, max_examples=120)
@given(st.data(), tables(), st.sampled_from(RULES), st.integers(1, 4), st.integers(0, 150), st.integers(0, 60))
async def test_choice_and_calls_do_not_depend_on_the_order_of_arrival(
    data: st.DataObject, table: list[list[float]], rule: Selection, keep: int, first: int, second: int
) -> None:
    arms = ARMS[: len(table)]
    metric = make_metric(data.draw(st.sampled_from(["label", "f1"])), ("no", "yes"))

    async def outcome(scorer: TimedScorer) -> tuple[list[list[int]], set[tuple[int, int]]]:
        race = Race(scorer, rows(ROWS))
        chosen = []
        # The second selection begins while answers of the first may still be under way.
        for budget, some in ((first, arms[: len(arms) // 2 + 1]), (second, arms)):
            chosen.append(best_of(await scorer.run(selector(rule).select(race, some, keep, budget, silent))))
        await scorer.run(race.settled())
        assert len(scorer.calls) == len(set(scorer.calls))
        return chosen, set(scorer.calls)

    at_once = await outcome(TimedScorer(arms, table, metric=metric))
    delays = data.draw(latencies(table))
    width = data.draw(st.sampled_from([None, 4]))
    assert await outcome(TimedScorer(arms, table, lambda i, n: delays[i][n], width=width, metric=metric)) == at_once


@pytest.mark.parametrize("rule", RULES)
async def test_the_budget_is_spent_where_it_is_of_use(rule: Selection) -> None:
    table = [[float((7 * n + 3 * i) % 10 < 4 + i % 3) for n in range(ROWS)] for i in range(len(ARMS))]
    scorer = TimedScorer(ARMS, table)
    await selector(rule).select(Race(scorer, rows(ROWS)), ARMS, 2, 120, silent)
    assert len(scorer.calls) > 120 - len(ARMS)


@pytest.mark.parametrize("rule", RULES)
async def test_the_best_arm_is_found_with_enough_calls(rule: Selection) -> None:
    table = [[float((7 * n + i) % 10 <= i) for n in range(ROWS)] for i in range(len(ARMS))]
    race = Race(TimedScorer(ARMS, table), rows(ROWS))
    best = await selector(rule).select(race, ARMS, 2, ROWS * len(ARMS), silent)
    assert best_of(best)[0] == len(ARMS) - 1


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("budget", [0, 3, 50, 500])
async def test_the_incumbent_stays_without_evidence(rule: Selection, budget: int) -> None:
    race = Race(TimedScorer(ARMS, [[1.0] * ROWS] * len(ARMS)), rows(ROWS))
    assert best_of(await selector(rule).select(race, ARMS, 3, budget, silent)) == [0, 1, 2]


@pytest.mark.parametrize("rule", RULES)
async def test_evidence_of_earlier_rounds_costs_nothing(rule: Selection) -> None:
    table = [[float((5 * n + i) % 9 <= i) for n in range(ROWS)] for i in range(len(ARMS))]
    scorer = TimedScorer(ARMS, table)
    race = Race(scorer, rows(ROWS))
    await race.extend(ARMS[:4], ROWS)
    best = await selector(rule).select(race, ARMS[:4], 1, 0, silent)
    assert best_of(best) == [3]
    assert len(scorer.calls) == 4 * ROWS


@pytest.mark.parametrize("rule", RULES)
async def test_what_calibration_takes_is_within_the_budget(rule: Selection) -> None:
    class Calibrated(TimedScorer):
        """Asks for two more rows before an arm's first."""

        def cost(self, prompt, rows):  # type: ignore[no-untyped-def]
            first = bool(rows) and not self.known(prompt, rows[:1])
            return super().cost(prompt, rows) + 2 * first

        async def score(self, prompt, rows, tick=silent):  # type: ignore[no-untyped-def]
            self.extra += 2 * (not self.known(prompt, rows[:1]) and rows[0].line == 0)
            return await super().score(prompt, rows, tick)

        extra = 0

    table = [[float((7 * n + i) % 10 <= i) for n in range(ROWS)] for i in range(len(ARMS))]
    for budget in (0, 5, 30, 31, 90, 200):
        scorer = Calibrated(ARMS, table)
        await selector(rule).select(Race(scorer, rows(ROWS)), ARMS, 2, budget, silent)
        assert len(scorer.calls) + scorer.extra <= budget


@pytest.mark.parametrize("rule", RULES)
async def test_through_the_evaluator_and_the_gateway(rule: Selection) -> None:
    model = TableModel(lambda system, user: "yes" if int(user.split()[1]) % 9 <= int(system.split()[1][0]) else "no")
    race = Race(evaluator(model, calls=100), rows(ROWS))
    ticks: list[None] = []
    best = await selector(rule).select(race, ARMS, 2, 100, lambda: ticks.append(None))
    await race.settled()
    assert best_of(best)[0] == 8
    assert 90 < len(model.requests) <= 100
    assert len(ticks) == len(model.requests)


@given(st.integers(0, 300), st.lists(st.integers(0, ROWS), min_size=4, max_size=4))
async def test_affordable_is_the_most_rows_within_the_budget(budget: int, known: list[int]) -> None:
    race = Race(TimedScorer(ARMS, [[1.0] * ROWS] * 4), rows(ROWS))
    for arm, n in zip(ARMS, known, strict=False):
        await race.extend([arm], n)
    arms = ARMS[:4]
    n = affordable(race, arms, budget)
    assert race.cost(arms, n) <= budget
    assert n == ROWS or race.cost(arms, n + 1) > budget
