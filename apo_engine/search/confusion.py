"""What failing rows have in common, by counting alone: which answers they got, and the words that set them apart."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from apo_engine.evaluation.result import RowResult
from apo_engine.examples.example import Example

Scored = tuple[Example, RowResult]

_WORD = re.compile(r"[^\W\d_][\w'’-]{2,}")
_MOST_CONFUSIONS = 4
_MOST_WORDS = 4
# A word with |z| of 1.28 or more sets rows apart at the one-sided 10 % level.
_TELLING = 1.28


@dataclass(frozen=True, slots=True)
class Confusion:
    """The failing rows (ids) with the same expected and read answer; ``answered`` is empty where none could be read.

    ``words`` set them apart from all other rows, most telling first; ``failures`` counts all failing rows.
    """

    expected: str
    answered: str
    rows: tuple[str, ...]
    words: tuple[str, ...]
    failures: int

    def __str__(self) -> str:
        what = (
            f"answered '{_short(self.answered)}'"
            if self.answered
            else "answered with nothing that could be read as an answer"
        )
        said = f"{len(self.rows)} of {self.failures} failing rows expect '{_short(self.expected)}' and were {what}."
        return f"{said} Words that set them apart: {', '.join(self.words)}." if self.words else said


def failing(scored: Sequence[Scored]) -> list[Scored]:
    """The rows that were not fully right."""
    return [(row, result) for row, result in scored if result.score < 1.0]


def confusions(scored: Sequence[Scored]) -> tuple[Confusion, ...]:
    """The largest confusions among these rows, largest first."""
    failures = failing(scored)
    groups: dict[tuple[str, str], list[Scored]] = {}
    for row, result in failures:
        groups.setdefault((row.expected, "" if result.invalid else result.predicted), []).append((row, result))
    largest = sorted(groups.items(), key=lambda item: -len(item[1]))[:_MOST_CONFUSIONS]
    found = []
    for (expected, answered), group in largest:
        rows = tuple(row.id for row, _ in group)
        inside = [" ".join(row.inputs.values()) for row, _ in group]
        outside = [" ".join(row.inputs.values()) for row, _ in scored if row.id not in rows]
        found.append(Confusion(expected, answered, rows, telling_words(inside, outside), len(failures)))
    return tuple(found)


def telling_words(inside: Iterable[str], outside: Iterable[str], most: int = _MOST_WORDS) -> tuple[str, ...]:
    """The words that texts ``inside`` use more than those ``outside``, most telling first.

    Log-odds ratio with an informative Dirichlet prior, the prior being the words of both sides, as z scores
    (Monroe, Colaresi & Quinn 2008, "Fightin' Words", equations 15–22). Each text counts a word once.
    """
    left, right = _counts(inside), _counts(outside)
    prior = left + right
    total, left_total, right_total = sum(prior.values()), sum(left.values()), sum(right.values())
    scored = []
    for word, weight in prior.items():
        rest_left = left_total + total - left[word] - weight
        rest_right = right_total + total - right[word] - weight
        if left[word] < 2 or rest_left <= 0 or rest_right <= 0:
            continue
        a, b = left[word] + weight, right[word] + weight
        z = (math.log(a / rest_left) - math.log(b / rest_right)) / math.sqrt(1 / a + 1 / b)
        if z >= _TELLING:
            scored.append((-z, word))
    return tuple(word for _, word in sorted(scored)[:most])


def _counts(texts: Iterable[str]) -> Counter[str]:
    return Counter(word for text in texts for word in sorted(set(_WORD.findall(text.casefold()))))


def _short(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= 60 else line[:59] + "…"
