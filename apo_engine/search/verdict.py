"""The verdict: winner against seed on the sealed hold-out, corrected for earlier looks at it."""

from __future__ import annotations

from apo_engine.evaluation.figures import Figures
from apo_engine.scoring.comparison import Comparison
from apo_engine.search.events import Verdict

LEVEL = 0.05


def level_after(earlier_openings: int) -> float:
    """The level that a further look at a hold-out is tested at: Bonferroni over all looks at these rows."""
    return LEVEL / (1 + earlier_openings)


def confidence_after(earlier_openings: int) -> float:
    """The confidence that a further look at a hold-out must reach."""
    return 1 - level_after(earlier_openings)


def judge(comparison: Comparison, earlier_openings: int, start: Figures, best: Figures) -> Verdict:
    """Adopt only where both interval and test say that the gain is real.

    ``start`` and ``best`` are what else the answers of the seed and of the winner come to on these rows.
    """
    gain = points(comparison.difference)
    low, high = (points(end) for end in comparison.interval)
    level = f"{100 * comparison.confidence:.4g} %"
    figures = f"{gain} points on {comparison.n} unseen rows, {level} interval {low} to {high}"
    if not comparison.significant:
        words = f"{figures}: not enough to tell it from chance"
        return Verdict(comparison, "keep", words, earlier_openings, start, best)
    return Verdict(comparison, "adopt", figures, earlier_openings, start, best)


def points(fraction: float) -> str:
    """A difference in signed percentage points, to one decimal: ``+9.5``."""
    value = round(100 * fraction, 1) + 0.0
    return f"{value:+.1f}".replace("-", "−")
