"""Selection: exact budgets, one nested order, and no change without evidence."""

from __future__ import annotations

import hashlib

from hypothesis import given, settings
from hypothesis import strategies as st

from apo_engine.search.arm import Arm, child_arm, seed_arm
from apo_engine.search.race import Race
from apo_engine.search.selection.halving import SuccessiveHalving, affordable
from tests.engine.table_model import TableModel, evaluator, prompt, row

ROWS = tuple(row(n) for n in range(40))


def chance(*parts: str) -> float:
    return int.from_bytes(hashlib.sha256("/".join(parts).encode()).digest()[:6], "big") / 2**48


def family(count: int) -> list[Arm]:
    seed = seed_arm(prompt("Quality 50."))
    return [seed, *(child_arm(seed, prompt(f"Quality {41 + 5 * n}."), "edit", 1) for n in range(1, count))]


def by_quality(system: str, user: str) -> str:
    quality = int(system.split("Quality ")[1].split(".", maxsplit=1)[0]) / 100
    return "yes" if chance(user) < quality else "no"


def ignore() -> None:
    return None


@settings(deadline=None, max_examples=40)
@given(st.integers(1, 10), st.integers(1, 4), st.integers(0, 300))
async def test_no_call_beyond_the_budget_and_rows_stay_nested(count: int, keep: int, budget: int) -> None:
    model = TableModel(by_quality)
    race = Race(evaluator(model), ROWS)
    arms = family(count)
    best = await SuccessiveHalving().select(race, arms, keep, budget, ignore)
    assert len(model.requests) <= budget
    assert len(best) == min(keep, count)
    for arm in arms:
        asked = [
            request.messages[-1].content.strip()
            for request in model.requests
            if arm.prompt.text.splitlines()[1] in request.messages[0].content
        ]
        assert set(asked) == {example.inputs["text"] for example in ROWS[: len(asked)]}


async def test_evidence_is_never_bought_twice() -> None:
    model = TableModel(by_quality)
    race = Race(evaluator(model), ROWS)
    await SuccessiveHalving().select(race, family(6), 2, 100, ignore)
    first = len(model.requests)
    await SuccessiveHalving().select(race, family(6), 2, 400, ignore)
    keys = [tuple(message.content for message in request.messages) for request in model.requests]
    assert len(keys) == len(set(keys))
    assert first < len(keys)


async def test_the_best_arm_is_found_with_enough_calls() -> None:
    race = Race(evaluator(TableModel(by_quality)), ROWS)
    arms = family(8)
    best = await SuccessiveHalving().select(race, arms, 1, 320, ignore)
    assert best[0].id == arms[-1].id


async def test_the_incumbent_stays_without_evidence() -> None:
    race = Race(evaluator(TableModel(lambda system, user: "yes")), ROWS)
    arms = family(5)
    for budget in (0, 3, 200):
        assert (await SuccessiveHalving().select(race, arms, 1, budget, ignore))[0].id == arms[0].id


@given(st.integers(0, 500))
def test_affordable_is_the_most_rows_within_the_budget(budget: int) -> None:
    race = Race(evaluator(TableModel(by_quality)), ROWS)
    arms = family(4)
    n = affordable(race, arms, budget)
    assert race.cost(arms, n) <= budget
    assert n == len(ROWS) or race.cost(arms, n + 1) > budget
