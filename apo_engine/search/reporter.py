"""Where the rooms of the search say what they do."""

from __future__ import annotations

from collections.abc import Callable

from apo_engine.evaluation.evaluator import Tick
from apo_engine.models.budget import Budget
from apo_engine.problems import Severity
from apo_engine.search.events import AnyEvent, Noted, Progressed, Spent

Emit = Callable[[AnyEvent], None]


class Reporter:
    """Emits events, with what was spent so far where they tell it."""

    def __init__(self, emit: Emit, budget: Budget) -> None:
        self.emit = emit
        self._budget = budget

    def note(self, message: str, severity: Severity = Severity.INFORMATION) -> None:
        """Say something that the user should read."""
        self.emit(Noted(message, severity))

    def phase(self, name: str, total: int) -> Tick:
        """Begin a phase of ``total`` steps; the tick returned reports each."""
        done = 0

        def tick() -> None:
            nonlocal done
            done += 1
            self.emit(Progressed(name, done, max(done, total), self.spent()))

        self.emit(Progressed(name, 0, total, self.spent()))
        return tick

    def spent(self) -> Spent:
        """What the run has used so far."""
        spent = self._budget.spent
        calls = dict(sorted(spent.calls.items()))
        return Spent(calls, spent.cached, spent.tokens.input, spent.tokens.output, spent.usd)
