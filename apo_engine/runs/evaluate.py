"""The job `evaluate`: one prompt on its open rows."""

from __future__ import annotations

from collections.abc import Sequence

from apo_engine.evaluation.evaluator import judged
from apo_engine.prompt.file import PromptFile
from apo_engine.runs.desk import Desk
from apo_engine.runs.execution import execute
from apo_engine.runs.options import Options
from apo_engine.runs.plan import Plan, make_plan
from apo_engine.runs.results import Evaluation, evaluation_of
from apo_engine.runs.stream import Job, Stop
from apo_engine.scoring.interval import figure_interval
from apo_engine.search.events import AnyEvent, CandidateScored, RunEnded, RunStarted
from apo_engine.search.reporter import Emit


def evaluate_job(prompt: PromptFile, options: Options) -> Job[Evaluation]:
    """The job that `apo evaluate` runs."""

    async def job(emit: Emit, _stop: Stop) -> Evaluation:
        plan = await make_plan("evaluate", prompt, options)
        return await execute(plan, options, emit, _evaluate, evaluation_from)

    return job


async def _evaluate(desk: Desk) -> Evaluation:
    evaluation = await score_open_rows(desk)
    spent = desk.reporter.spent()
    await desk.end(RunEnded("finished", "all rows are scored", desk.seed.candidate, spent, desk.seconds))
    return evaluation


def evaluation_from(plan: Plan, events: Sequence[AnyEvent]) -> Evaluation:
    """The evaluation that the events of a whole run tell."""
    started = next(event for event in events if isinstance(event, RunStarted))
    ended = next(event for event in events if isinstance(event, RunEnded))
    scored = next(event for event in events if isinstance(event, CandidateScored) and event.part == "open")
    return evaluation_of(started.run, scored.results, plan.metric, plan.examples.labels, ended.spent, ended.seconds)


async def score_open_rows(desk: Desk) -> Evaluation:
    """Score the user's prompt on every row that is not sealed, and tell."""
    rows = desk.plan.open_rows
    before = desk.reporter.spent().usd
    tick = desk.reporter.phase("Scoring your prompt", len(rows))
    results = await desk.evaluator.score(desk.plan.prompt, rows, tick)
    figures = judged(results)
    metric = desk.plan.metric
    evaluation = evaluation_of(
        desk.run, results, metric, desk.plan.examples.labels, desk.reporter.spent(), desk.seconds
    )
    usd = evaluation.spent.usd
    desk.reporter.emit(
        CandidateScored(
            candidate=desk.seed.id,
            part="open",
            score=metric.total(figures),
            interval=figure_interval(figures, metric),
            n=len(results),
            results=results,
            figures=evaluation.figures,
            usd=None if usd is None or before is None else usd - before,
        )
    )
    return evaluation
