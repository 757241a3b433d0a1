"""What the store knows of the rows of a plan, and what a run adds to that."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from apo_engine.examples.example import Example, ExampleSet
from apo_engine.examples.fingerprints import RowIdentity, identify
from apo_engine.examples.split import Split
from apo_engine.store import RowFingerprints, Side, Sighting, Store, StoreError, recognized


@dataclass(frozen=True, slots=True)
class RowHistory:
    """By row id: what identifies a row, the side that it was on before, and which rows an earlier run was shown.

    A row that was on several sides is held out: ``sides`` says ``holdout``. ``failure`` says why the store could not be
    read, empty if it could.
    """

    identities: Mapping[str, RowIdentity]
    sides: Mapping[str, Side]
    shown: frozenset[str]
    failure: str = ""

    @property
    def groups(self) -> Mapping[str, bytes]:
        """Rows of the same group belong on the same side."""
        return {row: identity.group for row, identity in self.identities.items()}

    def fingerprints(self, rows: Sequence[Example]) -> list[RowFingerprints]:
        """Those of some of the rows, in their order."""
        return [self.identities[row.id].fingerprints for row in rows]


async def read_history(
    store: Store, examples: ExampleSet, is_stopped: Callable[[], bool] = lambda: False
) -> RowHistory:
    """What the store knows of a set of rows; nothing if it cannot be read.

    If ``is_stopped``, asked for each row, says so, the result is incomplete: drop it.
    """
    identities = await asyncio.to_thread(identify, examples.rows, is_stopped)
    prints = [identity.fingerprints for identity in identities.values()]
    try:
        sightings = await store.sightings(sorted({name for row in prints for name in (*row.known_by, *row.hints)}))
    except StoreError as error:
        return RowHistory(identities, {}, frozenset(), str(error))
    sides: dict[str, Side] = {}
    shown = []
    for row, names in zip(identities, recognized(prints, sightings), strict=True):
        if names:
            known = {sightings[name].side for name in names}
            sides[row] = known.pop() if len(known) == 1 else "holdout"
            if any(sightings[name].shown for name in names):
                shown.append(row)
    return RowHistory(identities, sides, frozenset(shown))


def sightings_of(history: RowHistory, whole: Split, used: Split) -> Mapping[bytes, Sighting]:
    """What a run on the ``used`` rows of a split records: the side of every row, and which ones the run is shown.

    Nothing is recorded under a fingerprint that rows on several sides have.
    """
    shown = {row.id for row in (*used.critique, *used.selection)}
    sides: tuple[tuple[Side, Sequence[Example]], ...] = (
        ("critique", whole.critique),
        ("selection", whole.selection),
        ("holdout", whole.holdout),
    )
    on: dict[bytes, set[Side]] = {}
    found: dict[bytes, Sighting] = {}
    for side, rows in sides:
        for row in rows:
            prints = history.identities[row.id].fingerprints
            for name in (*prints.known_by, *prints.hints):
                on.setdefault(name, set()).add(side)
            for name in prints.recorded_as:
                before = found.get(name)
                found[name] = Sighting(side, row.id in shown or (before is not None and before.shown))
    return {name: sighting for name, sighting in found.items() if len(on[name]) == 1}


def shown_sightings(history: RowHistory, rows: Sequence[Example]) -> Mapping[bytes, Sighting]:
    """What a run that shows rows without splitting them records: from then on, a search may train on them."""
    names = (name for row in rows for name in history.identities[row.id].fingerprints.recorded_as)
    return dict.fromkeys(names, Sighting("critique", shown=True))
