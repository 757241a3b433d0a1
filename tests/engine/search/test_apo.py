"""The APO search as a whole, in process: its budget, its order, what it waits for, and how it ends."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Callable
from itertools import groupby
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from apo_engine.models.chat import ChatRequest
from apo_engine.problems import ApoError, BudgetError, ModelError, Problem
from apo_engine.search.events import (
    CandidateDiscarded,
    CandidateProposed,
    CandidateScored,
    GradientFound,
    Noted,
    RoundEnded,
    RoundStarted,
)
from apo_engine.search.optimizer import Found
from tests.engine.models.virtual_time import run_in_virtual_time
from tests.engine.search.in_process import Pause, Script, Searching, kind, searching
from tests.scripted.world import SEED, World, kind_of

WORLD = World(300)
# Prompts that hardly fail are read on, and cost what others do not.
NEARLY_PERFECT = World(300, guess=0.97, ceiling=1.0, wording=0.02)
LATENCY = 0.1


def every(seconds: float) -> Pause:
    return lambda request: asyncio.sleep(seconds)


def erratic(seed: int) -> Pause:
    """Some answers take fifty times as long as others, and which these are follows from nothing."""
    rng = random.Random(seed)
    return lambda request: asyncio.sleep(rng.expovariate(1 / LATENCY))


def carried_out(running: Callable[[], Searching]) -> tuple[Searching, Found]:
    """The search that ``running`` sets up, once it has ended; of it, nothing may be left."""

    async def main() -> tuple[Searching, Found]:
        search = running()
        found = await search.run()
        assert asyncio.all_tasks() == {asyncio.current_task()}
        return search, found

    return run_in_virtual_time(main())


def perfect(world: World) -> Script:
    labels = {row.text: row.concept.label for row in world.rows}
    return lambda request: labels.get(request["messages"][-1]["content"].strip(), "I cannot say.")


SETTINGS: tuple[dict[str, Any], ...] = (
    {},
    {"joint": False},
    {"groups": 4, "group_size": 4, "reasons": 1, "paraphrases": 2},
    {"groups": 1, "edits": 3},
    {"beam": 1},
    {"beam": 8, "max_children": 1},
    {"minibatch": 4},
    {"selection": "ucb"},
    {"selection": "successive-rejects"},
    {"selection": "uniform"},
)


@settings(max_examples=80, deadline=None)
@given(
    calls=st.one_of(st.integers(50, 200), st.integers(100, 700)),
    grading=st.sampled_from((0, 0, 1, 4)),
    seed=st.integers(0, 99),
    chosen=st.sampled_from(SETTINGS),
    world=st.sampled_from((WORLD, NEARLY_PERFECT)),
    script=st.sampled_from(("world", "perfect", "mute")),
)
def test_no_search_takes_a_call_that_the_verdict_needs(
    calls: int, grading: int, seed: int, chosen: dict[str, Any], world: World, script: str
) -> None:
    def mute(request: dict[str, Any]) -> str:
        return world.script(request) if kind_of(request) == "task" else "Hm."

    scripts: dict[str, Script] = {"world": world.script, "perfect": perfect(world), "mute": mute}
    search = None

    def running() -> Searching:
        nonlocal search
        answers, pause = scripts[script], erratic(seed)
        search = searching(world, calls, seed=seed, script=answers, pause=pause, grading=grading, **chosen)
        return search

    try:
        carried_out(running)
    except BudgetError as refused:
        assert [problem.code for problem in refused.problems] == ["budget-too-small"]
        assert search is not None
        assert not search.model.requests
        return
    assert search is not None
    assert search.calls + search.set_aside <= calls


@pytest.mark.parametrize(("grading", "calls"), [(4, 333), (4, 394), (16, 821), (16, 1004)])
def test_a_round_that_cannot_pay_for_a_child_makes_none(grading: int, calls: int) -> None:
    search, found = carried_out(lambda: searching(World(60), calls, grading=grading))
    assert search.calls + search.set_aside <= calls
    assert found.stopped == "finished"


@pytest.mark.parametrize("calls", [150, 300, 500, 1000, 2000])
@pytest.mark.parametrize("seed", [0, 1])
def test_ordinary_caps_are_made_use_of(calls: int, seed: int) -> None:
    search, _ = carried_out(lambda: searching(WORLD, calls, seed=seed))
    assert 0.9 * calls <= search.calls + search.set_aside <= calls


@pytest.mark.parametrize("chosen", SETTINGS)
def test_nothing_is_asked_twice(chosen: dict[str, Any]) -> None:
    search, _ = carried_out(lambda: searching(WORLD, 600, **chosen))
    asked = [(request.messages, request.draw) for request in search.model.requests]
    assert len(set(asked)) == len(asked)


@pytest.mark.parametrize("world", [WORLD, NEARLY_PERFECT])
@pytest.mark.parametrize("seed", range(4))
def test_the_order_of_answers_changes_nothing_that_is_told(world: World, seed: int) -> None:
    calls = (130, 260, 500, 800)[seed]
    alike = carried_out(lambda: searching(world, calls, seed=seed, pause=every(LATENCY)))[0].transcript
    for shuffle in range(4):
        search, _ = carried_out(
            lambda: searching(world, calls, seed=seed, pause=erratic(shuffle), width=(32, 32, 5, 1)[shuffle])  # noqa: B023
        )
        assert search.transcript == alike


def test_another_seed_is_another_search() -> None:
    first, second = (carried_out(lambda: searching(WORLD, 300, seed=seed))[0].transcript for seed in (0, 1))  # noqa: B023
    assert first != second


def test_a_thousand_calls_take_little_longer_than_the_endpoint_allows() -> None:
    times_the_floor = []
    for seed in range(4):

        async def main(seed: int = seed) -> tuple[Searching, float]:
            search = searching(WORLD, 1000, seed=seed, pause=every(LATENCY))
            await search.run()
            return search, asyncio.get_running_loop().time()

        search, seconds = run_in_virtual_time(main())
        assert len(search.model.requests) > 900
        # A row is read, criticised, the prompt edited and scored before the next round can begin; then the last word.
        chain = 4 * len(search.told(RoundStarted)) + 1
        times_the_floor.append(seconds / LATENCY / max(len(search.model.requests) / 32, chain))
    assert sum(times_the_floor) / len(times_the_floor) <= 1.5


def test_a_child_is_scored_while_another_critique_is_awaited() -> None:
    late = 1000 * LATENCY
    sent: list[tuple[float, ChatRequest]] = []

    def running() -> Searching:
        clock = asyncio.get_running_loop().time
        critiques = iter([LATENCY, late])

        async def pause(request: ChatRequest) -> None:
            sent.append((clock(), request))
            await asyncio.sleep(next(critiques, LATENCY) if kind(request) == "gradient" else LATENCY)

        return searching(WORLD, 420, pause=pause)

    carried_out(running)
    edited = [at for at, request in sent if kind(request) == "edit"]
    scored = [at for at, request in sent if kind(request) == "task" and request.messages[0].content.strip() != SEED]
    assert edited[0] < 10 * LATENCY < late <= edited[1]
    assert scored[0] < 10 * LATENCY


def test_the_race_goes_on_while_critiques_are_written() -> None:
    late = 1000 * LATENCY
    sent: dict[str, list[float]] = {"gradient": [], "edit": [], "task": []}

    def running() -> Searching:
        clock = asyncio.get_running_loop().time

        async def pause(request: ChatRequest) -> None:
            sent[kind(request)].append(clock())
            await asyncio.sleep(late if kind(request) == "gradient" else LATENCY)

        return searching(WORLD, 600, pause=pause)

    search, _ = carried_out(running)
    begun = sorted(set(sent["gradient"]))
    assert len(begun) == len(search.told(RoundStarted)) > 2
    for critique in begun[1:]:
        compared = [at for at in sent["task"] if critique <= at < critique + late / 2]
        assert len(compared) >= 10


@pytest.mark.parametrize("seed", range(3))
def test_hardly_a_slot_is_idle(seed: int) -> None:
    ended: list[float] = []

    def running() -> Searching:
        clock = asyncio.get_running_loop().time

        async def pause(request: ChatRequest) -> None:
            await asyncio.sleep(LATENCY)
            ended.append(clock())

        return searching(World(500), 1000, seed=seed, width=32, pause=pause)

    search, _ = carried_out(running)
    assert search.calls > 900
    assert max(ended) <= 1.3 * LATENCY * search.calls / 32


def test_a_round_reads_before_it_compares() -> None:
    asked: list[str] = []

    def running() -> Searching:
        async def pause(request: ChatRequest) -> None:
            if kind(request) == "task":
                critique = request.messages[-1].content.strip() in read
                asked.append("critique" if critique else "selection")
            await asyncio.sleep(LATENCY)

        search = searching(WORLD, 600, pause=pause)
        read = {row.inputs["text"] for row in search.task.rows.critique}
        return search

    search, _ = carried_out(running)
    readings = [what for what, _ in groupby(asked)].count("critique")
    assert readings == len(search.told(RoundStarted)) > 2


@pytest.mark.parametrize("most", [1, 2, 5])
@pytest.mark.parametrize("joint", [True, False])
def test_no_parent_has_more_children_in_a_round_than_set(most: int, joint: bool) -> None:
    search, _ = carried_out(lambda: searching(WORLD, 500, max_children=most, joint=joint))
    born = Counter((event.candidate.parent, event.candidate.round) for event in search.told(CandidateProposed))
    assert max(born.values()) <= most
    edits = len(search.told(CandidateProposed)) + len(search.told(CandidateDiscarded))
    assert len(search.asked("edit")) <= edits


def test_children_name_gradients_that_were_told_of_their_parent() -> None:
    search, _ = carried_out(lambda: searching(WORLD, 500))
    told = {(event.candidate, event.gradient.id) for event in search.told(GradientFound)}
    children = [event.candidate for event in search.told(CandidateProposed)]
    assert children
    for child in children:
        assert child.gradients
        assert {(child.parent, name) for name in child.gradients} <= told
    assert max(len(child.gradients) for child in children) > 1


def test_a_search_finds_a_better_prompt_in_the_first_rounds_already() -> None:
    _, found = carried_out(lambda: searching(WORLD, 500))
    assert WORLD.accuracy(found.best.prompt.text) > WORLD.accuracy(SEED) + 0.2


def test_where_every_row_is_right_no_critique_is_bought() -> None:
    search, found = carried_out(lambda: searching(WORLD, 1000, script=perfect(WORLD)))
    assert (found.stopped, found.best) == ("no-failures", search.task.seed)
    assert {kind(request) for request in search.model.requests} == {"task"}
    (read,) = [event.n for event in search.told(CandidateScored) if event.part == "critique"][-1:]
    assert read == len(search.task.rows.critique)


def test_nobody_claims_that_every_row_is_right_who_could_not_afford_to_look() -> None:
    search, found = carried_out(lambda: searching(WORLD, 140, script=perfect(WORLD)))
    assert search.calls < len(search.task.rows.critique)
    assert found.stopped == "finished"
    assert found.best == search.task.seed


def mostly(answer: Callable[[str], str], *kinds: str) -> Script:
    """The world, but for what is made of its answers of these kinds."""

    def script(request: dict[str, Any]) -> str:
        said = WORLD.script(request)
        return answer(said) if kind_of(request) in kinds else said

    return script


def test_where_no_answer_holds_a_critique_evidence_takes_over_and_it_is_said() -> None:
    search, _ = carried_out(lambda: searching(WORLD, 300, script=mostly(lambda said: "Happy to help!", "gradient")))
    assert any("too weak" in event.message for event in search.told(Noted))
    assert {event.candidate.operator for event in search.told(CandidateProposed)} == {"exemplars", "rule"}
    assert {event.gradient.source for event in search.told(GradientFound)} == {"evidence"}
    assert not search.asked("edit")


def test_where_some_critics_can_be_read_their_gradients_are_used() -> None:
    turns = iter(range(1000))
    script = mostly(lambda said: said if next(turns) % 2 else "Hm.", "gradient")
    search, _ = carried_out(lambda: searching(WORLD, 300, script=script, rounds=1))
    assert len(search.asked("gradient")) == 2
    assert any(event.candidate.operator == "edit" for event in search.told(CandidateProposed))
    assert not any("too weak" in event.message for event in search.told(Noted))


def test_where_no_rewrite_can_be_used_evidence_takes_over_and_it_is_said() -> None:
    search, _ = carried_out(lambda: searching(WORLD, 300, script=mostly(lambda said: "No.", "edit")))
    assert any("No rewrite of round 1 could be used" in event.message for event in search.told(Noted))
    assert {event.candidate.operator for event in search.told(CandidateProposed)} <= {"exemplars", "rule"}
    assert search.told(CandidateProposed)
    assert {event.gradient.source for event in search.told(GradientFound)} == {"model", "evidence"}


def swapped(said: str, text: str) -> str:
    """A marked answer with another text in it."""
    opening, closing = said.split("\n", 1)[0], said.rsplit("\n", 1)[1]
    return f"{opening}\n{text}\n{closing}"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (SEED, "the same text as an earlier candidate"),
        (SEED + "\nBe careful." * 4700, "too long"),
        (f"{SEED}\nFor example: {WORLD.rows[1].text}", "copies the text of a row"),
        (SEED + "\n{{secret}}", "secret"),
        ("", ""),
    ],
    ids=["repeated", "50 KB", "row quoted", "placeholder forged", "empty"],
)
def test_a_rewrite_that_must_not_enter_is_discarded_with_its_reason(text: str, reason: str) -> None:
    search, found = carried_out(
        lambda: searching(WORLD, 200, script=mostly(lambda said: swapped(said, text), "edit", "paraphrase"))
    )
    discarded = [event for event in search.told(CandidateDiscarded) if event.operator == "edit"]
    assert discarded
    for event in discarded:
        assert event.reason
        assert reason in event.reason
        assert event.gradients
        assert event.parent
    assert not any(event.candidate.operator == "edit" for event in search.told(CandidateProposed))
    # None of them was scored.
    assert all(len(request.messages[0].content) < 40_000 for request in search.asked("task"))
    assert found.stopped == "finished"


class Failing:
    """The world until its answer ``number`` of a kind, which fails for good."""

    def __init__(self, error: ApoError, role: str, number: int) -> None:
        self._error = error
        self._role = role
        self._left = number

    def __call__(self, request: dict[str, Any]) -> str:
        self._left -= kind_of(request) == self._role
        if self._left < 0:
            raise self._error
        return WORLD.script(request)


GONE = ModelError(Problem("model-gone", "The model is gone."))
SPENT = BudgetError(Problem("budget-usd", "The cap on usd is reached."))


@pytest.mark.parametrize("error", [GONE, SPENT], ids=["endpoint", "budget"])
@pytest.mark.parametrize(("role", "number"), [("gradient", 0), ("gradient", 4), ("edit", 5), ("task", 170)])
def test_a_failure_for_good_ends_the_search_at_once_with_the_best_so_far(
    error: ApoError, role: str, number: int
) -> None:
    async def main() -> tuple[Searching, int]:
        search = searching(WORLD, 600, script=Failing(error, role, number), pause=erratic(3))
        with pytest.raises(type(error)):
            await search.run()
        assert asyncio.all_tasks() == {asyncio.current_task()}
        asked = len(search.model.requests)
        await asyncio.sleep(60)
        return search, asked

    search, asked = run_in_virtual_time(main())
    assert len(search.model.requests) == asked
    rounds = search.told(RoundEnded)
    assert search.pool.best.id == (rounds[-1].beam[0].candidate if rounds else search.task.seed.id)


@pytest.mark.parametrize("moment", [0.0, 0.05, 0.15, 0.25, 0.45, 0.95, 1.55, 2.05])
def test_a_cancelled_search_leaves_nothing_running_and_keeps_the_best_so_far(moment: float) -> None:
    async def main() -> Searching:
        search = searching(WORLD, 600, pause=every(LATENCY))
        work = asyncio.ensure_future(search.run())
        await asyncio.sleep(moment)
        began = asyncio.get_running_loop().time()
        work.cancel()
        with pytest.raises(asyncio.CancelledError):
            await work
        assert asyncio.get_running_loop().time() == began
        assert asyncio.all_tasks() == {asyncio.current_task()}
        return search

    search = run_in_virtual_time(main())
    rounds = search.told(RoundEnded)
    assert search.pool.best.id == (rounds[-1].beam[0].candidate if rounds else search.task.seed.id)


def test_evidence_is_told_once_and_rows_are_always_the_first_ones() -> None:
    search, _ = carried_out(lambda: searching(WORLD, 600))
    order = [row.id for row in search.task.race.rows]
    seen: dict[str, list[str]] = {}
    for event in search.told(CandidateScored):
        if event.part == "selection":
            seen.setdefault(event.candidate, []).extend(result.row for result in event.results)
            assert len(seen[event.candidate]) == event.n
    assert all(rows == order[: len(rows)] for rows in seen.values())
    proposed = {event.candidate.id for event in search.told(CandidateProposed)}
    assert proposed <= set(seen)


def test_the_beam_is_as_wide_as_set_and_led_by_the_best() -> None:
    search, found = carried_out(lambda: searching(WORLD, 600, beam=2))
    beams = [event.beam for event in search.told(RoundEnded)]
    assert all(1 <= len(beam) <= 2 for beam in beams)
    starts = [event.beam for event in search.told(RoundStarted)]
    assert starts[0] == (search.task.seed.id,)
    assert [start[0] for start in starts[1:]] == [beam[0].candidate for beam in beams[:-1]]
    assert found.best.id != search.task.seed.id


def test_a_critique_reaches_the_model_with_facts_and_reasons_as_set() -> None:
    search, _ = carried_out(lambda: searching(WORLD, 200, reasons=3))
    asked = search.asked("gradient")
    assert asked
    for request in asked:
        assert "up to 3 different reasons" in request.messages[0].content
        assert "failing rows expect" in request.messages[1].content
