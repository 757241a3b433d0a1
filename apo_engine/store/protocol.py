"""What every back end of the store promises."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

Side = Literal["critique", "selection", "holdout"]
RunState = Literal["running", "finished", "unfinished"]


class StoreError(Exception):
    """The store cannot be read or written; the text is a clause that says why."""


@dataclass(frozen=True, slots=True)
class StoredRun:
    """One execution. ``started`` and ``changed`` are seconds since 1970, by the clock of the machine that ran it.

    A ``running`` run holds the lock of its experiment now. A ``finished`` one can be replayed. Any other was stopped,
    or its process died. ``event_format`` is the version of the events' encoding.
    """

    run: str
    experiment: str
    started: float
    changed: float
    state: RunState
    event_format: int


@dataclass(frozen=True, slots=True)
class StoredEvent:
    """One event as its writer encoded it; ``number`` counts from 1 within the run, without a gap."""

    number: int
    data: bytes


@dataclass(frozen=True, slots=True)
class RowFingerprints:
    """Digests by which a row is recognized.

    Records are looked up under ``known_by`` and ``hints``. They are made under ``recorded_as``, the part of both that
    other rows of the same set do not share. Hints count only if many rows of a set fit one: see `recognized`. A back
    end must not store any of them as they are, but as digests with a secret key of its own.
    """

    known_by: tuple[bytes, ...]
    recorded_as: tuple[bytes, ...]
    hints: tuple[bytes, ...] = ()


@dataclass(frozen=True, slots=True)
class Sighting:
    """What is recorded under one fingerprint: the side at first sight, and whether a run was shown the row."""

    side: Side
    shown: bool


@dataclass(frozen=True, slots=True)
class Looks:
    """Earlier looks at hold-out rows.

    ``earlier`` is the maximum, over the rows, of the executions that opened the row before; a row that was shown to a
    search or an evaluation, under any of its fingerprints, counts as opened once. None means that this store holds no
    earlier look at any of the rows: looks before it ``began`` (seconds since 1970, None if there is no store yet), and
    looks in other stores, are unknown. ``opened`` is the number of rows that were opened or shown before.
    ``on_prompt`` is the number of earlier executions that opened hold-out rows, these or others, for the same prompt.
    """

    earlier: int | None
    opened: int
    on_prompt: int = 0
    began: float | None = None


class WriterLock(Protocol):
    """The right to write the runs of one experiment. It ends with its process, however that ends."""

    async def release(self) -> None:
        """Give the right back."""


class Store(Protocol):
    """Runs and their events, and what is recorded of rows.

    Safe for any number of processes. Each method is one transaction: it happens as a whole or not at all, and a back
    end that keeps anything has it on the disk when the method returns. Nothing blocks the event loop. Every method
    but ``close`` may raise StoreError.
    """

    async def begin(self, run: str, experiment: str, event_format: int) -> None:
        """Add a run without events. Its id must be new."""

    async def append(self, run: str, events: Sequence[bytes]) -> None:
        """Add events to a run, in this order, after those that it has; of a deleted run they are dropped."""

    async def finish(self, run: str) -> None:
        """Mark a run as finished: all its events are stored, and it can be replayed."""

    async def runs(
        self, *, begins_with: str = "", experiment: str | None = None, most: int | None = None
    ) -> tuple[StoredRun, ...]:
        """The runs whose id begins so, of one experiment or of all; the one that was begun last comes first."""
        ...

    async def events(self, run: str, after: int = 0) -> tuple[StoredEvent, ...]:
        """The events of a run after number ``after``, in order; empty for a run that is not there."""
        ...

    async def size(self) -> tuple[int, int]:
        """How many runs there are, and the bytes that their events take."""
        ...

    async def clear(self) -> None:
        """Delete all runs. Sides and looks stay."""

    async def lock(self, experiment: str, run: str) -> WriterLock | None:
        """Become the one writer of an experiment, for this run; None while another run is."""
        ...

    async def writer(self, experiment: str) -> str | None:
        """The run that holds the lock of an experiment; None where none does."""
        ...

    async def sightings(self, fingerprints: Sequence[bytes]) -> Mapping[bytes, Sighting]:
        """What is recorded under these fingerprints; those without a record are left out."""
        ...

    async def record_sightings(self, sightings: Mapping[bytes, Sighting]) -> None:
        """Record rows. A side that is recorded already stays; a row that was shown once stays shown."""

    async def looks(self, rows: Sequence[RowFingerprints]) -> Looks:
        """The looks at these rows so far."""
        ...

    async def record_look(
        self, rows: Sequence[RowFingerprints], experiment: str, prompt: Sequence[bytes] = ()
    ) -> Looks:
        """Record that one more execution, of this experiment, opens these rows; the looks before this one.

        The ``prompt`` is known by any of these names. A back end keeps keyed digests of them, as of fingerprints.
        """
        ...

    async def complete_look(self, experiment: str, comparison: bytes) -> None:
        """Add to the last look of this experiment a digest of the comparison that was made in it."""

    async def recorded_look(self, experiment: str, comparison: bytes | None = None) -> Looks | None:
        """What `record_look` returned when it was last called for this experiment; None if it never was.

        With a ``comparison``, only a look that `complete_look` gave this digest counts.
        """
        ...

    async def notices(self) -> tuple[str, ...]:
        """Sentences that the user should read about the store itself, each given once."""
        ...

    async def close(self) -> None:
        """Let go of files, threads and connections; the next call opens them again."""
