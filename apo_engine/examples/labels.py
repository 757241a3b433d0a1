"""Answers that are the labels of a classification, and answers that were meant to be one of them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

MAX_LABELS, MAX_LABEL_CHARS = 20, 40
# A slip is rare beside the label that was meant; a label of its own seldom is.
_RARER = 10
_FEWEST = 4
_DIGITS = re.compile(r"\d+")


def are_labels(answers: Collection[str], rows: int) -> bool:
    """Whether the different ``answers`` of so many rows are labels: few, short, and repeated."""
    few = len(answers) <= MAX_LABELS and len(answers) * 2 <= rows
    return few and all(len(answer) <= MAX_LABEL_CHARS for answer in answers)


def misspelt(counts: Mapping[str, int]) -> dict[str, str]:
    """The answers that are most likely another one, misspelt: that other one by answer.

    They differ from an answer that is given more often in case or space alone, or by a letter or two from one that is
    given ten times as often.
    """
    meant: dict[str, str] = {}
    by_count = sorted(counts, key=lambda answer: (-counts[answer], answer))
    for at, answer in enumerate(by_count):
        for other in by_count[:at]:
            # A label that is taken for a slip itself is nothing to be measured by.
            if other in meant or counts[other] == counts[answer]:
                continue
            far_rarer = counts[answer] * _RARER <= counts[other]
            if caseless(answer) == caseless(other) or (far_rarer and _is_slip(answer, other)):
                meant[answer] = other
                break
    return meant


def caseless(label: str) -> str:
    """A label without its case and its spaces."""
    return "".join(label.casefold().split())


def _is_slip(answer: str, label: str) -> bool:
    """Whether a letter or two were missed, added or exchanged."""
    from rapidfuzz.distance import OSA

    one, other = caseless(answer), caseless(label)
    shorter, longer = sorted((one, other), key=len)
    # What stands before a word makes another one of it: typical, atypical.
    if len(shorter) < _FEWEST or longer.endswith(shorter) or _DIGITS.findall(one) != _DIGITS.findall(other):
        return False
    return OSA.distance(one, other) <= (2 if len(longer) >= 8 else 1)
