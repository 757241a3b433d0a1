"""Who runs an experiment: this process, or another one whose run is followed, or one that is finished and replayed."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

from apo_engine.problems import Severity
from apo_engine.runs.desk import Desk, open_desk
from apo_engine.runs.experiment import experiment_id
from apo_engine.runs.options import Options
from apo_engine.runs.plan import Plan
from apo_engine.runs.recorder import Recorder
from apo_engine.runs.secret_free import secrets_of, without_secrets
from apo_engine.runs.stored_run import StoredEvents, finished_events, read_events
from apo_engine.search.events import AnyEvent, Noted, RunEnded
from apo_engine.search.reporter import Emit
from apo_engine.store import Store, StoreError, WriterLock, new_ulid

ResultT = TypeVar("ResultT")
_POLL_SECONDS = 0.2


async def execute(
    plan: Plan,
    options: Options,
    emit: Emit,
    work: Callable[[Desk], Awaitable[ResultT]],
    result_of: Callable[[Plan, Sequence[AnyEvent]], ResultT],
    *,
    resume: bool = False,
) -> ResultT:
    """The result of a plan, which is closed afterwards.

    With ``resume``, a finished run of the same experiment is replayed. While another process runs the experiment, its
    run is followed, also by a ``fresh`` one; if it ends without a result, this process goes on with a run of its own.
    """
    try:
        experiment = await plan.deadline.run_in_thread(lambda _: experiment_id(plan))
        if resume:
            finished = await _finished(plan.store, experiment)
            if finished is not None:
                run, events = finished
                emit(Noted(f"Run {run} is finished: this is its result, nothing was asked again."))
                return _replayed(plan, emit, events, result_of)
        run = new_ulid()
        claim = _Claim(plan.store, experiment, run, emit)
        lock, followed = await claim.take()
        if followed is not None:
            return result_of(plan, followed)
        recorder = Recorder(plan, run, experiment, lock, emit)
        try:
            async with open_desk(plan, options, emit, recorder) as desk:
                return without_secrets(await work(desk), secrets_of(plan))
        finally:
            await asyncio.shield(recorder.close())
    finally:
        await plan.close()


async def _finished(store: Store, experiment: str) -> tuple[str, Sequence[AnyEvent]] | None:
    try:
        return await finished_events(store, experiment)
    except StoreError:
        return None


def _replayed(
    plan: Plan, emit: Emit, events: Sequence[AnyEvent], result_of: Callable[[Plan, Sequence[AnyEvent]], ResultT]
) -> ResultT:
    # It was stored when other keys were in use, or by a version that missed one.
    told = [without_secrets(event, secrets_of(plan)) for event in events]
    for event in told:
        emit(event)
    return result_of(plan, told)


class _Claim:
    """Asks for the right to run an experiment, and follows whoever has it until then."""

    def __init__(self, store: Store, experiment: str, run: str, emit: Emit) -> None:
        self._store = store
        self._experiment = experiment
        self._run = run
        self._emit = emit
        self._writer = ""
        self._seen = StoredEvents()

    async def take(self) -> tuple[WriterLock | None, Sequence[AnyEvent] | None]:
        """The lock, which is missing if the store fails; or the events of another process's run, which has ended."""
        try:
            while (lock := await self._store.lock(self._experiment, self._run)) is None:
                await self._follow()
                await asyncio.sleep(_POLL_SECONDS)
        except StoreError:
            return None, None
        try:
            if self._writer and await self._has_ended():
                await lock.release()
                return None, self._seen.events
        except StoreError:
            pass
        return lock, None

    async def _follow(self) -> None:
        writer = await self._store.writer(self._experiment)
        if writer is not None and writer != self._writer:
            self._writer, self._seen = writer, StoredEvents()
            self._emit(Noted(f"Another process runs this experiment: following run {writer}."))
        if self._writer:
            await self._read()

    async def _read(self) -> None:
        for event in await read_events(self._store, self._writer, self._seen):
            self._emit(event)

    async def _has_ended(self) -> bool:
        """Whether the run that was followed has a result; else the user is told that it goes on here."""
        await self._read()
        last = self._seen.events[-1] if self._seen.events else None
        if isinstance(last, RunEnded) and last.stopped != "cancelled" and not self._seen.skipped:
            return True
        message = f"Run {self._writer} ended without a result: this process goes on as run {self._run}."
        self._emit(Noted(message, Severity.WARNING))
        return False
