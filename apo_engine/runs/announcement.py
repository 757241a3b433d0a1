"""What a run says first: models, rows, and the most that it may cost."""

from __future__ import annotations

from apo_engine.models import prices
from apo_engine.models.chat import Usage
from apo_engine.models.tokens import estimate_tokens
from apo_engine.prompt.render import Renderer
from apo_engine.runs.plan import CRITIQUE_GROUPS, MEASURED_FIXES, Plan
from apo_engine.search.arm import seed_arm
from apo_engine.search.events import Estimate, RowCounts, RunStarted

_SAMPLE = 20
_ANSWER_TOKENS = 8
# What a critic or editor is told besides the prompt and rows, and about what it writes.
_WRITING_TOKENS = 400


def announce(plan: Plan) -> RunStarted:
    """The first event of the plan's run."""
    rows = plan.rows
    counts = (
        RowCounts(len(rows.critique), len(rows.selection), len(rows.holdout))
        if rows
        else RowCounts(0, len(plan.open_rows), 0)
    )
    return RunStarted(
        run=plan.run,
        job=plan.job,
        prompt=seed_arm(plan.prompt).candidate,
        task_model=plan.task_model.name,
        optimizer_model=plan.optimizer_model.name,
        local=plan.task_model.local and plan.optimizer_model.local,
        metric=plan.metric.name,
        labels=plan.examples.labels,
        rows=counts,
        estimate=_estimate(plan, counts),
        seed=plan.settings.seed,
    )


def _estimate(plan: Plan, counts: RowCounts) -> Estimate:
    asked, written = _calls(plan, counts)
    calls = min(plan.settings.budget.calls, asked + written)
    sample = plan.examples.rows[:_SAMPLE]
    renderer = Renderer(plan.prompt)
    texts = [message.content for row in sample for message in renderer.messages(row.inputs)]
    per_row = sum(map(estimate_tokens, texts)) // max(1, len(sample))
    tasks = Usage(asked * per_row, 0 if plan.by_probability else asked * _ANSWER_TOKENS)
    # A critique or an edit is shown the prompt and a few rows, and answers with about as much as the prompt.
    shown = _WRITING_TOKENS + per_row * (1 + plan.settings.optimizer.group_size)
    meta = Usage(written * shown, written * (_WRITING_TOKENS + per_row))
    costs = (
        prices.price_of(plan.task_model, tasks),
        prices.price_of(plan.optimizer_model, meta) if written else 0.0,
    )
    known = [cost for cost in costs if cost is not None]
    total = tasks + meta
    return Estimate(calls, total.input + total.output, sum(known) if len(known) == len(costs) else None)


def _calls(plan: Plan, counts: RowCounts) -> tuple[int, int]:
    """The most calls of the task model, and of the optimizer model."""
    search, cap = plan.settings.optimizer, plan.settings.budget.calls
    rows = counts.critique + counts.selection
    if plan.job == "evaluate":
        return rows, 0
    critiques = 0 if plan.evidence_only else search.groups
    edits = critiques * search.reasons
    if plan.job == "gradients":
        if not plan.evidence_only:
            critiques = max(CRITIQUE_GROUPS, critiques)
        written = critiques + (MEASURED_FIXES if plan.fixes and critiques else 0)
        return rows + plan.fixes * MEASURED_FIXES * counts.selection, written
    per_parent = critiques + edits * search.edits * (1 + search.paraphrases)
    written = min(cap // 3, search.rounds * search.beam * per_parent)
    return cap - written, written
