"""What the store knows of the rows of a plan, and what a run adds to that."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from apo_engine.examples.example import Example, ExampleSet
from apo_engine.examples.fingerprints import RowIdentity, identify
from apo_engine.examples.split import Split
from apo_engine.models.deadline import Deadline
from apo_engine.store import RowFingerprints, Side, Sighting, Store, StoreError, recognized

# The store is asked for the fingerprints of so many rows at once: nobody waits for more when a run is stopped.
_ROWS_AT_ONCE = 2_000


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


async def read_history(store: Store, examples: ExampleSet, deadline: Deadline) -> RowHistory:
    """What the store knows of a set of rows; nothing if it cannot be read.

    Raises:
        BudgetError: the time was over before.
    """
    identities = await deadline.run_in_thread(lambda is_stopped: identify(examples.rows, is_stopped))
    prints = [identity.fingerprints for identity in identities.values()]
    sightings: dict[bytes, Sighting] = {}
    try:
        for start in range(0, len(prints), _ROWS_AT_ONCE):
            some = prints[start : start + _ROWS_AT_ONCE]
            names = {name for row in some for name in (*row.known_by, *row.hints)}
            sightings.update(await deadline.bound(store.sightings(sorted(names))))
    except StoreError as error:
        return RowHistory(identities, {}, frozenset(), str(error))
    found = await deadline.run_in_thread(lambda _: recognized(prints, sightings))
    sides: dict[str, Side] = {}
    shown = []
    for row, known_by in zip(identities, found, strict=True):
        if known_by:
            known = {sightings[name].side for name in known_by}
            sides[row] = known.pop() if len(known) == 1 else "holdout"
            if any(sightings[name].shown for name in known_by):
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
