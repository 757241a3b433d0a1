"""What a run says before it begins: who is asked, how often at most, and whether its verdict could tell anything."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from apo_engine import api
from apo_engine.problems import InputError
from apo_engine.prompt.file import parse_prompt
from apo_engine.runs.announcement import announce, few_unseen_rows
from apo_engine.runs.options import Options
from apo_engine.runs.plan import Plan, make_plan
from apo_engine.search.events import FileRows, Job, RunStarted
from apo_engine.store import Looks
from tests.scripted import ScriptedServer
from tests.scripted.world import World, kind_of

NO_LOOKS = Looks(0, 0)
RUBRIC = "apo.judge: {rubric: Be kind., model: openai/strict, repeats: 2}"


async def planned(
    folder: Path,
    *settings: str,
    rows: int = 200,
    job: Job = "optimize",
    base_url: str = "http://127.0.0.1:1/v1",
    examples: str = "rows.jsonl",
) -> Plan:
    lines = ({"text": f"row {n}", "expected": ("yes", "no")[n % 2]} for n in range(rows))
    (folder / "rows.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    front = ["---", "model: openai/a", f"apo.examples: {examples}", *settings, "---"]
    prompt = parse_prompt("\n".join([*front, '{{role "system"}}Answer.{{role "user"}}{{text}}']), folder / "a.prompt")
    environ = {"OPENAI_BASE_URL": base_url, "OPENAI_API_KEY": "k", "APO_CACHE_DIR": str(folder / "cache")}
    plan = await make_plan(job, prompt, Options(environ=environ))
    await plan.close()
    return plan


async def test_a_judge_elsewhere_takes_the_run_off_the_machine(tmp_path: Path) -> None:
    local = await planned(tmp_path, "apo.metric: judge", RUBRIC)
    assert announce(local).local
    assert announce(local).judge_model == "openai/strict"
    away = await planned(tmp_path, "apo.metric: judge", RUBRIC, base_url="https://models.example/v1")
    assert not announce(away).local
    assert [(one.role, one.model, one.host, one.encrypted) for one in announce(away).destinations] == [
        ("task", "openai/a", "models.example", True),
        ("optimizer", "openai/a", "models.example", True),
        ("judge", "openai/strict", "models.example", True),
    ]
    assert announce(await planned(tmp_path, "apo.metric: label")).judge_model is None


async def test_an_evaluation_asks_no_optimizer_model_and_sends_it_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = tmp_path / "apo-language-server" / "config.yaml"
    config.parent.mkdir()
    config.write_text("endpoints: {far: {base_url: 'https://models.example/v1', key_env: OPENAI_API_KEY}}\n")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    jobs: tuple[Job, ...] = ("evaluate", "gradients", "optimize")
    started = [announce(await planned(tmp_path, "apo.optimizer: far/b", job=job)) for job in jobs]
    assert [run.local for run in started] == [True, False, False]
    assert [[one.model for one in run.destinations] for run in started] == [[], ["far/b"], ["far/b"]]
    counts = [one.rows for run in started for one in run.destinations]
    assert [(rows.selection, rows.holdout) for rows in counts] == [(0, 0), (0, 0)], "it is shown critique rows alone"


async def test_every_example_file_is_named_with_the_rows_that_are_shown_and_those_that_stay(tmp_path: Path) -> None:
    (tmp_path / "held.jsonl").write_text(
        "".join(json.dumps({"text": f"h {n}", "expected": "yes"}) + "\n" for n in range(30))
    )
    held = "{train: rows.jsonl, holdout: held.jsonl}"
    whole, two = await planned(tmp_path, job="evaluate"), await planned(tmp_path, examples=held, job="evaluate")
    searched = announce(await planned(tmp_path, "apo.budget: {calls: 20000}", examples=held))
    assert announce(whole).files == (FileRows(str(tmp_path / "rows.jsonl"), 140, 60, ("text",), sealed=60),)
    assert announce(two).files == (
        FileRows(str(tmp_path / "rows.jsonl"), 200, 0, ("text",)),
        FileRows(str(tmp_path / "held.jsonl"), 0, 30, ("text",), sealed=30),
    )
    assert [file.shown for file in searched.files] == [200, 30], "the verdict opens the sealed rows"
    assert [file.sealed for file in searched.files] == [0, 0]
    assert [file.answers for file in searched.files] == ["expected", "expected"], "critiques quote them"


async def test_the_users_code_is_named_with_its_digest(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text("def score(answer, expected):\n    return 1\n")
    first = announce(await planned(tmp_path, "apo.metric: mine:score")).custom_metric
    assert first is not None
    assert (first.name, first.path) == ("mine:score", str(tmp_path / "mine.py"))
    (tmp_path / "mine.py").write_text("def score(answer, expected):\n    return 0\n")
    second = announce(await planned(tmp_path, "apo.metric: mine:score")).custom_metric
    assert second is not None
    assert second.digest != first.digest
    assert announce(await planned(tmp_path)).custom_metric is None


async def test_only_the_code_that_was_agreed_to_is_run(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text("def score(answer, expected):\n    return 1\n")
    plan = await planned(tmp_path, "apo.metric: mine:score")
    assert plan.function is not None
    prompt = plan.prompt
    environ = {"OPENAI_BASE_URL": "http://127.0.0.1:1/v1", "APO_CACHE_DIR": str(tmp_path)}
    await (await make_plan("evaluate", prompt, Options(environ=environ, custom_metric=plan.function.digest))).close()
    for agreed in ("", "0" * 64):
        with pytest.raises(InputError, match="nobody has agreed to run"):
            await make_plan("evaluate", prompt, Options(environ=environ, custom_metric=agreed))


@pytest.mark.parametrize("job", ["evaluate", "gradients", "optimize"])
@pytest.mark.parametrize("settings", ["", f"apo.metric: judge\n{RUBRIC}", "apo.optimizer: {rounds: 1, beam: 2}"])
@pytest.mark.parametrize("readable", [True, False])
async def test_the_estimate_is_never_passed(
    scripted: ScriptedServer, tmp_path: Path, job: Job, settings: str, readable: bool
) -> None:
    world = World(60)
    scripted.script = lambda request: (
        world.script(request) if readable or kind_of(request) != "judge" else "I would rather not say."
    )
    prompt = api.load_prompt(world.write(tmp_path, settings))
    options = Options(environ={"OPENAI_BASE_URL": scripted.base_url, "APO_CACHE_DIR": str(tmp_path / "cache")})
    runs = {
        "evaluate": api.evaluate,
        "gradients": lambda p, o: api.gradients(p, o, fixes=True),
        "optimize": api.optimize,
    }
    run = runs[job](prompt, options)
    events = [event async for event in run]
    started, ended = events[0], events[-1]
    assert isinstance(started, RunStarted)
    calls = sum(ended.spent.calls.values())
    assert calls <= started.estimate.calls <= 1000
    if job == "evaluate":
        # Of an evaluation all is known beforehand but how often a grade must be asked for again.
        assert started.estimate.calls == calls or ("judge" in settings and readable)
        tokens = ended.spent.input_tokens + ended.spent.output_tokens
        assert 0.4 < tokens / started.estimate.tokens < 2.5 or not readable


async def test_the_estimate_counts_the_rows_that_prompts_quote(scripted: ScriptedServer, tmp_path: Path) -> None:
    world = World(120)
    scripted.script = world.script
    prompt = api.load_prompt(world.write(tmp_path, "apo.optimizer: {critic: evidence, rounds: 3}"))
    options = Options(environ={"OPENAI_BASE_URL": scripted.base_url, "APO_CACHE_DIR": str(tmp_path / "cache")})
    events = [event async for event in api.optimize(prompt, options)]
    started, ended = events[0], events[-1]
    assert isinstance(started, RunStarted)
    per_call = ended.spent.input_tokens / sum(ended.spent.calls.values())
    assert 0.5 < per_call / (started.estimate.tokens / started.estimate.calls) < 2


async def test_few_unseen_rows_are_told_with_the_number_that_would_do(tmp_path: Path) -> None:
    few = await planned(tmp_path, rows=100)
    assert few_unseen_rows(few, NO_LOOKS) == (
        "With 30 unseen rows, only a gain of about 45 points can reliably be told from chance. To tell 15 points, "
        "label about 310 rows, of which about 95 stay unseen."
    )
    enough = await planned(tmp_path, "apo.budget: {calls: 2000}", rows=500)
    assert few_unseen_rows(enough, NO_LOOKS) == ""


async def test_where_the_cap_leaves_rows_out_the_cap_is_what_to_raise(tmp_path: Path) -> None:
    capped = await planned(tmp_path, "apo.budget: {calls: 600}", rows=500)
    said = few_unseen_rows(capped, NO_LOOKS)
    assert said.startswith("With 60 unseen rows")
    assert "label" not in said, "there are rows enough"
    assert said.endswith("That takes a cap of about 1,000 calls, in place of 600.")
    raised = await planned(tmp_path, "apo.budget: {calls: 950}", rows=500)
    assert few_unseen_rows(raised, NO_LOOKS) == ""


async def test_each_earlier_look_asks_for_more_rows(tmp_path: Path) -> None:
    plan = await planned(tmp_path, "apo.budget: {calls: 950}", rows=500)
    said = [few_unseen_rows(plan, Looks(earlier, 95)) for earlier in (None, 0, 1, 2)]
    assert said[:2] == ["", ""]
    needed = [int(re.findall(r"hold out about ([\d,]+) rows", one)[0].replace(",", "")) for one in said[2:]]
    assert 95 < needed[0] < needed[1]


@pytest.mark.parametrize("settings", ["apo.metric: f1_macro", f"apo.metric: judge\n{RUBRIC}", "apo.metric: f1"])
async def test_nothing_is_said_of_metrics_whose_rows_are_not_right_or_wrong(tmp_path: Path, settings: str) -> None:
    plan = await planned(tmp_path, settings, rows=60)
    assert few_unseen_rows(plan, NO_LOOKS) == ""


async def test_nothing_is_said_where_no_verdict_follows(tmp_path: Path) -> None:
    for job in ("evaluate", "gradients"):
        assert few_unseen_rows(await planned(tmp_path, rows=60, job=job), NO_LOOKS) == ""  # type: ignore[arg-type]
