"""Whole runs of each algorithm over real HTTP: the settings pick it, and what every run promises holds for all."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import get_args

import pytest
from msgspec.structs import replace

from apo_engine import api
from apo_engine.prompt.file import parse_prompt
from apo_engine.search.events import AnyEvent, CandidateProposed, Progressed, RunEnded, RunStarted
from apo_engine.settings import Algorithm
from tests.scripted import ScriptedServer
from tests.scripted.world import World

ALGORITHMS: tuple[Algorithm, ...] = get_args(Algorithm)
WORLD = World(200, wording=0.5, guess=0.5)
OWN = {
    "apo": {"edit", "exemplars", "rule"},
    "monte-carlo": {"paraphrase"},
    "phrase-rl": {"phrase-add", "phrase-paraphrase", "phrase-swap", "phrase-delete"},
}
KEPT = "{{!-- apo:keep --}}Name the queue, and nothing else.{{!-- apo:end --}}"


def options(server: ScriptedServer, folder: Path, algorithm: str, **more: object) -> api.Options:
    environ = {"OPENAI_BASE_URL": server.base_url, "APO_CACHE_DIR": str(folder / "cache")}
    resume = bool(more.pop("resume", False))
    flags = {"budget": {"calls": 700}, "optimizer": {"algorithm": algorithm}, **more}
    return api.Options(flags=flags, environ=environ, resume=resume)


async def collect(run: api.Run[api.Optimization]) -> list[AnyEvent]:
    return [event async for event in run]


def told(events: Sequence[AnyEvent]) -> list[str]:
    """The events but for the run's id, progress, clocks and what was cached."""
    kept = [event for event in events if not isinstance(event, (Progressed, RunEnded))]
    told = [replace(event, run="") if isinstance(event, RunStarted) else event for event in kept]
    return [str(event).split("spent=", maxsplit=1)[0] for event in told]


@pytest.fixture
def path(scripted: ScriptedServer, tmp_path: Path) -> Path:
    scripted.script = WORLD.script
    return WORLD.write(tmp_path)


@pytest.mark.parametrize("algorithm", ALGORITHMS)
async def test_the_cap_holds_and_the_same_run_again_asks_nothing_and_tells_the_same(
    scripted: ScriptedServer, path: Path, tmp_path: Path, algorithm: Algorithm
) -> None:
    prompt = api.load_prompt(path)
    first = await collect(api.optimize(prompt, options(scripted, tmp_path, algorithm)))
    asked = len(scripted.log)
    assert asked <= 700
    again = await collect(api.optimize(prompt, options(scripted, tmp_path, algorithm)))
    assert len(scripted.log) == asked
    assert told(again) == told(first)
    made = {event.candidate.operator for event in first if isinstance(event, CandidateProposed)}
    assert made
    assert made <= OWN[algorithm]


@pytest.mark.parametrize("algorithm", ALGORITHMS)
async def test_no_question_reaches_the_endpoint_twice(
    scripted: ScriptedServer, path: Path, tmp_path: Path, algorithm: Algorithm
) -> None:
    await api.optimize(api.load_prompt(path), options(scripted, tmp_path, algorithm))
    asked = [str(body["messages"]) for body in scripted.log.bodies]
    assert len(asked) == len(set(asked))


@pytest.mark.parametrize("algorithm", ALGORITHMS)
async def test_kept_regions_and_everything_around_the_text_stay_byte_for_byte(
    scripted: ScriptedServer, path: Path, tmp_path: Path, algorithm: Algorithm
) -> None:
    text = WORLD.prompt_text().replace("Answer with the queue's name alone.", f"{{{{! note }}}} {KEPT} Be quick.")
    events = await collect(api.optimize(api.parse_prompt(text, path), options(scripted, tmp_path, algorithm)))
    made = [event.candidate.text for event in events if isinstance(event, CandidateProposed)]
    head, tail = text[: text.index("You work")], text[text.index('{{role "user"}}') :]
    assert made
    for new in made:
        assert KEPT in new
        assert new.count("{{! note }}") == 1
        assert new.startswith(head)
        assert new.endswith(tail)
        assert not parse_prompt(new).problems


@pytest.mark.parametrize("algorithm", ALGORITHMS)
async def test_a_stopped_run_is_gone_on_with_and_ends_as_if_it_had_not_been_stopped(
    scripted: ScriptedServer, path: Path, tmp_path: Path, algorithm: Algorithm
) -> None:
    prompt = api.load_prompt(path)
    whole = await api.optimize(prompt, options(scripted, tmp_path / "whole", algorithm))
    run = api.optimize(prompt, options(scripted, tmp_path, algorithm, concurrency=4))
    async for event in run:
        if isinstance(event, CandidateProposed):
            run.stop()
    assert run.result.stopped == "cancelled"
    before = len(scripted.log)
    resumed = await api.optimize(prompt, options(scripted, tmp_path, algorithm, resume=True))
    assert resumed.best.id == whole.best.id
    assert resumed.verdict == whole.verdict
    assert resumed.spent.cached > 0
    assert len(scripted.log) - before == sum(resumed.spent.calls.values()) - resumed.spent.cached


async def test_each_algorithm_is_a_run_of_its_own(scripted: ScriptedServer, path: Path, tmp_path: Path) -> None:
    prompt = api.load_prompt(path)
    runs = [await api.optimize(prompt, options(scripted, tmp_path, algorithm)) for algorithm in ALGORITHMS]
    assert len({found.experiment for found in runs}) == len(ALGORITHMS)
