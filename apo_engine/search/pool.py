"""The pool: every candidate of a search, who made it out of whom, and what has been told of it."""

from __future__ import annotations

from collections.abc import Sequence

from apo_engine.examples.example import Example
from apo_engine.search.arm import Arm
from apo_engine.search.editor import Rejected, Rewrite
from apo_engine.search.events import CandidateDiscarded, CandidateProposed, Part, Stopped
from apo_engine.search.guard import Guard, looked_at
from apo_engine.search.optimizer import Found
from apo_engine.search.task import SearchTask


class Pool:
    """Admits rewrites in the order they are given, and keeps the best arm so far at any moment."""

    def __init__(self, task: SearchTask) -> None:
        self.best = task.seed
        self._task = task
        self._known = {task.seed.id: task.seed}
        self._told: dict[tuple[str, str], int] = {}
        self._guard = Guard(task.seed, (*task.rows.critique, *task.rows.selection))

    def refusal(self, arm: Arm) -> str | None:
        """Why a rewrite must not enter, or None."""
        return self._guard.refusal(arm.prompt, self._known, arm.id)

    def admit(self, rewrites: Sequence[Rewrite]) -> list[Arm]:
        """The rewrites that enter; of each is told that it entered, or why not."""
        emit = self._task.reporter.emit
        entered: list[Arm] = []
        for rewrite in rewrites:
            if isinstance(rewrite, Rejected):
                emit(CandidateDiscarded(rewrite.parent, rewrite.operator, rewrite.gradients, rewrite.reason))
                continue
            made = rewrite.candidate
            reason = self.refusal(rewrite)
            if reason is not None:
                emit(CandidateDiscarded(str(made.parent), made.operator, made.gradients, reason))
                continue
            arm = looked_at(rewrite, self._guard)
            self._known[arm.id] = arm
            entered.append(arm)
            emit(CandidateProposed(arm.candidate))
        return entered

    def tell(self, arms: Sequence[Arm]) -> None:
        """Tell what is known of these arms by now, and was not told yet."""
        task = self._task
        parts: tuple[tuple[Part, tuple[Example, ...]], ...] = (
            ("critique", task.rows.critique),
            ("selection", task.race.rows),
        )
        for arm in arms:
            for part, rows in parts:
                key = (arm.id, part)
                task.report_scored(arm, part, rows, self._told.get(key, 0))
                self._told[key] = len(task.evaluator.known(arm.prompt, rows))

    def lineage(self, arm: Arm) -> tuple[str, ...]:
        """The operators that made an arm out of the seed, in order."""
        return tuple(reversed([ancestor.candidate.operator for ancestor in self.ancestry(arm)[:-1]]))

    def ancestry(self, arm: Arm) -> tuple[Arm, ...]:
        """The arm, its parent, and so on up to the seed."""
        line = [arm]
        while (parent := line[-1].candidate.parent) is not None and parent in self._known:
            line.append(self._known[parent])
        return tuple(line)

    def found(self, stopped: Stopped, reason: str) -> Found:
        """The end of the search with the best arm, if it does better than the seed on the rows both were scored on."""
        comparison = self._task.compared(self.best, self._task.race.rows)
        if comparison is not None and comparison.difference <= 0:
            self.best = self._task.seed
        return Found(self.best, stopped, reason)
