"""What judging answers means for a plan: who judges, what it costs, what the run is called."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from apo_engine.problems import BudgetError, InputError
from apo_engine.prompt.file import parse_prompt
from apo_engine.runs.experiment import experiment_id
from apo_engine.runs.options import Options
from apo_engine.runs.plan import Plan, make_plan

REMOTE = "https://models.example/v1"


async def planned(folder: Path, *settings: str, flags: dict[str, object] | None = None) -> Plan:
    rows = ({"text": f"row {n}", "expected": f"answer {n}"} for n in range(60))
    (folder / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    lines = ["---", *settings, "apo.examples: rows.jsonl", "---", '{{role "system"}}Answer.{{role "user"}}{{text}}']
    prompt = parse_prompt("\n".join(lines), folder / "some.prompt")
    environ = {"OPENAI_BASE_URL": REMOTE, "OPENAI_API_KEY": "k", "APO_CACHE_DIR": str(folder / "cache")}
    plan = await make_plan("evaluate", prompt, Options(environ=environ, flags=flags or {}))
    await plan.close()
    return plan


@pytest.mark.parametrize(
    ("settings", "judge"),
    [
        (["model: openai/a"], "openai/a"),
        (["model: openai/a", "apo.optimizer: openai/b"], "openai/b"),
        (["model: openai/a", "apo.optimizer: openai/b", "apo.judge: {model: openai/a}"], "openai/a"),
        (["model: openai/a", "apo.optimizer: openai/b", "apo.judge: {model: openai/c}"], "openai/c"),
        (["apo.optimizer: openai/b", "model: openai/a", "apo.judge: {model: openai/b}"], "openai/b"),
    ],
)
async def test_the_judge_is_the_model_named_else_the_optimizers_else_the_tasks(
    tmp_path: Path, settings: list[str], judge: str
) -> None:
    plan = await planned(tmp_path, *settings, "apo.metric: judge", flags={"judge": {"rubric": "Be kind."}})
    assert plan.judge_model is not None
    assert plan.judge_model.name == judge
    assert len(plan.models) == len({model.name for model in plan.models})
    assert not plan.local
    assert plan.function is None


async def test_other_metrics_have_no_judge(tmp_path: Path) -> None:
    plan = await planned(tmp_path, "model: openai/a", "apo.judge: {rubric: Be kind., model: openai/c}")
    assert (plan.judge_model, plan.calls_per_row) == (None, 1)


async def test_the_cap_on_calls_leaves_room_for_judgements(tmp_path: Path) -> None:
    settings = ["model: openai/a", "apo.metric: judge", "apo.judge: {rubric: Be kind., repeats: 3}"]
    plan = await planned(tmp_path, *settings, flags={"budget": {"calls": 80}})
    assert plan.calls_per_row == 4
    assert len(plan.open_rows) == 20
    with pytest.raises(BudgetError, match="no room for one row, which takes 4"):
        await planned(tmp_path, *settings, flags={"budget": {"calls": 3}})


async def test_a_blank_rubric_is_none(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="needs a rubric"):
        await planned(tmp_path, "model: openai/a", "apo.metric: judge", "apo.judge: ' '")


async def test_a_run_is_another_with_another_rubric_judge_or_function(tmp_path: Path) -> None:
    judged = ["model: openai/a", "apo.metric: judge"]
    plans = [
        await planned(tmp_path, *judged, "apo.judge: Be kind."),
        await planned(tmp_path, *judged, "apo.judge: Be brief."),
        await planned(tmp_path, *judged, "apo.judge: {rubric: Be kind., model: openai/c}"),
    ]
    for source in ("def score(a, e): return 1\n", "def score(a, e): return 0\n"):
        (tmp_path / "mine.py").write_text(source)
        plans.append(await planned(tmp_path, "model: openai/a", "apo.metric: mine:score"))
    assert len({experiment_id(plan) for plan in plans}) == len(plans)


async def test_planning_runs_no_code_and_says_that_the_run_would(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text("import pathlib\npathlib.Path(__file__).with_name('ran').touch()\n")
    plan = await planned(tmp_path, "model: openai/a", "apo.metric: mine:score")
    assert plan.function is not None
    assert not (tmp_path / "ran").exists()
