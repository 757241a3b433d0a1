"""The report of a run: what its events come to, as plain data for a page."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Literal

import msgspec

from apo_engine.evaluation.result import RowResult
from apo_engine.scoring.comparison import Comparison, Interval
from apo_engine.search.candidate import Operator
from apo_engine.search.events import (
    AnyEvent,
    CandidateDiscarded,
    CandidateProposed,
    CandidateScored,
    Destination,
    Estimate,
    GradientFound,
    Job,
    Noted,
    RoundEnded,
    RoundStarted,
    RowCounts,
    RunCaps,
    RunEnded,
    RunStarted,
    Spent,
    Stopped,
    Verdict,
    VerdictReached,
)

# Rows of a list that can still be read.
_MOST = 500
Confusion = Mapping[str, Mapping[str, int]]


class Point(msgspec.Struct, frozen=True):
    """The best candidate of the beam after a round, on ``n`` selection rows, and what had been spent by then."""

    round: int
    candidate: str
    score: float
    interval: Interval
    n: int
    spent: Spent


class Branch(msgspec.Struct, frozen=True):
    """A candidate in the search tree: where it comes from, what it changes and what that is worth.

    ``critiques`` are the words that asked for it. ``score`` is that on ``n`` selection rows, ``against`` its paired
    comparison with the user's prompt there; None as long as it is not scored. ``kept`` are the rounds after which it
    stood in the beam. ``suspicions`` are what it adds to the user's prompt that a reader should look at.
    """

    id: str
    operator: Operator
    parent: str | None
    round: int
    critiques: tuple[str, ...]
    text: str
    score: float | None = None
    interval: Interval | None = None
    n: int = 0
    against: Comparison | None = None
    kept: tuple[int, ...] = ()
    suspicions: tuple[str, ...] = ()


class Critique(msgspec.Struct, frozen=True):
    """Why the user's prompt fails, and the share of its failures and the number of rows that show it."""

    critique: str
    share: float
    rows: int


class Change(msgspec.Struct, frozen=True):
    """A selection row on which the best prompt is judged otherwise than the user's."""

    row: str
    path: str
    line: int
    expected: str
    before: str
    after: str
    better: bool


class Failure(msgspec.Struct, frozen=True):
    """An open row that the user's prompt gets wrong, or not wholly right."""

    path: str
    line: int
    expected: str
    answered: str
    score: float


class Report(msgspec.Struct, frozen=True):
    """A run, finished or under way, told from its events.

    ``best`` is the id of the search's winner, or of the leader so far. ``before`` and ``after`` count rows by expected
    and answered label, of the user's prompt and of the best one on the ``compared`` selection rows that both have;
    ``after`` is empty where they are one. Sealed rows are in no list: of them there is the verdict alone.
    """

    run: str
    job: Job
    file: str
    metric: str
    labels: tuple[str, ...]
    task_model: str
    optimizer_model: str
    destinations: tuple[Destination, ...]
    rows: RowCounts
    estimate: Estimate
    caps: RunCaps
    prompt: str
    best: str
    score: float | None
    interval: Interval | None
    n: int
    critiques: tuple[Critique, ...]
    failing: tuple[Failure, ...]
    branches: tuple[Branch, ...]
    points: tuple[Point, ...]
    discarded: Mapping[str, int]
    compared: int
    before: Confusion
    after: Confusion
    changes: tuple[Change, ...]
    notes: tuple[str, ...]
    verdict: Verdict | None
    spent: Spent
    seconds: float | None
    stopped: Stopped | Literal["running"]
    reason: str


def report_of(events: Iterable[AnyEvent]) -> Report | None:
    """The report that the events so far make; None where not even the first one is there."""
    reader = _Reader()
    for event in events:
        reader.read(event)
    return reader.report()


