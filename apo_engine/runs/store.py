"""The store: every run's events as a file of JSON lines, and how often each hold-out was opened."""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import msgspec

from apo_engine.private import open_private, private_folder
from apo_engine.search.events import AnyEvent, Progressed, RunEnded, decode, encode

_UNFINISHED = ".part"


class RunLog:
    """The file of one run under way; complete, and on the disk, under its final name only after `finish`."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._part = path.with_name(path.name + _UNFINISHED)
        private_folder(path.parent.parent, shared=True)
        private_folder(path.parent)
        self._file = os.fdopen(open_private(self._part, os.O_WRONLY | os.O_TRUNC), "wb")

    def write(self, event: AnyEvent) -> None:
        """Append an event. Progress is left out: it is for those who watch."""
        if not isinstance(event, Progressed):
            self._file.write(encode(event) + b"\n")
            self._file.flush()

    def finish(self) -> None:
        """The run ended as it should: its file gets its final name.

        Raises:
            OSError: it cannot be written to the end; the run counts as unfinished.
        """
        self._file.flush()
        os.fsync(self._file.fileno())
        self._file.close()
        # Somebody may have deleted it in the meantime: whatever was run is wanted no longer.
        with suppress(FileNotFoundError):
            self._part.replace(self._path)

    def close(self) -> None:
        """Close the file; without `finish` before, the run counts as unfinished."""
        # What could not be written a moment ago cannot be written now.
        with suppress(OSError):
            self._file.close()


@dataclass(frozen=True, slots=True)
class KeptRun:
    """A run in the store, and when its last event was written, in seconds since 1970."""

    run: str
    at: float
    finished: bool


class RunStore:
    """Runs by id, below a folder that only the owner can read. One that ``keeps`` nothing is read alone."""

    def __init__(self, folder: Path, *, keeps: bool = True) -> None:
        self.keeps = keeps
        self._runs = folder / "runs"
        self._openings = folder / "holdouts"

    def begin(self, run: str) -> RunLog:
        """A new log for this run, in place of an unfinished one.

        Raises:
            OSError: the folder cannot be written.
        """
        return RunLog(self._path(run))

    def events(self, run: str) -> Sequence[AnyEvent] | None:
        """The events of a finished run; None where there is none, or its file is damaged."""
        try:
            events = [decode(line) for line in self._path(run).read_bytes().splitlines()]
        except (OSError, msgspec.DecodeError, UnicodeDecodeError):
            return None
        # A file that lost its end with the power says less than happened.
        return events if events and isinstance(events[-1], RunEnded) else None

    def story(self, run: str) -> Sequence[AnyEvent]:
        """The events of a run so far, finished or not; what cannot be read any more is left out.

        Raises:
            OSError: there is no such run, or its file cannot be read.
        """
        path = self._path(run)
        try:
            lines = path.read_bytes().splitlines()
        except FileNotFoundError:
            lines = path.with_name(path.name + _UNFINISHED).read_bytes().splitlines()
        events: list[AnyEvent] = []
        for line in lines:
            # The last line of a run that was cut off may be half a line.
            with suppress(msgspec.DecodeError, UnicodeDecodeError):
                events.append(decode(line))
        return events

    def kept(self) -> tuple[KeptRun, ...]:
        """The runs in the store, the latest first."""
        found = []
        with suppress(OSError):
            for path in self._runs.iterdir():
                run, dot, ending = path.name.partition(".jsonl")
                if dot and ending in ("", _UNFINISHED):
                    with suppress(OSError):
                        found.append(KeptRun(run, path.stat().st_mtime, finished=not ending))
        return tuple(sorted(found, key=lambda kept: (-kept.at, kept.run)))

    def open_holdout(self, holdout: str, run: str) -> int:
        """Note that ``run`` opens these rows; how many other runs did so before. The same run counts once.

        Raises:
            OSError: that cannot be read or noted.
        """
        openings = self._openings_of(holdout)
        if run not in openings and self.keeps:
            path = self._openings / holdout
            private_folder(path.parent)
            with os.fdopen(open_private(path, os.O_WRONLY | os.O_APPEND), "a", encoding="utf-8") as file:
                file.write(f"{run}\n")
        return self._before(openings, run)

    def earlier_openings(self, holdout: str, run: str) -> int:
        """How many other runs opened these rows before ``run`` did, or would now. 0 where that cannot be read."""
        try:
            return self._before(self._openings_of(holdout), run)
        except (OSError, UnicodeDecodeError):
            return 0

    def _openings_of(self, holdout: str) -> list[str]:
        try:
            return (self._openings / holdout).read_text("utf-8").split()
        except FileNotFoundError:
            return []

    @staticmethod
    def _before(openings: Sequence[str], run: str) -> int:
        return openings.index(run) if run in openings else len(set(openings))

    def _path(self, run: str) -> Path:
        return self._runs / f"{run}.jsonl"
