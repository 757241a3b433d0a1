"""Levels do not mistake hard rows for a bad arm."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pytest import approx

from apo_engine.scoring.metric import make_metric
from apo_engine.search.race import Race
from apo_engine.search.selection.levels import levels, ranked_by_level
from tests.engine.search.selection.timed_scorer import TimedScorer, family, rows


def test_an_arm_is_judged_on_the_rows_it_shares() -> None:
    easy_then_hard = [1.0] * 10 + [0.0] * 10
    level = levels([easy_then_hard, easy_then_hard[:10]])
    assert level[0] == approx(level[1], abs=0.005)


def test_the_better_of_a_pair_stands_above_however_many_rows_each_has() -> None:
    deep = [1.0, 0.0, 1.0, 0.0] * 2 + [1.0] * 12
    shallow = [1.0, 1.0, 1.0, 0.0] * 2
    level = levels([deep, shallow])
    assert level[1] > level[0]


@given(st.lists(st.lists(st.sampled_from([0.0, 0.5, 1.0]), min_size=6, max_size=6), min_size=1, max_size=5))
def test_on_equal_rows_the_level_is_the_mean(scores: list[list[float]]) -> None:
    assert levels(scores) == approx([sum(row) / 6 for row in scores])


def test_without_rows_there_is_no_level() -> None:
    assert levels([[], [0.0]]) == [float("-inf"), 0.0]


@pytest.mark.parametrize("metric", ["label", "f1"])
async def test_arms_are_ranked_by_level_each_once_and_the_earlier_of_equals_first(metric: str) -> None:
    arms = family(3)
    table = [[1.0, 0.0, 1.0, 0.0], [1.0, 1.0, 1.0, 0.0], [1.0, 0.0, 1.0, 0.0]]
    race = Race(TimedScorer(arms, table, metric=make_metric(metric, ("no", "yes"))), rows(4))
    await race.extend(arms, 4)
    assert ranked_by_level(race, [arms[2], *arms, arms[1]]) == [arms[1], arms[2], arms[0]]
