"""The history: which runs were kept, and the report of one."""

from __future__ import annotations

import os
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import msgspec

from apo_engine.machine import cache_dir
from apo_engine.problems import InputError, Problem
from apo_engine.runs.report import Report, report_of
from apo_engine.runs.stored_run import StoredEvents, read_events
from apo_engine.store import RunState, Store, StoredRun, StoreError, open_store


@dataclass(frozen=True, slots=True)
class PastRun:
    """A run that was kept, and ``at`` which time of the local clock its last event came."""

    at: datetime
    state: RunState
    report: Report


async def past_runs(folder: Path | None = None, *, most: int = 50) -> tuple[PastRun, ...]:
    """The latest runs in a cache folder (by default the user's), the latest first; what cannot be read is left out.

    Raises:
        InputError: the store cannot be read.
    """
    store = open_store(folder or cache_dir(os.environ))
    try:
        found = []
        for stored in await store.runs(most=most):
            report = await _report(store, stored)
            if report is not None:
                found.append(PastRun(datetime.fromtimestamp(stored.changed).astimezone(), stored.state, report))
        return tuple(found)
    except StoreError as error:
        raise _unreadable(error) from None
    finally:
        await store.close()


async def past_run(name: str, folder: Path | None = None) -> Report:
    """The report of the run whose id begins with ``name``; of the latest one for an empty name.

    Raises:
        InputError: there is none, there are several, or it cannot be read.
    """
    store = open_store(folder or cache_dir(os.environ))
    try:
        matching = await store.runs(begins_with=name.upper())
        if not matching:
            message = f"No run begins with '{name}'." if name else "There is no run yet."
            raise InputError(Problem("run-missing", message, "List them: apo runs."))
        if name and len(matching) > 1:
            message = f"{len(matching)} runs begin with '{name}'."
            raise InputError(Problem("run-ambiguous", message, f"Write more of its id, such as {matching[0].run}."))
        report = await _report(store, matching[0])
    except StoreError as error:
        raise _unreadable(error) from None
    finally:
        await store.close()
    if report is None:
        message = f"Run {matching[0].run} has no event that this version can read."
        raise InputError(Problem("run-unreadable", message, "Run again."))
    return report


async def _report(store: Store, stored: StoredRun) -> Report | None:
    seen = StoredEvents()
    await read_events(store, stored.run, seen)
    report = report_of(seen.events)
    if report is None or not seen.skipped:
        return report
    events = "1 event" if seen.skipped == 1 else f"{seen.skipped:,} events"
    note = f"{events} of this run come from another version of this program and are left out."
    return msgspec.structs.replace(report, notes=(*report.notes, note))


def _unreadable(error: StoreError) -> InputError:
    return InputError(Problem("run-unreadable", f"The runs cannot be read: {error}.", "See: apo cache path."))
