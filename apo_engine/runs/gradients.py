"""The job `gradients`: why a prompt fails, and what one rewrite per reason would change."""

from __future__ import annotations

from dataclasses import replace

import msgspec

from apo_engine.evaluation.fanout import fan_out
from apo_engine.problems import Severity
from apo_engine.prompt.file import PromptFile
from apo_engine.runs.desk import Desk, open_desk
from apo_engine.runs.evaluate import score_open_rows
from apo_engine.runs.options import Options
from apo_engine.runs.plan import MEASURED_FIXES, make_plan
from apo_engine.runs.results import Critiques, Fix
from apo_engine.runs.stream import Job, Stop
from apo_engine.search.critic import Critic, Scored, failing, merged
from apo_engine.search.editor import Rejected
from apo_engine.search.events import CandidateDiscarded, CandidateProposed, GradientFound, RunEnded
from apo_engine.search.guard import Guard
from apo_engine.search.proposer import Proposals, Proposer
from apo_engine.search.reporter import Emit
from apo_engine.search.selection.halving import affordable


def gradients_job(prompt: PromptFile, options: Options, *, fixes: bool) -> Job[Critiques]:
    """The job that `apo gradients` runs, and the editor with ``fixes``."""

    async def job(emit: Emit, _stop: Stop) -> Critiques:
        plan = await make_plan("gradients", prompt, options, fixes=fixes)
        async with open_desk(plan, options, emit) as desk:
            evaluation = await score_open_rows(desk)
            made = await _criticise(desk, fixes=fixes)
            for gradient in made.gradients:
                desk.reporter.emit(GradientFound(desk.seed.id, gradient))
            measured = await _measure(desk, made) if fixes else ()
            spent = desk.reporter.spent()
            seed = desk.seed.candidate
            desk.end(
                RunEnded("finished", "the failures are criticised", seed, spent, desk.seconds)
                if made.gradients
                else RunEnded("no-failures", "every critique row is answered right", seed, spent, desk.seconds)
            )
            return Critiques(replace(evaluation, spent=spent, seconds=desk.seconds), made.gradients, measured)

    return job


async def _criticise(desk: Desk, *, fixes: bool) -> Proposals:
    assert desk.plan.rows is not None
    rows = desk.plan.rows.critique
    scored = list(zip(rows, desk.evaluator.known(desk.plan.prompt, rows), strict=False))
    if not failing(scored):
        return Proposals((), ())
    # One rewrite a reason, in the words of its edit: a paraphrase would measure something else.
    settings = msgspec.structs.replace(desk.plan.settings.optimizer, edits=1, paraphrases=0)
    tick = desk.reporter.phase("Asking why rows fail", 1)
    pairs = desk.proposers(settings) if fixes else desk.critics(settings)
    made = await _ask(desk, pairs[0], scored)
    if not made.gradients and pairs[0] is not pairs[1]:
        desk.reporter.note(
            f"The optimizer model is too weak for this: none of its {made.asked} answers held a critique. "
            "Counted evidence takes its place.",
            Severity.WARNING,
        )
        made = await _ask(desk, pairs[1], scored)
    tick()
    return made


async def _ask(desk: Desk, asked: Critic | Proposer, scored: list[Scored]) -> Proposals:
    if isinstance(asked, Critic):
        looks = await fan_out(asked.criticise(desk.seed, scored, 1))
        found = [gradient for look in looks for gradient in look.gradients]
        return Proposals(merged(found, len(failing(scored))), (), len(looks), sum(look.unreadable for look in looks))
    return await asked.propose(desk.seed, scored, 1)


async def _measure(desk: Desk, made: Proposals) -> tuple[Fix, ...]:
    """Score one sound rewrite for each of the leading gradients on selection rows, in pairs with the prompt."""
    task = desk.search_task()
    guard = Guard(task.seed, (*task.rows.critique, *task.rows.selection))
    known = {task.seed.id}
    fixes: dict[str, Fix] = {}
    arms = []
    wanted = [gradient.id for gradient in made.gradients[:MEASURED_FIXES]]
    for rewrite in made.rewrites:
        if isinstance(rewrite, Rejected):
            discarded = CandidateDiscarded(rewrite.parent, rewrite.operator, rewrite.gradient, rewrite.reason)
            desk.reporter.emit(discarded)
            continue
        gradient = rewrite.candidate.gradient
        if gradient is None or gradient not in wanted or gradient in fixes:
            continue
        refusal = guard.refusal(rewrite.prompt, known, rewrite.id)
        if refusal is not None:
            desk.reporter.emit(CandidateDiscarded(task.seed.id, rewrite.candidate.operator, gradient, refusal))
            continue
        known.add(rewrite.id)
        arms.append(rewrite)
        fixes[gradient] = Fix(gradient, rewrite.candidate)
        desk.reporter.emit(CandidateProposed(rewrite.candidate))
    # The hold-out stays sealed here, so what is set aside for it need not be spared.
    left = desk.budget.remaining_calls
    n = len(task.race.rows) if left is None else affordable(task.race, arms, left)
    tick = desk.reporter.phase(f"Measuring {len(arms)} rewrites", len(arms) * n)
    await task.race.extend(arms, n, tick)
    for arm in arms:
        task.report_scored(arm, "selection", task.race.rows)
    return tuple(fixes.values())
