"""From the events of a run to knowledge about the text that it ran on."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from apo_engine.evaluation.result import RowResult
from apo_engine.search.candidate import Candidate
from apo_engine.search.events import (
    AnyEvent,
    CandidateProposed,
    CandidateScored,
    GradientFound,
    RunEnded,
    RunStarted,
    Verdict,
    VerdictReached,
)
from apo_engine.search.gradient import Gradient
from apo_server.knowledge import Doubt, Finding, Knowledge, Ran, Rewrite, Row, Score, Winner, rows_beside
from apo_server.rows import excerpts, shortened
from apo_server.unanimity import Unanimity

# Rows named with a finding, and candidates kept with their text.
_ROWS = 8
_REWRITES = 24
_DOUBTS = 50


class Collector:
    """Reads one run's events; what it has understood so far is `knowledge`.

    Rows are read only from files in the folders ``roots``.
    """

    def __init__(self, text: str, roots: Sequence[Path]) -> None:
        self._text = text
        self._roots = roots
        self._files: dict[str, str] | None = None
        self._started: RunStarted | None = None
        self._score: CandidateScored | None = None
        self._failing: dict[str, RowResult] = {}
        self._gradients: dict[str, Gradient] = {}
        self._proposed: dict[str, Candidate] = {}
        self._evidence: dict[str, CandidateScored] = {}
        self._verdict: Verdict | None = None
        self._ended: RunEnded | None = None
        self._unanimity = Unanimity()

    def add(self, event: AnyEvent) -> bool:
        """Take up an event; whether it is one that the editor should show before the run ends."""
        match event:
            case RunStarted():
                self._started = event
            case CandidateScored() if event.part != "holdout":
                self._unanimity.add(event.candidate, event.results)
                return self._add_scored(event)
            case CandidateProposed():
                self._proposed[event.candidate.id] = event.candidate
            case GradientFound() if event.candidate == self._seed:
                self._gradients[event.gradient.id] = event.gradient
                return True
            case VerdictReached():
                self._verdict = event.verdict
            case RunEnded():
                self._ended = event
            case _:
                pass
        return False

    def knowledge(self) -> Knowledge:
        """What the run has shown so far. Reads excerpts of failing rows from disk."""
        started, scored = self._started, self._score
        score = None
        if started is not None and scored is not None:
            f1 = scored.figures.f1.get("macro") if scored.figures is not None else None
            score = Score(started.metric, scored.score, scored.interval, scored.n, scored.part, f1, scored.usd)
        texts = self._excerpts()
        findings = sorted(self._gradients.values(), key=lambda gradient: -gradient.share)
        return Knowledge(
            text=self._text,
            score=score,
            findings=tuple(self._finding(gradient, texts) for gradient in findings),
            rewrites=self._rewrites(),
            winner=self._winner(),
            last_job=started.job if started else None,
            doubtful=self._doubts(),
            ran=Ran(started.run, started.job) if started else None,
            rows=self._read_files(),
        )

    def _read_files(self) -> dict[str, str] | None:
        """The example files as they are when the run first shows something."""
        if self._files is None and self._started is not None and self._started.file:
            folder = Path(self._started.file).parent
            with suppress(ValueError):  # on another drive
                names = [os.path.relpath(file.path, folder) for file in self._started.files]
                self._files = rows_beside(folder, names, self._roots)
        return self._files

    @property
    def _seed(self) -> str | None:
        return self._started.prompt.id if self._started else None

    def _add_scored(self, event: CandidateScored) -> bool:
        if event.candidate != self._seed:
            if event.part == "selection":
                self._evidence[event.candidate] = event
            return False
        # Of several measurements of the text the one on most rows is shown.
        if self._score is None or event.n >= self._score.n:
            self._score = event
        self._failing.update({result.row: result for result in event.results if result.score < 1.0})
        return True

    def _finding(self, gradient: Gradient, texts: Mapping[tuple[str, int], str]) -> Finding:
        known = [self._failing[row] for row in gradient.rows if row in self._failing][:_ROWS]
        rows = tuple(
            Row(
                line=result.line,
                path=result.path,
                expected=shortened(result.expected),
                answered=shortened(result.answer if result.invalid or not result.predicted else result.predicted),
                text=texts.get((result.path, result.line), ""),
            )
            for result in known
        )
        return Finding(
            id=gradient.id,
            critique=gradient.critique,
            span=gradient.span,
            anchor=gradient.anchor,
            share=gradient.share,
            rows=rows,
            rows_in_all=len(gradient.rows),
        )

    def _doubts(self) -> tuple[Doubt, ...]:
        rows = self._unanimity.doubtful()[:_DOUBTS]
        texts = _read((result for result, *_ in rows), self._roots)
        return tuple(
            Doubt(
                line=result.line,
                path=result.path,
                expected=shortened(result.expected),
                answered=shortened(answer),
                agreeing=agreeing,
                candidates=prompts,
                text=texts.get((result.path, result.line), ""),
            )
            for result, answer, agreeing, prompts in rows
        )

    def _excerpts(self) -> dict[tuple[str, int], str]:
        named = (self._failing.get(row) for gradient in self._gradients.values() for row in gradient.rows)
        return _read((result for result in named if result is not None), self._roots)

    def _rewrites(self) -> tuple[Rewrite, ...]:
        """The measured candidates, those with a finding of the text first, then by falling score."""
        made = []
        for candidate in self._proposed.values():
            scored = self._evidence.get(candidate.id)
            if scored is None or candidate.id == self._seed:
                continue
            of_text = candidate.parent == self._seed and self._gradients.keys() >= set(candidate.gradients)
            made.append(
                Rewrite(
                    id=candidate.id,
                    text=candidate.text,
                    operator=candidate.operator,
                    gradients=candidate.gradients if of_text else (),
                    parent=candidate.parent,
                    score=scored.score,
                    n=scored.n,
                    against=scored.against_seed,
                    suspicions=candidate.suspicions,
                )
            )
        made.sort(key=lambda rewrite: (not rewrite.gradients, -(rewrite.score or 0.0)))
        return tuple(made[:_REWRITES])

    def _winner(self) -> Winner | None:
        ended = self._ended
        if ended is None or self._started is None or ended.best.id == self._seed or self._started.job != "optimize":
            return None
        return Winner(ended.best.id, ended.best.text, ended.operators, self._verdict, ended.best.suspicions)


def _read(results: Iterable[RowResult], roots: Sequence[Path]) -> dict[tuple[str, int], str]:
    """Excerpts of rows, by file and line, as far as they lie in the folders ``roots``."""
    wanted: dict[str, dict[int, str]] = {}
    for result in results:
        wanted.setdefault(result.path, {})[result.line] = result.expected
    return {
        (path, line): text
        for path, lines in wanted.items()
        for line, text in excerpts(Path(path), lines, roots).items()
    }
