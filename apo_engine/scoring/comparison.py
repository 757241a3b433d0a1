"""The paired comparison of two prompts on the same rows."""

from __future__ import annotations

from dataclasses import dataclass

Interval = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Comparison:
    """How much better ``best`` does than ``start`` on ``n`` common rows.

    All figures are fractions of 1 (``difference`` = best - start). ``interval`` is two-sided with the given
    ``confidence``; ``p`` is two-sided, of an exact or permutation test on the row differences.
    """

    start: float
    best: float
    difference: float
    interval: Interval
    p: float
    n: int
    confidence: float = 0.95

    @property
    def significant(self) -> bool:
        """Whether the gain is real at this confidence: interval above zero and test below its level."""
        return self.interval[0] > 0 and self.p <= 1 - self.confidence + 1e-12
