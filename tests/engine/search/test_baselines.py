"""What holds for both baselines: exact budgets, one nested row order, no repeats, no thought of timing."""

from __future__ import annotations

import asyncio
import hashlib
from typing import get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from apo_engine.models.chat import ChatRequest
from apo_engine.problems import BudgetError
from apo_engine.search.events import CandidateProposed, CandidateScored, RoundEnded, RoundStarted
from apo_engine.settings import Selection
from tests.engine.search.baselines import WORLD, Baseline, baseline
from tests.engine.search.in_process import HOLDOUT, Pause, kind
from tests.scripted.world import World

BOTH: tuple[Baseline, ...] = get_args(Baseline)


def questions(requests: list[ChatRequest]) -> list[tuple[object, ...]]:
    """What an endpoint sees of each request."""
    return [request.messages for request in requests]


@settings(deadline=None, max_examples=25)
@given(st.sampled_from(BOTH), st.integers(57, 900), st.integers(0, 50), st.sampled_from(get_args(Selection)))
async def test_calls_for_the_verdict_are_left_and_nothing_is_asked_twice(
    name: Baseline, calls: int, seed: int, rule: Selection
) -> None:
    search = baseline(name, calls, seed=seed, selection=rule)
    found = await search.run()
    assert search.calls <= calls - 2 * HOLDOUT
    asked = questions(search.model.requests)
    assert len(asked) == len(set(asked)) == search.calls
    assert found.best.id == search.pool.best.id


@pytest.mark.parametrize("name", BOTH)
async def test_most_of_the_calls_are_used(name: Baseline) -> None:
    search = baseline(name, 800)
    await search.run()
    assert search.calls > 0.8 * (800 - 2 * HOLDOUT)


@pytest.mark.parametrize("name", BOTH)
async def test_a_cap_too_small_for_one_step_is_refused_before_anything_is_asked(name: Baseline) -> None:
    search = baseline(name, 2 * HOLDOUT + 10)
    with pytest.raises(BudgetError, match=r"needs [\d,]+ calls"):
        await search.run()
    assert not search.model.requests


@pytest.mark.parametrize("name", BOTH)
async def test_the_order_of_answers_changes_nothing(name: Baseline) -> None:
    def jitter(salt: str) -> Pause:
        async def pause(request: ChatRequest) -> None:
            digest = hashlib.sha256(f"{salt}{request.messages}".encode()).digest()
            for _ in range(digest[0] % 23):
                await asyncio.sleep(0)

        return pause

    runs = [
        baseline(name, 700),
        baseline(name, 700, pause=jitter("a")),
        baseline(name, 700, pause=jitter("b"), width=3),
    ]
    for run in runs:
        await run.run()
    assert runs[0].transcript == runs[1].transcript == runs[2].transcript


@pytest.mark.parametrize("name", BOTH)
async def test_another_seed_is_another_search_only_where_it_draws(name: Baseline) -> None:
    runs = [baseline(name, 500, seed=seed) for seed in (1, 2)]
    for run in runs:
        await run.run()
    assert (runs[0].transcript == runs[1].transcript) is (name == "monte-carlo")


@pytest.mark.parametrize("name", BOTH)
async def test_every_candidate_is_scored_on_the_first_rows_of_one_order_and_never_on_critique_rows(
    name: Baseline,
) -> None:
    search = baseline(name, 800)
    await search.run()
    order = [row.id for row in search.task.rows.selection]
    seen: dict[str, list[str]] = {}
    for event in search.told(CandidateScored):
        assert event.part == "selection"
        seen.setdefault(event.candidate, []).extend(result.row for result in event.results)
    proposed = {event.candidate.id for event in search.told(CandidateProposed)}
    assert proposed <= set(seen)
    assert len(proposed) > 10
    for rows in seen.values():
        assert rows == order[: len(rows)]
        assert len(rows) >= 8


@pytest.mark.parametrize("name", BOTH)
async def test_rounds_are_told_and_ranked(name: Baseline) -> None:
    search = baseline(name, 800)
    await search.run()
    started, ended = search.told(RoundStarted), search.told(RoundEnded)
    assert [event.round for event in started] == [event.round for event in ended] == [*range(1, len(ended) + 1)]
    assert len(ended) > 2
    assert all(1 <= len(event.beam) <= search.task.settings.beam for event in ended)


@pytest.mark.parametrize("name", BOTH)
async def test_it_finds_what_wording_alone_can_gain(name: Baseline) -> None:
    search = baseline(name, 1500)
    found = await search.run()
    rows = search.task.rows.selection
    gain = search.task.compared(found.best, rows)
    assert gain is not None
    assert gain.difference > 0.02
    assert found.best.id != search.task.seed.id


@pytest.mark.parametrize("name", BOTH)
async def test_a_prompt_without_a_failure_is_left_alone(name: Baseline) -> None:
    search = baseline(name, 800, World(200, guess=1.0, ceiling=1.0, wording=0.0))
    found = await search.run()
    assert found.stopped == "no-failures"
    assert found.best.id == search.task.seed.id
    assert {kind(request) for request in search.model.requests} == {"task"}
    assert search.calls == len(search.task.rows.selection)


@pytest.mark.parametrize("name", BOTH)
async def test_answers_that_cannot_be_used_end_in_the_users_own_prompt(name: Baseline) -> None:
    search = baseline(
        name, 800, script=lambda request: WORLD.script(request).replace("<new-", "<no-").replace("</new-", "</no-")
    )
    found = await search.run()
    assert name == "phrase-rl" or found.best.id == search.task.seed.id
    made = {event.candidate.operator for event in search.told(CandidateProposed)}
    assert not made & {"paraphrase", "phrase-paraphrase"}
