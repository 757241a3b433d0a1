"""The store: runs with their events, the sides that rows are on, and the looks at hold-out rows.

Callers hold a `Store` and nothing else: `open_store` chooses the back end.
"""

from apo_engine.store.memory import MemoryStore
from apo_engine.store.opening import open_store
from apo_engine.store.protocol import (
    Looks,
    RowFingerprints,
    RunState,
    Side,
    Sighting,
    Store,
    StoredEvent,
    StoredRun,
    StoreError,
    WriterLock,
)
from apo_engine.store.recognition import recognized
from apo_engine.store.ulid import new_ulid

__all__ = [
    "Looks",
    "MemoryStore",
    "RowFingerprints",
    "RunState",
    "Side",
    "Sighting",
    "Store",
    "StoreError",
    "StoredEvent",
    "StoredRun",
    "WriterLock",
    "new_ulid",
    "open_store",
    "recognized",
]
