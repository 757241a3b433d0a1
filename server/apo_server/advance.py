"""How far a run has come, in words and per cent."""

from __future__ import annotations

from apo_engine.search.events import AnyEvent, Progressed, RunStarted


class Advance:
    """Reads a run's events. ``percentage`` only grows, and stays below 100 until the run ends.

    ``usd`` is the real money spent so far, None where a price is unknown.
    """

    def __init__(self) -> None:
        self.words = ""
        self.percentage = 0
        self.steps = 0, 0
        self.usd: float | None = 0.0
        self._calls = 0

    def add(self, event: AnyEvent) -> bool:
        """Take up an event; whether it tells of an advance."""
        if isinstance(event, RunStarted):
            self._calls = max(1, event.estimate.calls)
        if not isinstance(event, Progressed):
            return False
        self.usd = event.spent.usd
        done = sum(event.spent.calls.values())
        # The estimate is an upper bound, and the phases of a search are not known before.
        share = min(99, round(100 * done / self._calls)) if self._calls else 0
        self.percentage = max(self.percentage, share)
        self.words, self.steps = event.phase, (event.done, event.total)
        return True

    @property
    def counted(self) -> str:
        """The words with the steps done and to do: ``Scoring your prompt (12/105)``."""
        done, total = self.steps
        return f"{self.words} ({done}/{total})" if total else self.words

    @property
    def phase_ends(self) -> bool:
        """Whether the last step of a phase is done."""
        done, total = self.steps
        return done >= total
