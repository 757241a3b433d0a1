"""The events of a run in the store, as this version understands them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import msgspec

from apo_engine.search.events import AnyEvent, RunEnded, decode
from apo_engine.store import Store


@dataclass
class StoredEvents:
    """What was read of a run so far. Events of another version that say nothing to this one are ``skipped``."""

    events: list[AnyEvent] = field(default_factory=list)
    number: int = 0
    skipped: int = 0


async def read_events(store: Store, run: str, seen: StoredEvents) -> Sequence[AnyEvent]:
    """The events of a run that were not ``seen`` yet, which they are now.

    Raises:
        StoreError: the store cannot be read.
    """
    new = []
    for stored in await store.events(run, after=seen.number):
        seen.number = stored.number
        try:
            new.append(decode(stored.data))
        except (msgspec.DecodeError, UnicodeDecodeError):
            seen.skipped += 1
    seen.events += new
    return new


async def finished_events(store: Store, experiment: str) -> tuple[str, Sequence[AnyEvent]] | None:
    """The latest finished run of an experiment that can be replayed, and its events; None if there is none.

    Raises:
        StoreError: the store cannot be read.
    """
    for stored in await store.runs(experiment=experiment):
        if stored.state == "finished":
            seen = StoredEvents()
            await read_events(store, stored.run, seen)
            if not seen.skipped and seen.events and isinstance(seen.events[-1], RunEnded):
                return stored.run, seen.events
    return None
