"""Attacks by copies of hold-out rows: the verdict counts what the model is asked, each question once."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from apo_engine import api
from apo_engine.prompt.file import load_prompt, parse_prompt
from apo_engine.runs.optimize import optimize_job
from apo_engine.runs.options import Options
from apo_engine.runs.plan import make_plan
from apo_engine.runs.results import Optimization
from apo_engine.runs.stream import Run
from apo_engine.search.events import HoldoutOpened, Noted, RunStarted
from tests.scripted import ScriptedServer
from tests.scripted.world import World

WORLD = World(60)
#: The distinct rows that are held out: 30 % of 60.
HELD = 18


def rows_of(folder: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in (folder / "tickets.jsonl").read_text().splitlines()]


def write_rows(folder: Path, rows: list[dict[str, object]]) -> None:
    (folder / "tickets.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))


def copied(rows: list[dict[str, object]], times: int) -> list[dict[str, object]]:
    """Each row so many times, with columns that the prompt does not read."""
    return [
        {**row, "ticket": f"T{number}-{copy}", "seen": copy} for number, row in enumerate(rows) for copy in range(times)
    ]


@pytest.fixture
def folder(tmp_path: Path, scripted: ScriptedServer, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a prompt and 60 tickets, each four times."""
    scripted.script = WORLD.script
    WORLD.write(tmp_path)
    write_rows(tmp_path, copied(rows_of(tmp_path), 4))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    return tmp_path


def options(scripted: ScriptedServer, folder: Path) -> Options:
    environ = {"OPENAI_BASE_URL": scripted.base_url, "APO_CACHE_DIR": str(folder / "cache")}
    return api.Options(flags={"budget": {"calls": 2000}, "metric": "label"}, environ=environ, fresh=True)


async def searched(scripted: ScriptedServer, folder: Path) -> tuple[Run[Optimization], list[object]]:
    run = Run(optimize_job(load_prompt(folder / "tickets.prompt"), options(scripted, folder), judge_always=True))
    events: list[object] = [event async for event in run]
    return run, events


async def test_copies_of_hold_out_rows_count_once(folder: Path, scripted: ScriptedServer) -> None:
    run, events = await searched(scripted, folder)
    (opened,) = [event for event in events if isinstance(event, HoldoutOpened)]
    (started,) = [event for event in events if isinstance(event, RunStarted)]
    verdict = run.result.verdict
    assert verdict is not None
    assert verdict.comparison.n == opened.n == started.rows.holdout == HELD
    assert f" points on {HELD} unseen rows" in verdict.words
    said = [event.message for event in events if isinstance(event, Noted) and "copies of another one" in event.message]
    assert said == [
        f"{3 * HELD} hold-out rows are copies of another one, apart from form, ids and unread columns: "
        "the verdict counts each distinct row once."
    ]


async def test_copies_stay_sealed_and_are_opened_with_their_row(folder: Path, scripted: ScriptedServer) -> None:
    plan = await make_plan("optimize", load_prompt(folder / "tickets.prompt"), options(scripted, folder))
    await plan.close()
    assert plan.rows is not None
    assert len(plan.rows.holdout) == HELD
    assert len({row.inputs["text"] for row in plan.rows.holdout}) == HELD
    assert {row.id for row in plan.verdict_rows} == {row.id for row in plan.sealed_rows}
    assert len(plan.sealed_rows) == 4 * HELD
    assert not {row.id for row in plan.open_rows} & {row.id for row in plan.sealed_rows}


async def test_to_drop_the_copy_that_was_counted_is_no_new_look(folder: Path, scripted: ScriptedServer) -> None:
    write_rows(folder, [{**row, "text": str(row["text"])[-7:-1]} for row in rows_of(folder)])
    await searched(scripted, folder)
    plan = await make_plan("optimize", load_prompt(folder / "tickets.prompt"), options(scripted, folder))
    await plan.close()
    assert plan.rows is not None
    counted = {row.inputs["ticket"] for row in plan.rows.holdout}
    write_rows(folder, [row for row in rows_of(folder) if row["ticket"] not in counted])
    run, _ = await searched(scripted, folder)
    assert run.result.verdict is not None
    assert run.result.verdict.earlier_looks == 1


