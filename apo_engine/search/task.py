"""The task of a search: the seed, its rows, and what scores it."""

from __future__ import annotations

from dataclasses import dataclass

from apo_engine.evaluation.evaluator import Evaluator, judged
from apo_engine.examples.example import Example
from apo_engine.examples.split import Split
from apo_engine.scoring.comparison import Comparison
from apo_engine.scoring.interval import figure_interval
from apo_engine.scoring.paired import compare
from apo_engine.search.allowance import Allowance
from apo_engine.search.arm import Arm
from apo_engine.search.events import CandidateScored, Part
from apo_engine.search.race import Race
from apo_engine.search.reporter import Reporter
from apo_engine.settings import OptimizerSettings


@dataclass(frozen=True, slots=True)
class SearchTask:
    """Everything that an optimizer works on; ``rows`` are disjoint, and only the verdict touches the hold-out."""

    seed: Arm
    rows: Split
    evaluator: Evaluator
    race: Race
    allowance: Allowance
    reporter: Reporter
    settings: OptimizerSettings
    seed_number: int

    def compared(self, arm: Arm, rows: tuple[Example, ...], confidence: float = 0.95) -> Comparison | None:
        """The arm against the seed on the leading rows both are scored on; None where there are none."""
        ours = self.evaluator.known(arm.prompt, rows)
        theirs = self.evaluator.known(self.seed.prompt, rows)
        n = min(len(ours), len(theirs))
        if n == 0:
            return None
        return compare(judged(theirs[:n]), judged(ours[:n]), self.evaluator.metric, confidence)

    def report_scored(self, arm: Arm, part: Part, rows: tuple[Example, ...], before: int = 0) -> None:
        """Tell what is known of an arm on these rows, if that is more than the ``before`` rows told earlier."""
        known = self.evaluator.known(arm.prompt, rows)
        if len(known) <= before:
            return
        figures = judged(known)
        metric = self.evaluator.metric
        self.reporter.emit(
            CandidateScored(
                candidate=arm.id,
                part=part,
                score=metric.total(figures),
                interval=figure_interval(figures, metric),
                n=len(known),
                results=() if part == "holdout" else known[before:],
                against_seed=None if arm.id == self.seed.id else self.compared(arm, rows),
            )
        )
