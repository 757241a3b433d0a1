"""What was asked: an experiment is named by everything that its runs depend on."""

from __future__ import annotations

import hashlib
from importlib.resources import files

import msgspec

from apo_engine.runs.plan import Plan

# Raise it when the same question takes another path than before: no run of an older engine then answers it.
_ENGINE = 1
_LENGTH = 32


def experiment_id(plan: Plan) -> str:
    """A hash of all that the path of a run depends on: the same question has the same name.

    These are the job, the prompt with its partials, the rows and their sides, the settings, the models, the scoring
    code, and the optimizer's own prompts with their partials, each by its content.
    """
    settings = msgspec.to_builtins(plan.settings)
    del settings["concurrency"], settings["endpoints"], settings["keep"]
    # What a run may spend in money and time says when it must stop, not which way it goes.
    settings["budget"] = {key: settings["budget"][key] for key in ("calls", "tokens")}
    rows = plan.rows
    judge = files("apo_engine.evaluation") / "meta" / "judge.prompt"
    asked = {
        "engine": _ENGINE,
        "job": plan.job,
        "fixes": plan.fixes,
        "prompt": plan.prompt.text,
        "partials": dict(plan.partials),
        "meta": dict(plan.meta.texts) if plan.meta else None,
        "rows": plan.examples.fingerprint,
        "sides": [
            [row.id for row in side]
            for side in ((rows.critique, rows.selection, rows.holdout) if rows else (plan.open_rows,))
        ],
        "settings": settings,
        "models": [model.identity for model in (plan.task_model, plan.optimizer_model, plan.judge_model) if model],
        "judge": judge.read_text("utf-8") if plan.judge_model else None,
        "code": plan.function.digest if plan.function else None,
    }
    return hashlib.sha256(msgspec.json.encode(asked, order="deterministic")).hexdigest()[:_LENGTH]
