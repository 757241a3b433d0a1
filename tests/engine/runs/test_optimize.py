"""Whole runs over real HTTP: reproducible, never paid twice, capped, resumable, honest about the hold-out."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Sequence
from pathlib import Path

import pytest
from msgspec.structs import replace

from apo_engine import api
from apo_engine.problems import BudgetError, InputError, ModelError
from apo_engine.search.events import (
    AnyEvent,
    CandidateDiscarded,
    CandidateProposed,
    CandidateScored,
    GradientFound,
    HoldoutOpened,
    Noted,
    Progressed,
    RoundEnded,
    RunEnded,
    RunStarted,
    VerdictReached,
    encode,
)
from tests.scripted import ScriptedServer
from tests.scripted.reply import Reply, hang
from tests.scripted.world import World, kind_of

WORLD = World(240)


def options(server: ScriptedServer, folder: Path, calls: int = 1000, **more: object) -> api.Options:
    environ = {"OPENAI_BASE_URL": server.base_url, "APO_CACHE_DIR": str(folder / "cache")}
    flags = {
        "budget": {"calls": calls},
        **{key: value for key, value in more.items() if key not in ("fresh", "resume")},
    }
    return api.Options(flags=flags, environ=environ, fresh=bool(more.get("fresh")), resume=bool(more.get("resume")))


async def collect(run: api.Run[object]) -> list[AnyEvent]:
    return [event async for event in run]


def told(events: Sequence[AnyEvent]) -> list[bytes]:
    """The events as they are stored, but for progress, the id, clocks, and which of the answers had to be paid for."""
    return [
        re.sub(rb'"(cached|seconds)":[0-9.e-]+|"run":"\w+"', b"", encode(event))
        for event in events
        if not isinstance(event, Progressed)
    ]


@pytest.fixture
def prompt_path(scripted: ScriptedServer, tmp_path: Path) -> Path:
    scripted.script = WORLD.script
    return WORLD.write(tmp_path)


async def test_a_search_finds_a_better_prompt_and_judges_it_on_unseen_rows(
    scripted: ScriptedServer, prompt_path: Path, tmp_path: Path
) -> None:
    prompt = api.load_prompt(prompt_path)
    run = api.optimize(prompt, options(scripted, tmp_path, 2000))
    events = await collect(run)
    found = run.result
    assert isinstance(events[0], RunStarted)
    assert isinstance(events[-1], RunEnded)
    assert found.verdict is not None
    assert found.verdict.decision == "adopt"
    assert WORLD.accuracy(found.best.text) > WORLD.accuracy(found.start.text) + 0.1
    assert found.spent.calls["task"] + found.spent.calls["gradient"] + found.spent.calls["edit"] <= 2000
    assert sum(found.spent.calls.values()) - found.spent.cached == len(scripted.log)
    (opened,) = [event for event in events if isinstance(event, HoldoutOpened)]
    holdout = [event for event in events if isinstance(event, CandidateScored) and event.part == "holdout"]
    assert {event.candidate for event in holdout} == {found.start.id, found.best.id}
    assert all(event.results == () and event.n == opened.n for event in holdout)


async def test_every_candidate_that_is_proposed_is_scored(
    scripted: ScriptedServer, prompt_path: Path, tmp_path: Path
) -> None:
    events = await collect(api.optimize(api.load_prompt(prompt_path), options(scripted, tmp_path)))
    proposed = {event.candidate.id for event in events if isinstance(event, CandidateProposed)}
    scored = {event.candidate: event.n for event in events if isinstance(event, CandidateScored)}
    assert proposed
    assert proposed <= set(scored)
    assert min(scored[candidate] for candidate in proposed) >= 12


async def test_the_three_sets_of_rows_never_mix(scripted: ScriptedServer, prompt_path: Path, tmp_path: Path) -> None:
    events = await collect(api.optimize(api.load_prompt(prompt_path), options(scripted, tmp_path)))
    seen: dict[str, set[str]] = {"critique": set(), "selection": set()}
    for event in events:
        if isinstance(event, CandidateScored) and event.part != "holdout":
            seen[event.part] |= {result.row for result in event.results}
    assert seen["critique"]
    assert seen["selection"]
    assert not seen["critique"] & seen["selection"]
    explained = {row for event in events if isinstance(event, GradientFound) for row in event.gradient.rows}
    assert explained <= seen["critique"]


async def test_the_same_run_again_asks_nothing_and_tells_the_same(
    scripted: ScriptedServer, prompt_path: Path, tmp_path: Path
) -> None:
    prompt = api.load_prompt(prompt_path)
    first = await collect(api.optimize(prompt, options(scripted, tmp_path)))
    asked = len(scripted.log)
    again = await collect(api.optimize(prompt, options(scripted, tmp_path)))
    assert len(scripted.log) == asked

    assert told(again) == told(first)


async def test_no_request_is_ever_made_twice(scripted: ScriptedServer, prompt_path: Path, tmp_path: Path) -> None:
    found = await api.optimize(api.load_prompt(prompt_path), options(scripted, tmp_path))
    bodies = [json.dumps(body, sort_keys=True) for body in scripted.log.bodies]
    assert len(set(bodies)) == len(bodies)
    assert len(bodies) == sum(found.spent.calls.values()) - found.spent.cached


async def test_the_order_of_answers_does_not_change_the_run(
    scripted: ScriptedServer, prompt_path: Path, tmp_path: Path
) -> None:
    prompt = api.load_prompt(prompt_path)
    plain = await collect(api.optimize(prompt, options(scripted, tmp_path / "a", 500)))

    def jittered(request: dict[str, object]) -> Reply:
        return Reply(WORLD.script(request), latency=0.004 * (len(str(request)) % 7))

    scripted.script = jittered
    other = await collect(api.optimize(prompt, options(scripted, tmp_path / "b", 500, concurrency=5)))
    assert told(other) == told(plain)


@pytest.mark.parametrize("calls", [420, 1000])
async def test_no_cap_on_calls_is_ever_passed(
    scripted: ScriptedServer, prompt_path: Path, tmp_path: Path, calls: int
) -> None:
    found = await api.optimize(api.load_prompt(prompt_path), options(scripted, tmp_path, calls))
    assert 0.9 * calls <= sum(found.spent.calls.values()) <= calls
    assert len(scripted.log) <= calls
    assert found.verdict is not None


async def test_a_budget_too_small_for_one_step_is_refused_before_anything_is_asked(
    scripted: ScriptedServer, prompt_path: Path, tmp_path: Path
) -> None:
    with pytest.raises(BudgetError, match=r"needs [\d,]+ calls"):
        await api.optimize(api.load_prompt(prompt_path), options(scripted, tmp_path, 50))
    assert len(scripted.log) == 0


async def test_a_stopped_run_ends_within_a_second_and_goes_on_without_paying_twice(
    scripted: ScriptedServer, prompt_path: Path, tmp_path: Path
) -> None:
    scripted.latency = 0.02
    prompt = api.load_prompt(prompt_path)
    run = api.optimize(prompt, options(scripted, tmp_path))
    loop = asyncio.get_running_loop()
    stopped_at = 0.0
    async for event in run:
        if isinstance(event, CandidateProposed) and not stopped_at:
            run.stop()
            stopped_at = loop.time()
    assert loop.time() - stopped_at < 1.0
    assert run.result.stopped == "cancelled"
    assert run.result.verdict is None
    scripted.latency = 0.0
    stopped_after = len(scripted.log)
    resumed = await api.optimize(prompt, options(scripted, tmp_path, resume=True))
    in_two_goes = len(scripted.log)
    reference = await api.optimize(prompt, options(scripted, tmp_path / "other"))
    in_one_go = len(scripted.log) - in_two_goes
    assert resumed.best.id == reference.best.id
    assert stopped_after < in_one_go
    at_most_in_flight = 32
    assert in_one_go <= in_two_goes <= in_one_go + at_most_in_flight


async def test_a_run_stopped_while_the_endpoint_hangs_ends_within_a_second_with_the_best_so_far(
    scripted: ScriptedServer, prompt_path: Path, tmp_path: Path
) -> None:
    loop = asyncio.get_running_loop()
    run = api.optimize(api.load_prompt(prompt_path), options(scripted, tmp_path))
    leader, stopped_at = "", 0.0

    def stop() -> None:
        nonlocal stopped_at
        stopped_at = stopped_at or loop.time()
        run.stop()

    def stuck(request: dict[str, object]) -> Reply:
        loop.call_soon_threadsafe(stop)
        return hang()

    async for event in run:
        if isinstance(event, RoundEnded):
            leader = event.beam[0].candidate
            scripted.script = stuck
    assert stopped_at
    assert loop.time() - stopped_at < 1.0
    assert run.result.stopped == "cancelled"
    assert run.result.best.id == leader
    assert asyncio.all_tasks() == {asyncio.current_task()}


async def test_a_cap_on_tokens_ends_the_run_in_order_with_the_best_so_far(
    scripted: ScriptedServer, prompt_path: Path, tmp_path: Path
) -> None:
    # The search cannot see it coming: critiques and edits suddenly take far more tokens than calls did on average.
    def talkative(request: dict[str, object]) -> Reply:
        return Reply(WORLD.script(request), usage=(50, 2) if kind_of(request) == "task" else (4000, 4000))

    scripted.script = talkative
    budget = {"calls": 1000, "tokens": 30_000}
    run = api.optimize(api.load_prompt(prompt_path), options(scripted, tmp_path, budget=budget))
    events = await collect(run)
    found = run.result
    assert found.stopped == "budget"
    assert "tokens" in found.reason
    assert found.spent.input_tokens + found.spent.output_tokens <= budget["tokens"]
    leaders = [event.beam[0].candidate for event in events if isinstance(event, RoundEnded)]
    assert found.best.id == (leaders[-1] if leaders else found.start.id)
    assert asyncio.all_tasks() == {asyncio.current_task()}


async def test_resuming_a_finished_run_prints_it(scripted: ScriptedServer, prompt_path: Path, tmp_path: Path) -> None:
    prompt = api.load_prompt(prompt_path)
    first = await api.optimize(prompt, options(scripted, tmp_path))
    asked = len(scripted.log)
    run = api.optimize(prompt, options(scripted, tmp_path, resume=True))
    events = await collect(run)
    assert len(scripted.log) == asked
    assert run.result == first
    assert any(isinstance(event, Noted) and "finished" in event.message for event in events)


async def test_fresh_asks_again(scripted: ScriptedServer, prompt_path: Path, tmp_path: Path) -> None:
    prompt = api.load_prompt(prompt_path)
    await api.evaluate(prompt, options(scripted, tmp_path))
    asked = len(scripted.log)
    await api.evaluate(prompt, options(scripted, tmp_path, fresh=True))
    assert len(scripted.log) == 2 * asked


async def test_each_further_look_at_a_holdout_asks_for_more(
    scripted: ScriptedServer, prompt_path: Path, tmp_path: Path
) -> None:
    prompt = api.load_prompt(prompt_path)
    levels = []
    for seed in (0, 1, 2):
        found = await api.optimize(prompt, options(scripted, tmp_path, 2000, seed=seed))
        if found.verdict is not None:
            levels.append((found.verdict.earlier_looks or 0, found.verdict.comparison.confidence))
    assert levels == [(n, pytest.approx(1 - 0.1 / ((1 + n) * (2 + n)))) for n in range(len(levels))]
    assert len(levels) >= 2


async def test_a_perfect_prompt_is_kept_and_no_critique_is_bought(
    scripted: ScriptedServer, prompt_path: Path, tmp_path: Path
) -> None:
    labels = {row.text: row.concept.label for row in WORLD.rows}
    scripted.script = lambda request: labels[request["messages"][-1]["content"].strip()]
    found = await api.optimize(api.load_prompt(prompt_path), options(scripted, tmp_path))
    assert found.stopped == "no-failures"
    assert found.best == found.start
    assert found.verdict is None
    assert set(found.spent.calls) == {"task"}


async def test_a_weak_optimizer_model_is_called_weak_and_replaced_by_evidence(
    scripted: ScriptedServer, prompt_path: Path, tmp_path: Path
) -> None:
    def weak(request: dict[str, object]) -> str:
        return WORLD.script(request) if kind_of(request) == "task" else "Sure, happy to help!"

    scripted.script = weak
    events = await collect(api.optimize(api.load_prompt(prompt_path), options(scripted, tmp_path)))
    assert any(isinstance(event, Noted) and "too weak" in event.message for event in events)
    made = {event.candidate.operator for event in events if isinstance(event, CandidateProposed)}
    assert made <= {"exemplars", "rule"}
    assert made
    assert {event.gradient.source for event in events if isinstance(event, GradientFound)} == {"evidence"}


async def test_broken_rewrites_are_discarded_with_their_reason(
    scripted: ScriptedServer, prompt_path: Path, tmp_path: Path
) -> None:
    def vandal(request: dict[str, object]) -> str:
        answer = WORLD.script(request)
        return answer.replace("\n</new-prompt", " {{evil}}\n</new-prompt") if kind_of(request) == "edit" else answer

    scripted.script = vandal
    events = await collect(api.optimize(api.load_prompt(prompt_path), options(scripted, tmp_path)))
    reasons = {event.reason for event in events if isinstance(event, CandidateDiscarded) and event.operator == "edit"}
    assert reasons
    assert all("evil" in reason for reason in reasons)


async def test_an_endpoint_that_dies_ends_the_run_in_order(
    scripted: ScriptedServer, prompt_path: Path, tmp_path: Path
) -> None:
    def dead(request: dict[str, object]) -> str | Reply:
        return Reply(status=401) if kind_of(request) == "gradient" else WORLD.script(request)

    prompt = api.load_prompt(prompt_path)
    run = api.optimize(prompt, options(scripted, tmp_path))
    leader = ""
    async for event in run:
        if isinstance(event, RoundEnded):
            leader = event.beam[0].candidate
            scripted.script = dead
    found = run.result
    assert found.stopped == "endpoint"
    assert found.best.id == leader
    assert "401" in found.reason
    assert asyncio.all_tasks() == {asyncio.current_task()}
    scripted.script = WORLD.script
    assert (await api.optimize(prompt, options(scripted, tmp_path, resume=True))).stopped != "endpoint"


async def test_a_refusing_endpoint_is_an_error_at_once(
    scripted: ScriptedServer, prompt_path: Path, tmp_path: Path
) -> None:
    scripted.script = lambda request: Reply(status=401)
    with pytest.raises(ModelError, match="OPENAI_API_KEY"):
        await api.optimize(api.load_prompt(prompt_path), options(scripted, tmp_path))


async def test_critiques_come_with_measured_fixes(scripted: ScriptedServer, prompt_path: Path, tmp_path: Path) -> None:
    run = api.gradients(api.load_prompt(prompt_path), options(scripted, tmp_path), fixes=True)
    events = await collect(run)
    critiques = run.result
    assert critiques.gradients
    shares = [gradient.share for gradient in critiques.gradients]
    assert shares == sorted(shares, reverse=True)
    assert critiques.fixes
    scored = {event.candidate: event for event in events if isinstance(event, CandidateScored)}
    for fix in critiques.fixes:
        against = scored[fix.candidate.id].against_seed
        assert scored[fix.candidate.id].part == "selection"
        assert against is not None
        assert against.n == scored[fix.candidate.id].n
    assert not any(isinstance(event, (HoldoutOpened, VerdictReached)) for event in events)


async def test_critiques_without_fixes_buy_no_edit(scripted: ScriptedServer, prompt_path: Path, tmp_path: Path) -> None:
    critiques = await api.gradients(api.load_prompt(prompt_path), options(scripted, tmp_path))
    assert critiques.gradients
    assert {kind_of(body) for body in scripted.log.bodies} == {"task", "gradient"}


async def test_too_few_rows_can_be_evaluated_but_not_judged(scripted: ScriptedServer, tmp_path: Path) -> None:
    small = World(8)
    scripted.script = small.script
    prompt = api.load_prompt(small.write(tmp_path))
    assert (await api.evaluate(prompt, options(scripted, tmp_path))).n == 8
    with pytest.raises(InputError, match="rows"):
        await api.optimize(prompt, options(scripted, tmp_path))


async def test_a_plan_asks_nothing_and_says_where_rows_would_go(
    scripted: ScriptedServer, prompt_path: Path, tmp_path: Path
) -> None:
    started = await api.plan(api.load_prompt(prompt_path), options(scripted, tmp_path))
    assert len(scripted.log) == 0
    assert started.local
    assert started.rows.holdout >= 60
    assert started.estimate.calls == 1000
    run = api.optimize(api.load_prompt(prompt_path), options(scripted, tmp_path))
    async for event in run:
        assert isinstance(event, RunStarted)
        assert event.run
        assert replace(event, run="", experiment="") == started
        break


async def test_an_unwritable_cache_is_said_and_does_not_stop_the_run(
    scripted: ScriptedServer, prompt_path: Path, tmp_path: Path
) -> None:
    blocked = tmp_path / "cache"
    blocked.write_text("a file where a folder should be")
    run = api.evaluate(api.load_prompt(prompt_path), options(scripted, tmp_path))
    events = await collect(run)
    assert run.result.n > 0
    assert any(isinstance(event, Noted) and "cannot be kept" in event.message for event in events)
