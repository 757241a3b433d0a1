"""The history: which runs were kept, and the report of one."""

from __future__ import annotations

import os
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from apo_engine.machine import cache_dir
from apo_engine.problems import InputError, Problem
from apo_engine.runs.report import Report, report_of
from apo_engine.runs.store import RunStore


@dataclass(frozen=True, slots=True)
class PastRun:
    """A run that was kept, finished or broken off ``at`` a time of the local clock."""

    at: datetime
    finished: bool
    report: Report


def past_runs(folder: Path | None = None, *, most: int = 50) -> tuple[PastRun, ...]:
    """The latest runs in a cache folder (by default the user's), the latest first; what cannot be read is left out."""
    store = RunStore(folder or cache_dir(os.environ))
    found = []
    for kept in store.kept()[:most]:
        try:
            report = report_of(store.story(kept.run))
        except OSError:
            continue
        if report is not None:
            found.append(PastRun(datetime.fromtimestamp(kept.at).astimezone(), kept.finished, report))
    return tuple(found)


def past_run(name: str, folder: Path | None = None) -> Report:
    """The report of the run whose id begins with ``name``; of the latest one for an empty name.

    Raises:
        InputError: there is none, there are several, or its file cannot be read.
    """
    store = RunStore(folder or cache_dir(os.environ))
    matching = [kept.run for kept in store.kept() if kept.run.startswith(name)]
    if not matching:
        message = f"No run begins with '{name}'." if name else "There is no run yet."
        raise InputError(Problem("run-missing", message, "List them: apo runs."))
    if name and len(matching) > 1:
        message = f"{len(matching)} runs begin with '{name}'."
        raise InputError(Problem("run-ambiguous", message, f"Write more of its id, such as {matching[0]}."))
    try:
        report = report_of(store.story(matching[0]))
    except OSError as error:
        raise InputError(
            Problem("run-unreadable", f"The run cannot be read: {error.strerror}.", "Run again.")
        ) from None
    if report is None:
        raise InputError(Problem("run-unreadable", "The file of this run is damaged.", "Run again."))
    return report
