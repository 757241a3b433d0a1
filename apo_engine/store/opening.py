"""Which back end a run uses."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from apo_engine.store.memory import MemoryStore
from apo_engine.store.protocol import Looks, RowFingerprints, Sighting, Store
from apo_engine.store.sqlite import SqliteStore

FILE = "store.sqlite"


def open_store(folder: Path, *, keeps_runs: bool = True) -> Store:
    """The store in a cache folder. Unless it ``keeps_runs``, nothing but fingerprints of rows is written there."""
    kept = SqliteStore(folder / FILE)
    return kept if keeps_runs else _RowsAlone(kept)


class _RowsAlone(MemoryStore):
    """Runs in memory, and what is recorded of rows in another store: without it, looks could not be counted."""

    def __init__(self, rows: Store) -> None:
        super().__init__()
        self._rows = rows

    async def sightings(self, fingerprints: Sequence[bytes]) -> Mapping[bytes, Sighting]:
        """See `Store`."""
        return await self._rows.sightings(fingerprints)

    async def record_sightings(self, sightings: Mapping[bytes, Sighting]) -> None:
        """See `Store`."""
        await self._rows.record_sightings(sightings)

    async def looks(self, rows: Sequence[RowFingerprints]) -> Looks:
        """See `Store`."""
        return await self._rows.looks(rows)

    async def record_look(
        self, rows: Sequence[RowFingerprints], experiment: str, prompt: Sequence[bytes] = ()
    ) -> Looks:
        """See `Store`."""
        return await self._rows.record_look(rows, experiment, prompt)

    async def complete_look(self, experiment: str, comparison: bytes) -> None:
        """See `Store`."""
        await self._rows.complete_look(experiment, comparison)

    async def recorded_look(self, experiment: str, comparison: bytes | None = None) -> Looks | None:
        """See `Store`."""
        return await self._rows.recorded_look(experiment, comparison)

    async def notices(self) -> tuple[str, ...]:
        """See `Store`."""
        return await self._rows.notices()

    async def close(self) -> None:
        """See `Store`."""
        await self._rows.close()
