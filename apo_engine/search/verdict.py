"""The verdict: winner against seed on the sealed hold-out, at the level that earlier looks at it leave."""

from __future__ import annotations

from dataclasses import dataclass

from apo_engine.evaluation.figures import Figures
from apo_engine.scoring.comparison import Comparison
from apo_engine.scoring.sequential import confidence_of_look, level_of_look
from apo_engine.search.events import Verdict


@dataclass(frozen=True, slots=True)
class Look:
    """One opening of the hold-out.

    ``earlier`` is the number of looks before this one, None if that is unknown; ``opened_rows`` were opened before.
    Of a look that is not ``recorded`` nobody knows how many others there were: it shows figures, and proves nothing.
    """

    earlier: int | None = None
    opened_rows: int = 0
    recorded: bool = True

    @property
    def number(self) -> int:
        """Counted from 1, as far as looks are known."""
        return 1 + (self.earlier or 0)

    @property
    def level(self) -> float:
        """The one-sided level of its test."""
        return level_of_look(self.number)

    @property
    def confidence(self) -> float:
        """The confidence of the two-sided interval that belongs to the test."""
        return confidence_of_look(self.number)


def judge(comparison: Comparison, look: Look, start: Figures, best: Figures) -> Verdict:
    """Adopt only if both interval and test say that the gain is real, and the look was recorded.

    ``start`` and ``best`` are what else the answers of the seed and of the winner come to on these rows.
    """
    gain = points(comparison.difference)
    low, high = (points(end) for end in comparison.interval)
    confidence = f"{100 * comparison.confidence:.4g} %"
    words = f"{gain} points on {comparison.n} unseen rows, {confidence} interval {low} to {high}"
    if not comparison.significant:
        words += ": not enough to tell it from chance"
    return Verdict(
        comparison=comparison,
        decision="adopt" if comparison.significant and look.recorded else "keep",
        words=f"{words}{_about(look)}",
        earlier_looks=look.earlier,
        start=start,
        best=best,
        level=look.level,
        opened_rows=look.opened_rows,
    )


def _about(look: Look) -> str:
    """What the looks at these rows mean for the verdict, as sentences without a full stop at the end."""
    if not look.recorded:
        return ". This look could not be recorded, so nobody can tell how many there were: nothing is claimed"
    if look.earlier is None:
        return ". Earlier looks at these rows are unknown: this store holds none yet"
    if look.earlier == 0:
        return ""
    rows = f"{look.opened_rows:,} new rows" if look.opened_rows > 1 else "1 new row"
    return (
        f". Look {look.number} at these rows: tested at {_percent(look.level)} one-sided, in place of "
        f"{_percent(level_of_look(1))}. To restore that, replace the opened rows by {rows}"
    )


def _percent(fraction: float) -> str:
    return f"{100 * fraction:.2g} %"


def points(fraction: float) -> str:
    """A difference in signed percentage points, to one decimal: ``+9.5``."""
    value = round(100 * fraction, 1) + 0.0
    return f"{value:+.1f}".replace("-", "−")
