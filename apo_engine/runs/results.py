"""What a run ends with: evaluation, critiques, optimization."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from apo_engine.evaluation.evaluator import judged
from apo_engine.evaluation.figures import Figures, figures_of
from apo_engine.evaluation.result import RowResult
from apo_engine.scoring.comparison import Interval
from apo_engine.scoring.interval import figure_interval
from apo_engine.scoring.metric import Metric
from apo_engine.scoring.noise import JudgeNoise, judge_noise
from apo_engine.search.candidate import Candidate
from apo_engine.search.events import Spent, Stopped, Verdict
from apo_engine.search.gradient import Gradient

UNREADABLE = "(unreadable)"


@dataclass(frozen=True, slots=True)
class Evaluation:
    """The metric of one prompt on its open rows (on all rows where they are too few to split).

    ``score`` is the metric's figure in [0, 1] over ``n`` rows, with its 95 % interval; ``figures`` are the others.
    ``confusion`` (rows by expected and answered label; what could not be read stands under ``(unreadable)``) is there
    for metrics that read labels. ``noise`` is the judge's own, where a model judged each answer more than once.
    """

    run: str
    metric: str
    score: float
    interval: Interval
    n: int
    figures: Figures
    confusion: Mapping[str, Mapping[str, int]]
    noise: JudgeNoise | None
    failing: tuple[RowResult, ...]
    spent: Spent
    seconds: float


@dataclass(frozen=True, slots=True)
class Fix:
    """A rewrite that one gradient asked for, measured against the prompt on selection rows."""

    gradient: str
    candidate: Candidate


@dataclass(frozen=True, slots=True)
class Critiques:
    """An evaluation with its textual gradients by falling share of failures, and their fixes where asked for."""

    evaluation: Evaluation
    gradients: tuple[Gradient, ...]
    fixes: tuple[Fix, ...] = ()


@dataclass(frozen=True, slots=True)
class Optimization:
    """What a search found.

    Scores are of the metric on ``n`` selection rows (0 where a run was stopped before any): they rank, they do not
    judge. ``verdict`` is None if the hold-out was not read to its end (nothing beat the seed, or the run was stopped
    before). ``code`` is that of the problem that stopped the run, if one did.
    """

    run: str
    experiment: str
    start: Candidate
    best: Candidate
    start_score: float
    best_score: float
    n: int
    verdict: Verdict | None
    operators: tuple[str, ...]
    stopped: Stopped
    reason: str
    spent: Spent
    seconds: float
    code: str = ""

    @property
    def broke_off(self) -> bool:
        """Whether an endpoint or a cap ended the run before it came to what it would say."""
        return self.stopped == "endpoint" or (bool(self.code) and self.verdict is None)


def evaluation_of(
    run: str, results: Sequence[RowResult], metric: Metric, labels: Sequence[str], spent: Spent, seconds: float
) -> Evaluation:
    """Sum up scored rows."""
    rows = judged(results)
    return Evaluation(
        run=run,
        metric=metric.name,
        score=metric.total(rows),
        interval=figure_interval(rows, metric),
        n=len(rows),
        figures=figures_of(results, metric, labels),
        confusion=_confusion(results, labels) if metric.by_label and labels else {},
        noise=judge_noise(result.marks for result in results),
        failing=tuple(result for result in results if result.score < 1.0),
        spent=spent,
        seconds=seconds,
    )


def _confusion(results: Sequence[RowResult], labels: Sequence[str]) -> dict[str, dict[str, int]]:
    counts = Counter((result.expected, UNREADABLE if result.invalid else result.predicted) for result in results)
    answered = [*labels, *([UNREADABLE] if any(result.invalid for result in results) else [])]
    return {expected: {answer: counts[expected, answer] for answer in answered} for expected in labels}
