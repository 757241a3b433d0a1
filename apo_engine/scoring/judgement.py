"""What one answer is worth."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Judgement:
    """``score`` in [0, 1], the value read from the answer, and whether none could be read.

    ``marks`` are the scores that a model gave one after the other, whose mean ``score`` is; ``remark`` says in words
    why the answer is worth no more.
    """

    score: float
    predicted: str
    invalid: bool = False
    marks: tuple[float, ...] = ()
    remark: str = ""


#: Judges (answer, expected) by itself: asks no model and runs nobody's code.
Judge = Callable[[str, str], Judgement]
