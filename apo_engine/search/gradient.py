"""A textual gradient: why the prompt fails, on which passage, shown by which rows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from apo_engine.positions import Span

Anchor = Literal["exact", "fuzzy", "section"]
GradientSource = Literal["model", "evidence"]


#: Characters of a critique that are read; three sentences were asked for.
LONGEST_CRITIQUE = 2000


@dataclass(frozen=True, slots=True)
class Gradient:
    """One critique of one candidate.

    ``id`` is derived from the content, so that an ignored critique stays ignored when it is found again.
    ``span`` is the passage at fault in the candidate's file text, found by ``anchor``. ``rows`` are the ids of the
    failing critique rows it explains (those it named, else those it was shown); ``share`` is their share of all
    failures seen, in [0, 1].
    """

    id: str
    critique: str
    quote: str
    span: Span
    anchor: Anchor
    rows: tuple[str, ...]
    share: float
    source: GradientSource
