"""What a run has said so far, kept in the form that its views ask for."""

from __future__ import annotations

from collections import Counter

from apo_engine.evaluation.result import RowResult
from apo_engine.problems import Severity
from apo_engine.search.events import (
    AnyEvent,
    CandidateDiscarded,
    CandidateProposed,
    CandidateScored,
    Noted,
    RunStarted,
)


class Transcript:
    """A reader of a run's events.

    ``started`` is the first event. ``rows`` are the user's own prompt's results by row id. ``proposed`` counts the
    candidates that entered the pool and ``discarded`` the rewrites that did not, by reason; ``warnings`` are those to
    the user.
    """

    def __init__(self) -> None:
        self.started: RunStarted | None = None
        self.rows: dict[str, RowResult] = {}
        self.proposed = 0
        self.discarded: Counter[str] = Counter()
        self.warnings: list[str] = []

    def read(self, event: AnyEvent) -> None:
        """Take in the next event."""
        match event:
            case RunStarted():
                # A run that goes on with what another process began starts anew.
                self.started = event
                self.proposed = 0
                self.discarded.clear()
            case CandidateScored() if self.started is None or event.candidate == self.started.prompt.id:
                self.rows.update((result.row, result) for result in event.results)
            case Noted() if event.severity is Severity.WARNING:
                self.warnings.append(event.message)
            case CandidateProposed():
                self.proposed += 1
            case CandidateDiscarded():
                self.discarded[_kind(event.reason)] += 1


def _kind(reason: str) -> str:
    """A reason without its figures, so that like reasons count together: ``too long (9,120 characters)``."""
    return reason.partition(" (")[0]