@pytest.mark.parametrize(
    ("change", "distinct"),
    [
        ({"ticket": "another"}, 1),
        ({"expected": "BUG "}, 1),
        ({"text": "It crashes twice."}, 2),
        ({"expected": "billing"}, 1),
        ({"text": "It  crashes. "}, 1),
        ({"text": "it CRASHES!"}, 1),
        ({"text": "It\u200b crashes."}, 1),
    ],
    ids=[
        "a column that is not read",
        "the answer in other letters",
        "another text",
        "another answer",
        "blanks",
        "case and punctuation",
        "characters that nobody sees",
    ],
)
async def test_what_the_prompt_reads_and_what_is_expected_make_a_row(
    change: dict[str, str], distinct: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    row = {"text": "It crashes.", "ticket": "T1", "expected": "bug"}
    others = [{"text": f"Text {n}.", "ticket": f"T{n + 9}", "expected": "bug"} for n in range(60)]
    write_held = [row, {**row, **change}, *others[:20]]
    for name, rows in (("held", write_held), ("train", others[20:])):
        text = "".join(json.dumps(one) + "\n" for one in rows)
        await asyncio.to_thread((tmp_path / f"{name}.jsonl").write_text, text)
    head = "model: openai/a\napo.examples: {train: train.jsonl, holdout: held.jsonl}\napo.metric: label\n"
    prompt = parse_prompt(f"---\n{head}---\nSort this: {{{{text}}}}\n", tmp_path / "a.prompt")
    environ = {"OPENAI_BASE_URL": "http://127.0.0.1:9/v1", "APO_CACHE_DIR": str(tmp_path / "cache")}
    plan = await make_plan("optimize", prompt, Options(environ=environ))
    await plan.close()
    assert plan.rows is not None
    assert len(plan.rows.holdout) == 20 + distinct


SPELLINGS: dict[str, tuple[str, Callable[[int, int], str]]] = {
    "numeric": ("numeric", lambda n, k: (f"{n}", f"{n}.0", f"0{n}", f"+{n}")[k]),
    "json": ("json_match", lambda n, k: f'{{"a":{" " * k}{n}}}'),
    "regex": ("regex", lambda n, k: (f"{n}", f"({n})", f"{n}{{1}}", f"(?:{n})")[k]),
}


@pytest.mark.parametrize(("metric", "spelled"), SPELLINGS.values(), ids=SPELLINGS)
async def test_an_expected_value_in_other_spellings_makes_no_other_row(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, metric: str, spelled: Callable[[int, int], str]
) -> None:
    texts = [str(row["text"]) for row in rows_in(WORLD)]
    rows: list[dict[str, object]] = [
        {"text": text, "expected": spelled(number, copy)} for number, text in enumerate(texts) for copy in range(4)
    ]
    assert await counted(tmp_path, monkeypatch, rows, metric, "{{text}}") == HELD


async def test_an_id_in_the_template_makes_no_other_row(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    texts = [str(row["text"]) for row in rows_in(WORLD)]
    rows: list[dict[str, object]] = [
        {"text": text, "id": str(7919 * (4 * number + copy)), "expected": "bug"}
        for number, text in enumerate(texts)
        for copy in range(4)
    ]
    assert await counted(tmp_path, monkeypatch, rows, "label", "Ticket {{id}}: {{text}}") == HELD


def rows_in(world: World) -> list[dict[str, object]]:
    with TemporaryDirectory() as name:
        world.write(Path(name))
        return rows_of(Path(name))


async def counted(
    folder: Path, monkeypatch: pytest.MonkeyPatch, rows: list[dict[str, object]], metric: str, template: str
) -> int:
    """How many hold-out rows a verdict on these rows counts."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(folder / "config"))
    write_rows(folder, rows)
    head = f"model: openai/a\napo.examples: tickets.jsonl\napo.metric: {metric}\napo.budget: {{calls: 2000}}\n"
    prompt = parse_prompt(f"---\n{head}---\nSort this: {template}\n", folder / "a.prompt")
    environ = {"OPENAI_BASE_URL": "http://127.0.0.1:9/v1", "APO_CACHE_DIR": str(folder / "cache")}
    plan = await make_plan("optimize", prompt, Options(environ=environ))
    await plan.close()
    assert plan.rows is not None
    return len(plan.rows.holdout)
