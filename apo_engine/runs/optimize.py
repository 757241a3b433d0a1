"""The job `optimize`: the search, and the verdict on its winner."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Sequence

from apo_engine.evaluation.fanout import fan_out
from apo_engine.examples.example import Example
from apo_engine.problems import BudgetError, ModelError
from apo_engine.prompt.file import PromptFile
from apo_engine.runs.desk import Desk, open_desk
from apo_engine.runs.options import Options
from apo_engine.runs.plan import Plan, make_plan
from apo_engine.runs.results import Optimization
from apo_engine.runs.store import RunStore
from apo_engine.runs.stream import Job, Stop
from apo_engine.search.apo import ApoSearch, Found
from apo_engine.search.arm import Arm
from apo_engine.search.events import (
    AnyEvent,
    CandidateScored,
    HoldoutOpened,
    Noted,
    RunEnded,
    RunStarted,
    Verdict,
    VerdictReached,
)
from apo_engine.search.reporter import Emit
from apo_engine.search.selection.halving import SuccessiveHalving
from apo_engine.search.task import SearchTask
from apo_engine.search.verdict import confidence_after, judge

# With a cap on time, the search ends at this share of it: the rest is for the verdict.
_SEARCH_SHARE = 0.8


def optimize_job(prompt: PromptFile, options: Options) -> Job[Optimization]:
    """The job that `apo optimize` runs."""

    async def job(emit: Emit, stop: Stop) -> Optimization:
        plan = await make_plan("optimize", prompt, options)
        if options.resume:
            earlier = finished_run(plan)
            if earlier is not None:
                await plan.close()
                emit(Noted(f"Run {plan.run} is finished: this is its result, nothing was asked again."))
                for event in earlier:
                    emit(event)
                return optimization_of(earlier)
        told: list[AnyEvent] = []

        def tell(event: AnyEvent) -> None:
            told.append(event)
            emit(event)

        async with open_desk(plan, options, tell) as desk:
            await _optimize(desk, stop)
        return optimization_of(told)

    return job


async def _optimize(desk: Desk, stop: Stop) -> None:
    task = desk.search_task()
    proposer, fallback = desk.proposers(task.settings)
    search = ApoSearch(task, proposer, fallback, SuccessiveHalving())
    unfinished = False
    try:
        found = await _search(desk, search)
        if found.best.id != task.seed.id:
            await _judge(desk, task, found.best)
    except asyncio.CancelledError:
        if not stop.requested:
            raise
        found = Found(search.best, "cancelled", "stopped on request; what was answered is kept")
        unfinished = True
    except (BudgetError, ModelError) as error:
        if desk.evaluator.known(task.seed.prompt, task.race.rows[:1]) == ():
            raise
        found = Found(search.best, "budget" if isinstance(error, BudgetError) else "endpoint", str(error))
        unfinished = True
    desk.end(
        RunEnded(
            stopped=found.stopped,
            reason=found.reason,
            best=found.best.candidate,
            spent=desk.reporter.spent(),
            seconds=desk.seconds,
            operators=search.lineage(found.best),
        ),
        finished=not unfinished,
    )


async def _search(desk: Desk, search: ApoSearch) -> Found:
    seconds = desk.plan.settings.budget.seconds
    try:
        return await asyncio.wait_for(search.run(), None if seconds is None else _SEARCH_SHARE * seconds)
    except asyncio.TimeoutError:
        reason = f"the time for searching, {_SEARCH_SHARE:.0%} of {seconds:g} s, is over"
        return search.found("budget", reason)


async def _judge(desk: Desk, task: SearchTask, winner: Arm) -> Verdict:
    rows = task.rows.holdout
    assert desk.plan.whole is not None
    # Any part of a hold-out is a look at it.
    name = fingerprint_of(desk.plan.whole.holdout)
    earlier = desk.store.open_holdout(name, desk.plan.run)
    desk.reporter.emit(HoldoutOpened(name, len(rows), earlier))
    tick = desk.reporter.phase("Judging the winner on unseen rows", 2 * len(rows))
    await fan_out(task.evaluator.score(arm.prompt, rows, tick) for arm in (task.seed, winner))
    for arm in (task.seed, winner):
        task.report_scored(arm, "holdout", rows)
    comparison = task.compared(winner, rows, confidence_after(earlier))
    assert comparison is not None
    verdict = judge(comparison, earlier)
    desk.reporter.emit(VerdictReached(verdict))
    return verdict


def fingerprint_of(rows: Sequence[Example]) -> str:
    """Names a set of rows by content, whatever their order."""
    return hashlib.sha256("\n".join(sorted(row.id for row in rows)).encode()).hexdigest()[:16]


def finished_run(plan: Plan) -> Sequence[AnyEvent] | None:
    """The events of this very run, if it ended before."""
    return RunStore(plan.folder).events(plan.run)


def optimization_of(events: Sequence[AnyEvent]) -> Optimization:
    """The result that a whole stream of events tells, live or from the store.

    Raises:
        ValueError: the stream has no beginning or no end.
    """
    started = next((event for event in events if isinstance(event, RunStarted)), None)
    ended = next((event for event in events if isinstance(event, RunEnded)), None)
    if started is None or ended is None:
        raise ValueError("not a whole run")
    scores: dict[str, CandidateScored] = {}
    verdict: Verdict | None = None
    for event in events:
        if isinstance(event, CandidateScored) and event.part == "selection":
            scores[event.candidate] = event
        elif isinstance(event, VerdictReached):
            verdict = event.verdict
    start, best = started.prompt, ended.best
    own = scores.get(start.id)
    against = scores[best.id].against_seed if best.id in scores else None
    return Optimization(
        run=started.run,
        start=start,
        best=best,
        start_score=against.start if against else own.score if own else 0.0,
        best_score=against.best if against else own.score if own else 0.0,
        n=against.n if against else own.n if own else 0,
        verdict=verdict,
        operators=ended.operators,
        stopped=ended.stopped,
        reason=ended.reason,
        spent=ended.spent,
        seconds=ended.seconds,
    )
