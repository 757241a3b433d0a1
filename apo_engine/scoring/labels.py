"""Answers that are one of a few labels."""

from __future__ import annotations

import re
from collections.abc import Sequence

from apo_engine.scoring.judgement import Judge, Judgement

_POSITIVE = ("yes", "true", "1", "positive", "pos")


def read_label(answer: str, labels: Sequence[str]) -> str | None:
    """The one label that an answer means: said alone, else the only label that occurs in it as a whole word."""
    bare = _bare(answer)
    exact = [label for label in labels if _bare(label) == bare]
    if exact:
        return exact[0]
    folded = answer.casefold()
    named = [label for label in labels if _as_word(label.casefold()).search(folded)]
    # "not sure" also says "sure": the longer label wins where one contains the other.
    named = [a for a in named if not any(a != b and a.casefold() in b.casefold() for b in named)]
    return named[0] if len(named) == 1 else None


def positive_label(labels: Sequence[str]) -> str:
    """The label that binary F1 is about: a conventional positive word if there is one, else the last in order."""
    return next((label for label in labels if label.casefold() in _POSITIVE), labels[-1])


def label_judge(labels: Sequence[str]) -> Judge:
    """Right where the label that the answer means is the expected one; unreadable where it means none or several."""

    def judge(answer: str, expected: str) -> Judgement:
        label = read_label(answer, labels)
        if label is None:
            return Judgement(0.0, "", invalid=True)
        return Judgement(float(_bare(label) == _bare(expected)), label)

    return judge


def _as_word(text: str) -> re.Pattern[str]:
    return re.compile(rf"(?<!\w){re.escape(text)}(?!\w)")


def _bare(text: str) -> str:
    return text.strip().strip("\"'`*.:!").strip().casefold()
