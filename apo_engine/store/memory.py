"""A store that ends with its process: for tests, and for the runs of people who want nothing kept."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from apo_engine.store.protocol import (
    Looks,
    RowFingerprints,
    Sighting,
    StoredEvent,
    StoredRun,
    StoreError,
    WriterLock,
)
from apo_engine.store.recognition import recognized

# Of the rows of another set, few fit a hint of one execution by chance.
_FEWEST_FITTING, _FITTING_SHARE = 3, 0.1


class _Lock:
    def __init__(self, writers: dict[str, str], experiment: str) -> None:
        self._writers = writers
        self._experiment = experiment

    async def release(self) -> None:
        self._writers.pop(self._experiment, None)


@dataclass
class MemoryStore:
    """Everything in maps. It is shared by what shares the object, and by nothing else."""

    _runs: dict[str, StoredRun] = field(default_factory=dict)
    _events: dict[str, list[bytes]] = field(default_factory=dict)
    _writers: dict[str, str] = field(default_factory=dict)
    _sightings: dict[bytes, Sighting] = field(default_factory=dict)
    _looks: dict[bytes, set[int]] = field(default_factory=dict)
    _experiments: dict[str, list[tuple[Looks, bytes | None]]] = field(default_factory=dict)
    _prompts: dict[bytes, set[int]] = field(default_factory=dict)
    _executions: int = 0
    _began: float = field(default_factory=time.time)

    async def begin(self, run: str, experiment: str, event_format: int) -> None:
        """See `Store`."""
        if run in self._runs:
            raise StoreError(f"there is a run {run} already")
        now = time.time()
        self._runs[run] = StoredRun(run, experiment, now, now, "unfinished", event_format)
        self._events[run] = []

    async def append(self, run: str, events: Sequence[bytes]) -> None:
        """See `Store`."""
        if run in self._runs:
            self._events[run].extend(events)
            self._runs[run] = replace(self._runs[run], changed=time.time())

    async def finish(self, run: str) -> None:
        """See `Store`."""
        if run in self._runs:
            self._runs[run] = replace(self._runs[run], changed=time.time(), state="finished")

    async def runs(
        self, *, begins_with: str = "", experiment: str | None = None, most: int | None = None
    ) -> tuple[StoredRun, ...]:
        """See `Store`."""
        running = set(self._writers.values())
        found = [
            replace(run, state="running") if run.run in running and run.state != "finished" else run
            for run in reversed(self._runs.values())
            if run.run.startswith(begins_with) and experiment in (None, run.experiment)
        ]
        return tuple(found[:most])

    async def events(self, run: str, after: int = 0) -> tuple[StoredEvent, ...]:
        """See `Store`."""
        later = self._events.get(run, [])[after:]
        return tuple(StoredEvent(number, data) for number, data in enumerate(later, start=after + 1))

    async def size(self) -> tuple[int, int]:
        """See `Store`."""
        return len(self._runs), sum(len(data) for events in self._events.values() for data in events)

    async def clear(self) -> None:
        """See `Store`."""
        self._runs.clear()
        self._events.clear()

    async def lock(self, experiment: str, run: str) -> WriterLock | None:
        """See `Store`."""
        if experiment in self._writers:
            return None
        self._writers[experiment] = run
        return _Lock(self._writers, experiment)

    async def writer(self, experiment: str) -> str | None:
        """See `Store`."""
        return self._writers.get(experiment)

    async def sightings(self, fingerprints: Sequence[bytes]) -> Mapping[bytes, Sighting]:
        """See `Store`."""
        return {name: self._sightings[name] for name in fingerprints if name in self._sightings}

    async def record_sightings(self, sightings: Mapping[bytes, Sighting]) -> None:
        """See `Store`."""
        for name, sighting in sightings.items():
            known = self._sightings.setdefault(name, sighting)
            self._sightings[name] = replace(known, shown=known.shown or sighting.shown)

    async def looks(self, rows: Sequence[RowFingerprints]) -> Looks:
        """See `Store`."""
        return replace(looks_at(rows, self._looks, self._sightings), began=self._began)

    async def record_look(
        self, rows: Sequence[RowFingerprints], experiment: str, prompt: Sequence[bytes] = ()
    ) -> Looks:
        """See `Store`."""
        opened = set().union(*(self._prompts.get(name, ()) for name in prompt))
        found = replace(await self.looks(rows), on_prompt=len(opened))
        self._experiments.setdefault(experiment, []).append((found, None))
        self._executions += 1
        for row in rows:
            for name in row.recorded_as:
                self._looks.setdefault(name, set()).add(self._executions)
        for name in prompt:
            self._prompts.setdefault(name, set()).add(self._executions)
        return found

    async def complete_look(self, experiment: str, comparison: bytes) -> None:
        """See `Store`."""
        made = self._experiments[experiment]
        made[-1] = (made[-1][0], comparison)

    async def recorded_look(self, experiment: str, comparison: bytes | None = None) -> Looks | None:
        """See `Store`."""
        made = reversed(self._experiments.get(experiment, []))
        return next((looks for looks, digest in made if comparison in (None, digest)), None)

    async def notices(self) -> tuple[str, ...]:
        """See `Store`."""
        return ()

    async def close(self) -> None:
        """See `Store`."""


def looks_at(
    rows: Sequence[RowFingerprints],
    executions: Mapping[bytes, set[int]],
    sightings: Mapping[bytes, Sighting],
) -> Looks:
    """Count the looks at rows, given what is recorded under their fingerprints.

    An execution that only hints tell of counts if a tenth of the rows fit one: a single row may fit one by chance.
    """
    shown = {name for name, sighting in sightings.items() if sighting.shown}
    found = recognized(rows, executions.keys() | shown)
    proofs = [_executions(row.known_by, executions) for row in rows]
    hinted = [_executions(names, executions) for names in found]
    fitting = Counter(execution for one in hinted for execution in one)
    fewest = max(_FEWEST_FITTING, _FITTING_SHARE * len(rows))
    counts = []
    for names, proved, hints in zip(found, proofs, hinted, strict=True):
        opened = proved | {execution for execution in hints if fitting[execution] >= fewest}
        counts.append(max(len(opened), int(not shown.isdisjoint(names))))
    return Looks(max(counts, default=0) or None, sum(count > 0 for count in counts))


def _executions(names: Sequence[bytes], executions: Mapping[bytes, set[int]]) -> set[int]:
    return set().union(*(executions.get(name, ()) for name in names))
