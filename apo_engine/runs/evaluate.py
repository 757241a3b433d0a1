"""The job `evaluate`: one prompt on its open rows."""

from __future__ import annotations

from apo_engine.evaluation.evaluator import judged
from apo_engine.prompt.file import PromptFile
from apo_engine.runs.desk import Desk, open_desk
from apo_engine.runs.options import Options
from apo_engine.runs.plan import make_plan
from apo_engine.runs.results import Evaluation, evaluation_of
from apo_engine.runs.stream import Job, Stop
from apo_engine.scoring.interval import figure_interval
from apo_engine.search.events import CandidateScored, RunEnded
from apo_engine.search.reporter import Emit


def evaluate_job(prompt: PromptFile, options: Options) -> Job[Evaluation]:
    """The job that `apo evaluate` runs."""

    async def job(emit: Emit, _stop: Stop) -> Evaluation:
        plan = await make_plan("evaluate", prompt, options)
        async with open_desk(plan, options, emit) as desk:
            evaluation = await score_open_rows(desk)
            spent = desk.reporter.spent()
            desk.end(RunEnded("finished", "all rows are scored", desk.seed.candidate, spent, desk.seconds))
            return evaluation

    return job


async def score_open_rows(desk: Desk) -> Evaluation:
    """Score the user's prompt on every row that is not sealed, and tell."""
    rows = desk.plan.open_rows
    before = desk.reporter.spent().usd
    tick = desk.reporter.phase("Scoring your prompt", len(rows))
    results = await desk.evaluator.score(desk.plan.prompt, rows, tick)
    figures = judged(results)
    metric = desk.plan.metric
    evaluation = evaluation_of(
        desk.plan.run, results, metric, desk.plan.examples.labels, desk.reporter.spent(), desk.seconds
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