class _Reader:
    """Takes up one event after the other."""

    def __init__(self) -> None:
        self.started: RunStarted | None = None
        self.ended: RunEnded | None = None
        self.verdict: Verdict | None = None
        self.spent = Spent()
        self.branches: dict[str, Branch] = {}
        self.results: dict[str, dict[str, RowResult]] = {}
        self.all: CandidateScored | None = None
        self.gradients: dict[str, GradientFound] = {}
        self.points: list[Point] = []
        self.leader = ""
        self.discarded: Counter[str] = Counter()
        self.notes: list[str] = []

    def read(self, event: AnyEvent) -> None:
        match event:
            case RunStarted():
                self.started = event
                seed = event.prompt
                self.leader = seed.id
                self.branches[seed.id] = Branch(seed.id, seed.operator, None, 0, (), seed.text)
            case Noted():
                self.notes.append(event.message)
            case GradientFound():
                self.gradients[event.gradient.id] = event
            case CandidateProposed():
                new = event.candidate
                asked = tuple(self.gradients[one].gradient.critique for one in new.gradients if one in self.gradients)
                self.branches[new.id] = Branch(
                    new.id, new.operator, new.parent, new.round, asked, new.text, suspicions=new.suspicions
                )
            case CandidateDiscarded():
                self.discarded[event.reason] += 1
            case CandidateScored():
                self._score(event)
            case RoundStarted():
                self._keep(event.round - 1, event.beam)
            case RoundEnded():
                self.spent = event.spent
                self._keep(event.round, [standing.candidate for standing in event.beam])
                self._point(event)
            case VerdictReached():
                self.verdict = event.verdict
            case RunEnded():
                self.ended, self.spent, self.leader = event, event.spent, event.best.id
            case _:
                pass

    def report(self) -> Report | None:
        started = self.started
        if started is None:
            return None
        seed = started.prompt.id
        before, after = self.results.get(seed, {}), self.results.get(self.leader, {})
        searched = self.leader != seed
        common = [row for row in after if row in before] if searched else list(before)
        ended = self.ended
        return Report(
            run=started.run,
            job=started.job,
            file=started.file,
            metric=started.metric,
            labels=started.labels,
            task_model=started.task_model,
            optimizer_model=started.optimizer_model,
            destinations=started.destinations,
            rows=started.rows,
            estimate=started.estimate,
            caps=started.caps,
            prompt=seed,
            best=self.leader,
            score=self.all.score if self.all else None,
            interval=self.all.interval if self.all else None,
            n=self.all.n if self.all else 0,
            critiques=self._critiques(seed),
            failing=_failing(self.results.get(seed, {}).values()),
            branches=tuple(map(self._with_score, self.branches.values())),
            points=tuple(self.points),
            discarded=dict(self.discarded.most_common()),
            compared=len(common),
            before=_confusion([before[row] for row in common], started.labels),
            after=_confusion([after[row] for row in common], started.labels) if searched else {},
            changes=_changes([(before[row], after[row]) for row in common]) if searched else (),
            notes=(*started.notices, *self.notes),
            verdict=self.verdict,
            spent=self.spent,
            seconds=ended.seconds if ended else None,
            stopped=ended.stopped if ended else "running",
            reason=ended.reason if ended else "",
        )

    def _with_score(self, branch: Branch) -> Branch:
        """A branch; the user's prompt with the score on all open rows, where selection rows were not scored apart."""
        if branch.score is not None or self.all is None or branch.id != self.all.candidate:
            return branch
        return msgspec.structs.replace(branch, score=self.all.score, interval=self.all.interval, n=self.all.n)

    def _critiques(self, candidate: str) -> tuple[Critique, ...]:
        found = [event.gradient for event in self.gradients.values() if event.candidate == candidate]
        found.sort(key=lambda gradient: -gradient.share)
        return tuple(Critique(gradient.critique, gradient.share, len(gradient.rows)) for gradient in found)

    def _score(self, event: CandidateScored) -> None:
        if event.part == "holdout":
            return
        self.results.setdefault(event.candidate, {}).update({result.row: result for result in event.results})
        branch = self.branches.get(event.candidate)
        if branch is not None and event.part == "selection":
            self.branches[branch.id] = msgspec.structs.replace(
                branch, score=event.score, interval=event.interval, n=event.n, against=event.against_seed
            )
        if (
            self.started is not None
            and event.candidate == self.started.prompt.id
            and (self.all is None or event.n >= self.all.n)
        ):
            self.all = event

    def _keep(self, number: int, beam: Sequence[str]) -> None:
        for candidate in beam:
            branch = self.branches.get(candidate)
            if branch is not None and number not in branch.kept:
                self.branches[candidate] = msgspec.structs.replace(branch, kept=(*branch.kept, number))

    def _point(self, event: RoundEnded) -> None:
        if not event.beam:
            return
        first = event.beam[0]
        branch = self.branches.get(first.candidate)
        interval = branch.interval if branch and branch.interval else (first.score, first.score)
        self.leader = first.candidate
        self.points.append(Point(event.round, first.candidate, first.score, interval, first.n, event.spent))


def _failing(results: Iterable[RowResult]) -> tuple[Failure, ...]:
    failing = [
        Failure(result.path, result.line, result.expected, result.excerpt(), result.score)
        for result in results
        if result.score < 1.0
    ]
    failing.sort(key=lambda failure: (failure.path, failure.line))
    return tuple(failing[:_MOST])


def _confusion(results: Sequence[RowResult], labels: Sequence[str]) -> Confusion:
    """Rows by expected and answered label; empty without rows, and where the metric reads no labels.

    What cannot be read counts as ''.
    """
    if not labels or not results:
        return {}
    found: dict[str, Counter[str]] = {label: Counter() for label in labels}
    for result in results:
        found.setdefault(result.expected, Counter())["" if result.invalid else result.predicted] += 1
    return {expected: dict(answers) for expected, answers in found.items()}


def _changes(pairs: Sequence[tuple[RowResult, RowResult]]) -> tuple[Change, ...]:
    """Rows that are judged otherwise now, the worsened first: they are fewer and weigh more."""
    changed = [
        Change(
            row=new.row,
            path=new.path,
            line=new.line,
            expected=new.expected,
            before=old.excerpt(),
            after=new.excerpt(),
            better=new.score > old.score,
        )
        for old, new in pairs
        if old.score != new.score
    ]
    changed.sort(key=lambda change: (change.better, change.path, change.line))
    return tuple(changed[:_MOST])
