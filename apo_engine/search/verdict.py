"""The verdict: winner against seed on the sealed hold-out, at the level that earlier looks at it leave."""

from __future__ import annotations

import time
from dataclasses import dataclass

from apo_engine.evaluation.figures import Figures
from apo_engine.scoring.comparison import Comparison
from apo_engine.scoring.sequential import confidence_of_look, level_of_look
from apo_engine.search.events import Verdict


@dataclass(frozen=True, slots=True)
class Look:
    """One opening of the hold-out.

    ``earlier`` is the number of looks at these rows before this one, None if the store holds none; it ``began`` then
    (seconds since 1970), and knows nothing of looks before that. ``opened_rows`` were opened before. ``on_prompt`` is
    the number of earlier looks for this prompt at whatever rows.
    """

    earlier: int | None = None
    opened_rows: int = 0
    on_prompt: int = 0
    began: float | None = None

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
    """Adopt only if both interval and test say that the gain is real.

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
        decision="adopt" if comparison.significant else "keep",
        words=f"{words}{_about(look)}",
        earlier_looks=look.earlier,
        start=start,
        best=best,
        level=look.level,
        opened_rows=look.opened_rows,
        prompt_looks=look.on_prompt,
    )


def _about(look: Look) -> str:
    """What the looks at these rows mean for the verdict, as sentences without a full stop at the end."""
    return f"{_about_rows(look)}{_about_prompt(look)}"


def _about_rows(look: Look) -> str:
    if look.earlier == 0:
        return ""
    if look.earlier is None:
        began = "" if look.began is None else f"; it began on {_date(look.began)}"
        return f". This store holds no earlier look at these rows{began}"
    rows = f"{look.opened_rows:,} new rows" if look.opened_rows > 1 else "1 new row"
    return (
        f". Look {look.number} at these rows: tested at {_percent(look.level)} one-sided, in place of "
        f"{_percent(level_of_look(1))}. To restore that, replace the opened rows by {rows}"
    )


def _about_prompt(look: Look) -> str:
    """Rows that were reworded look like new ones: what cannot be told apart is said."""
    if look.on_prompt <= (look.earlier or 0):
        return ""
    looks = "1 earlier look" if look.on_prompt == 1 else f"{look.on_prompt:,} earlier looks"
    number = look.on_prompt + 1
    return (
        f". This prompt or its files had {looks} in all: if these rows are those in other words, this is "
        f"look {number}, which asks for {_percent(level_of_look(number))} one-sided"
    )


def _date(seconds: float) -> str:
    try:
        return time.strftime("%Y-%m-%d", time.localtime(seconds))
    except (OverflowError, OSError, ValueError):
        return "an unknown day"


def _percent(fraction: float) -> str:
    return f"{100 * fraction:.2g} %"


def points(fraction: float) -> str:
    """A difference in signed percentage points, to one decimal: ``+9.5``."""
    value = round(100 * fraction, 1) + 0.0
    return f"{value:+.1f}".replace("-", "−")
