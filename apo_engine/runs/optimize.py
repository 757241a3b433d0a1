"""The job `optimize`: the search, and the verdict on its winner."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Sequence

import msgspec

from apo_engine.evaluation.fanout import fan_out
from apo_engine.evaluation.figures import figures_of
from apo_engine.examples.example import Example
from apo_engine.problems import BudgetError, ModelError, Severity
from apo_engine.prompt.file import PromptFile
from apo_engine.runs.desk import Desk
from apo_engine.runs.execution import execute
from apo_engine.runs.options import Options
from apo_engine.runs.plan import Plan, make_plan
from apo_engine.runs.results import Optimization
from apo_engine.runs.stream import Job, Stop
from apo_engine.search.arm import Arm
from apo_engine.search.events import (
    AnyEvent,
    CandidateScored,
    HoldoutOpened,
    RunEnded,
    RunStarted,
    Verdict,
    VerdictReached,
)
from apo_engine.search.optimizer import Found
from apo_engine.search.pool import Pool
from apo_engine.search.reporter import Emit
from apo_engine.search.task import SearchTask
from apo_engine.search.verdict import Look, judge

# With a cap on time, the search ends at this share of it: the rest is for the verdict.
_SEARCH_SHARE = 0.8
_UNRECORDED = (
    "There is no verdict: the hold-out stays sealed, because the look at it cannot be recorded. "
    "Set APO_CACHE_DIR to a folder that can be written, then run again."
)


def optimize_job(prompt: PromptFile, options: Options, *, judge_always: bool = False) -> Job[Optimization]:
    """The job that `apo optimize` runs; with ``judge_always``, the hold-out is opened even if nothing beat the seed."""

    async def job(emit: Emit, stop: Stop) -> Optimization:
        plan = await make_plan("optimize", prompt, options)
        told: list[AnyEvent] = []

        def tell(event: AnyEvent) -> None:
            told.append(event)
            emit(event)

        async def work(desk: Desk) -> Optimization:
            # What another process told before does not belong to this run.
            told[:] = [event for event in told if isinstance(event, RunStarted)][-1:]
            await _optimize(desk, stop, judge_always=judge_always)
            return optimization_of(told)

        return await execute(plan, options, tell, work, _result_of, resume=options.resume)

    return job


def _result_of(_plan: Plan, events: Sequence[AnyEvent]) -> Optimization:
    return optimization_of(events)


async def _optimize(desk: Desk, stop: Stop, *, judge_always: bool) -> None:
    task = desk.search_task()
    pool = Pool(task)
    unfinished = False
    code = ""
    try:
        found = await _search(desk, task, pool)
        if judge_always or found.best.id != task.seed.id:
            await _judge(desk, task, found.best)
    except asyncio.CancelledError:
        if not stop.requested:
            raise
        found = pool.found("cancelled", "stopped on request; what was answered is kept")
        unfinished = True
    except (BudgetError, ModelError) as error:
        if desk.evaluator.known(task.seed.prompt, task.race.rows[:1]) == ():
            raise
        found = pool.found("budget" if isinstance(error, BudgetError) else "endpoint", str(error))
        code = error.problems[0].code
        unfinished = True
    await desk.end(
        RunEnded(
            stopped=found.stopped,
            reason=found.reason,
            best=found.best.candidate,
            spent=desk.reporter.spent(),
            seconds=desk.seconds,
            operators=pool.lineage(found.best),
            code=code,
        ),
        finished=not unfinished,
    )


async def _search(desk: Desk, task: SearchTask, pool: Pool) -> Found:
    seconds = desk.plan.settings.budget.seconds
    # With many rows, counting what is to be learned of them takes seconds.
    search = await desk.budget.deadline.run_in_thread(lambda _: desk.search(task, pool))
    try:
        return await asyncio.wait_for(search.run(), desk.budget.deadline.remaining_of(_SEARCH_SHARE))
    except TimeoutError:
        if not desk.evaluator.known(task.seed.prompt, task.race.rows[:1]):
            raise desk.budget.deadline.over() from None
        reason = f"the time for searching, {_SEARCH_SHARE:.0%} of {seconds:g} s, is over"
        return pool.found("budget", reason)
    finally:
        await task.race.stop()


async def _cached_look(desk: Desk, arms: Sequence[Arm], rows: tuple[Example, ...]) -> Look | None:
    """The look at the hold-out, given that the prompts can be scored on it from cached answers alone.

    The scores are then known before the look, so that it can be told from the one in which they were shown before: only
    the same texts with the same answers and scores are the same comparison. The same model answers may be scored
    otherwise, by a metric that is random or reads a clock or a file; that is another comparison, and another look.
    None if it cannot be recorded.
    """
    assert desk.recorder is not None
    comparison = _comparison(desk, arms, rows)
    repeated = await desk.recorder.repeated_look(comparison)
    if repeated is not None:
        return repeated
    look = await desk.recorder.look(desk.plan.verdict_rows, arms[-1].prompt.text)
    if look is not None:
        await desk.recorder.complete_look(comparison)
    return look


def _comparison(desk: Desk, arms: Sequence[Arm], rows: tuple[Example, ...]) -> bytes:
    """A digest of all that a verdict rests on: the texts, and their answers and scores on every row."""
    compared = [
        (
            arm.prompt.text,
            [
                (result.row, result.expected, result.answer, result.predicted, result.score, result.marks)
                for result in desk.evaluator.known(arm.prompt, rows)
            ],
        )
        for arm in arms
    ]
    return hashlib.sha256(msgspec.json.encode(compared)).digest()


async def _judge(desk: Desk, task: SearchTask, winner: Arm) -> None:
    """Open the hold-out for the seed and the winner, and say the verdict; not if the look cannot be recorded."""
    rows, arms = task.rows.holdout, (task.seed, winner)
    recorder = desk.recorder
    assert recorder is not None
    is_complete = await desk.has_answers(arms, rows)
    # No row is sent before its look is on the disk: whoever kills the process then has looked.
    look = await (
        _cached_look(desk, arms, rows) if is_complete else recorder.look(desk.plan.verdict_rows, winner.prompt.text)
    )
    if look is None:
        desk.reporter.note(_UNRECORDED, Severity.WARNING)
        return
    desk.reporter.emit(HoldoutOpened(len(rows), look.earlier))
    tick = desk.reporter.phase("Judging the winner on unseen rows", 2 * len(rows))
    await fan_out(task.evaluator.score(arm.prompt, rows, tick) for arm in arms)
    if not is_complete:
        await recorder.complete_look(_comparison(desk, arms, rows))
    for arm in {task.seed.id: task.seed, winner.id: winner}.values():
        task.report_scored(arm, "holdout", rows)
    # Resampling F1 over many labels takes as long as some answers do; whoever waits for this loop should not.
    comparing = asyncio.to_thread(task.compared, winner, rows, look.confidence)
    comparison = await desk.budget.deadline.bound(comparing)
    assert comparison is not None
    start, best = (
        figures_of(task.evaluator.known(arm.prompt, rows), task.evaluator.metric, desk.plan.examples.labels)
        for arm in arms
    )
    desk.reporter.emit(VerdictReached(judge(comparison, look, start, best)))


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
        experiment=started.experiment,
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
        code=ended.code,
    )
