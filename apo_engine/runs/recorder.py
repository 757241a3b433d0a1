"""Records a run in the store while it goes on; whatever happens to the store, the run goes on."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from apo_engine.examples.example import Example
from apo_engine.private import is_private_root
from apo_engine.problems import Severity
from apo_engine.runs.plan import Plan
from apo_engine.runs.prompt_names import prompt_names
from apo_engine.runs.row_history import shown_sightings, sightings_of
from apo_engine.search.events import EVENT_FORMAT, AnyEvent, Noted, Progressed, encode
from apo_engine.search.reporter import Emit
from apo_engine.search.verdict import Look
from apo_engine.store import Looks, Sighting, Store, StoreError, WriterLock

# So many are written together: nobody waits for more when a run is stopped.
_SIGHTINGS_AT_ONCE = 20_000


class Recorder:
    """The record of one run. A store that fails once is not asked again; that is said once, as a warning."""

    def __init__(self, plan: Plan, run: str, experiment: str, lock: WriterLock | None, emit: Emit) -> None:
        self.run = run
        self.experiment = experiment
        self._plan = plan
        self._store: Store = plan.store
        self._lock = lock
        self._emit = emit
        self._failure = plan.history.failure
        self._waiting: list[bytes] = []
        self._writing: asyncio.Task[None] | None = None

    async def begin(self) -> tuple[Noted, ...]:
        """Add the run and its rows to the store; what is to be said about the store.

        Raises:
            BudgetError: the time was over before.
        """
        try:
            if not self._failure:
                await self._store.begin(self.run, self.experiment, EVENT_FORMAT)
                await self._record_rows()
        except StoreError as error:
            self._failure = str(error)
        notes = [Noted(notice, Severity.WARNING) for notice in await self._notices()]
        if self._failure:
            notes.append(Noted(self._unkept, Severity.WARNING))
        return tuple(notes)

    def record(self, event: AnyEvent) -> None:
        """Store an event soon, after those before it. Progress is left out: it is for those who watch."""
        if self._failure or isinstance(event, Progressed):
            return
        self._waiting.append(encode(event))
        if self._writing is None or self._writing.done():
            self._writing = asyncio.ensure_future(self._write())

    async def looks(self, rows: Sequence[Example], *, fresh: bool) -> Looks:
        """The looks before the one that is to be expected of this run, as far as they are known."""
        try:
            if not fresh and (repeated := await self._store.recorded_look(self.experiment)) is not None:
                return repeated
            return await self._store.looks(self._plan.history.fingerprints(rows))
        except StoreError:
            return Looks(None, 0)

    async def repeated_look(self, comparison: bytes) -> Look | None:
        """The look of this experiment in which this very comparison was shown before; None if there was none."""
        try:
            looks = await self._store.recorded_look(self.experiment, comparison)
        except StoreError:
            return None
        return None if looks is None else _look_of(looks)

    async def look(self, rows: Sequence[Example], winner: str = "") -> Look | None:
        """Record that this run opens these rows, for a ``winner`` of that text.

        When this returns, the look is on the disk; or it returns None, and the rows must stay sealed.
        """
        if self._failure:
            return None
        names = await asyncio.to_thread(prompt_names, self._plan, winner)
        try:
            fingerprints = self._plan.history.fingerprints(rows)
            return _look_of(await self._store.record_look(fingerprints, self.experiment, names))
        except StoreError as error:
            self._fail(error)
            return None

    async def complete_look(self, comparison: bytes) -> None:
        """Record what was compared in the look; without that, it is never shown again as the same look."""
        if self._failure:
            return
        try:
            await self._store.complete_look(self.experiment, comparison)
        except StoreError as error:
            self._fail(error)

    async def finish(self) -> None:
        """The run ended as it should: mark it as finished, once all its events are stored."""
        await self._flush()
        if not self._failure:
            try:
                await self._store.finish(self.run)
            except StoreError as error:
                self._fail(error)

    async def close(self) -> None:
        """Store what waits, and let another process run this experiment."""
        await self._flush()
        if self._lock is not None:
            await self._lock.release()

    async def _record_rows(self) -> None:
        # Whoever wants nothing kept has his looks counted all the same: rows that a run shows are not unseen any more.
        plan = self._plan
        sightings = await plan.deadline.run_in_thread(lambda _: _sightings(plan))
        # A run that is stopped in between has recorded the sides of some rows, and has shown none of them.
        for start in range(0, len(sightings), _SIGHTINGS_AT_ONCE):
            some = dict(sightings[start : start + _SIGHTINGS_AT_ONCE])
            await plan.deadline.bound(self._store.record_sightings(some))

    async def _write(self) -> None:
        while self._waiting and not self._failure:
            events, self._waiting = self._waiting, []
            try:
                await self._store.append(self.run, events)
            except StoreError as error:
                self._fail(error)

    async def _flush(self) -> None:
        if self._writing is not None:
            await asyncio.wait([self._writing])
        await self._write()

    async def _notices(self) -> tuple[str, ...]:
        try:
            return await self._store.notices()
        except StoreError:
            return ()

    def _fail(self, error: StoreError) -> None:
        if not self._failure:
            self._failure = str(error)
            self._emit(Noted(self._unkept, Severity.WARNING))

    @property
    def _unkept(self) -> str:
        kept = "This run" if is_private_root(self._plan.folder) else "This run and its answers"
        return (
            f"{kept} cannot be kept in {self._plan.folder} ({self._failure}). Hold-out rows stay sealed if looks at "
            "them cannot be counted. Set APO_CACHE_DIR to a folder that can be written."
        )


def _sightings(plan: Plan) -> Sequence[tuple[bytes, Sighting]]:
    if plan.whole is None or plan.rows is None:
        return [*shown_sightings(plan.history, plan.open_rows).items()]
    return [*sightings_of(plan.history, plan.whole, plan.rows).items()]


def _look_of(looks: Looks) -> Look:
    return Look(looks.earlier, looks.opened, looks.on_prompt, looks.began)
