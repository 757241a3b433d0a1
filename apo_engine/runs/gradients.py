"""The job `gradients`: why a prompt fails, and what one rewrite per reason would change."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace

import msgspec

from apo_engine.evaluation.fanout import fan_out
from apo_engine.problems import Severity
from apo_engine.prompt.file import PromptFile
from apo_engine.runs.desk import Desk
from apo_engine.runs.evaluate import evaluation_from, score_open_rows
from apo_engine.runs.execution import execute
from apo_engine.runs.options import Options
from apo_engine.runs.plan import CRITIQUE_GROUPS, MEASURED_FIXES, Plan, make_plan
from apo_engine.runs.results import Critiques, Fix
from apo_engine.runs.stream import Job, Stop
from apo_engine.search.arm import Arm
from apo_engine.search.candidate import Candidate
from apo_engine.search.confusion import Scored, failing
from apo_engine.search.critic import merged
from apo_engine.search.editor import Rejected, Rewrite
from apo_engine.search.events import AnyEvent, CandidateDiscarded, CandidateProposed, GradientFound, RunEnded
from apo_engine.search.gradient import Gradient
from apo_engine.search.guard import Guard, looked_at
from apo_engine.search.race import affordable
from apo_engine.search.reporter import Emit

# So that a look at why a prompt fails shows the critic all failures, or at least many.
_LARGEST_GROUP = 12


def gradients_job(prompt: PromptFile, options: Options, *, fixes: bool) -> Job[Critiques]:
    """The job that `apo gradients` runs, and the editor with ``fixes``."""

    async def job(emit: Emit, _stop: Stop) -> Critiques:
        plan = await make_plan("gradients", prompt, options, fixes=fixes)

        async def work(desk: Desk) -> Critiques:
            return await _find(desk, prompt, fixes=fixes)

        return await execute(plan, options, emit, work, _critiques_from)

    return job


async def _find(desk: Desk, prompt: PromptFile, *, fixes: bool) -> Critiques:
    evaluation = await score_open_rows(desk)
    assert desk.plan.rows is not None
    scored = list(zip(desk.plan.rows.critique, desk.evaluator.known(prompt, desk.plan.rows.critique), strict=False))
    gradients = await _criticise(desk, scored) if failing(scored) else ()
    for gradient in gradients:
        desk.reporter.emit(GradientFound(desk.seed.id, gradient))
    measured = await _measure(desk, gradients, scored) if fixes and gradients else ()
    spent = desk.reporter.spent()
    seed = desk.seed.candidate
    await desk.end(
        RunEnded("finished", "the failures are criticised", seed, spent, desk.seconds)
        if gradients
        else RunEnded("no-failures", "every critique row is answered right", seed, spent, desk.seconds)
    )
    return Critiques(replace(evaluation, spent=spent, seconds=desk.seconds), gradients, measured)


def _critiques_from(plan: Plan, events: Sequence[AnyEvent]) -> Critiques:
    """The critiques that the events of a whole run tell."""
    gradients = tuple(event.gradient for event in events if isinstance(event, GradientFound))
    proposed = [event.candidate for event in events if isinstance(event, CandidateProposed)]
    fixes: dict[str, Fix] = {}
    for candidate in proposed:
        gradient = _fixed(candidate, gradients[:MEASURED_FIXES], fixes)
        if gradient is not None:
            fixes[gradient] = Fix(gradient, candidate)
    return Critiques(evaluation_from(plan, events), gradients, tuple(fixes.values()))


def _fixed(candidate: Candidate, leading: Sequence[Gradient], fixes: Mapping[str, Fix]) -> str | None:
    """The gradient, of those that need a fix yet, that a rewrite fixes."""
    needed = {gradient.id for gradient in leading} - fixes.keys()
    return next((name for name in candidate.gradients if name in needed), None)


async def _criticise(desk: Desk, scored: Sequence[Scored]) -> tuple[Gradient, ...]:
    settings = desk.plan.settings.optimizer
    groups = max(CRITIQUE_GROUPS, settings.groups)
    size = min(_LARGEST_GROUP, max(settings.group_size, math.ceil(len(failing(scored)) / groups)))
    critic, fallback = desk.critics(msgspec.structs.replace(settings, groups=groups, group_size=size))
    tick = desk.reporter.phase("Asking why rows fail", 1)
    looks = await fan_out(critic.criticise(desk.seed, scored, 1, groups))
    if all(look.unreadable for look in looks):
        desk.reporter.note(
            f"The optimizer model is too weak for this: none of its {len(looks)} answers held a critique. "
            "Counted evidence takes its place.",
            Severity.WARNING,
        )
        looks = await fan_out(fallback.criticise(desk.seed, scored, 1, groups))
    tick()
    return merged([gradient for look in looks for gradient in look.gradients], len(failing(scored)))


async def _rewrites(desk: Desk, gradients: Sequence[Gradient], scored: Sequence[Scored]) -> Sequence[Rewrite]:
    """One rewrite per gradient of a model; for counted evidence, worked examples and a rule."""
    if all(gradient.source == "evidence" for gradient in gradients):
        _, evidence = desk.proposers(desk.plan.settings.optimizer)
        return (await evidence.propose(desk.seed, scored, 1, MEASURED_FIXES, _at_leisure)).rewrites
    editor = desk.editor(desk.plan.settings.optimizer)
    return await fan_out(editor.edit(desk.seed, (gradient,), failing(scored), 1) for gradient in gradients)


async def _at_leisure(arm: Arm) -> None:
    """Fixes are scored together, once all are there."""


async def _measure(desk: Desk, gradients: Sequence[Gradient], scored: Sequence[Scored]) -> tuple[Fix, ...]:
    """Score one sound rewrite for each of the leading gradients on selection rows, in pairs with the prompt."""
    leading = gradients[:MEASURED_FIXES]
    rewrites = await _rewrites(desk, leading, scored)
    task = desk.search_task()
    guard = Guard(task.seed, (*task.rows.critique, *task.rows.selection))
    known = {task.seed.id}
    fixes: dict[str, Fix] = {}
    arms = []
    for rewrite in rewrites:
        if isinstance(rewrite, Rejected):
            discarded = CandidateDiscarded(rewrite.parent, rewrite.operator, rewrite.gradients, rewrite.reason)
            desk.reporter.emit(discarded)
            continue
        gradient = _fixed(rewrite.candidate, leading, fixes)
        if gradient is None:
            continue
        refusal = guard.refusal(rewrite.prompt, known, rewrite.id)
        if refusal is not None:
            desk.reporter.emit(CandidateDiscarded(task.seed.id, rewrite.candidate.operator, (gradient,), refusal))
            continue
        known.add(rewrite.id)
        arm = looked_at(rewrite, guard)
        arms.append(arm)
        fixes[gradient] = Fix(gradient, arm.candidate)
        desk.reporter.emit(CandidateProposed(arm.candidate))
    # The hold-out stays sealed here, so what is set aside for it need not be spared.
    left = desk.budget.remaining_calls
    n = len(task.race.rows) if left is None else affordable(task.race, arms, left)
    tick = desk.reporter.phase(f"Measuring {len(arms)} rewrites", len(arms) * n)
    await task.race.extend(arms, n, tick)
    for arm in arms:
        task.report_scored(arm, "selection", task.race.rows)
    return tuple(fixes.values())
