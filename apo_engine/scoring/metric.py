"""Metrics: how an answer is judged against what was expected, and how rows become one number."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from apo_engine.problems import InputError, Problem

_NUMBER = re.compile(r"[-+]?(?:\d+(?:[ ,_]\d{3})+|\d+)?(?:\.\d+)?(?:[eE][-+]?\d+)?%?")
_POSITIVE = ("yes", "true", "1", "positive", "pos")
_REGEX_INPUT_LIMIT = 20_000


@dataclass(frozen=True, slots=True)
class Judgement:
    """What one answer is worth: ``score`` in [0, 1], the value read from it, and whether none could be read."""

    score: float
    predicted: str
    invalid: bool = False


@dataclass(frozen=True, slots=True)
class Judged:
    """A row's expected and predicted value with its score: all that an overall figure is made of."""

    expected: str
    predicted: str
    score: float


Total = Callable[[Sequence[Judged]], float]


@dataclass(frozen=True, slots=True)
class Metric:
    """A named way to judge rows.

    ``judge`` takes (answer, expected). ``total`` turns judged rows into one figure in [0, 1]. ``by_label`` says that
    answers are read as one of the task's labels; ``mean`` that ``total`` is the mean of the row scores.
    """

    name: str
    judge: Callable[[str, str], Judgement]
    total: Total
    by_label: bool = False
    mean: bool = True


def make_metric(name: str | None, labels: Sequence[str]) -> Metric:
    """The metric of that name; without one, ``label`` where the task has labels, else ``exact_match``.

    Raises:
        InputError: the metric needs labels and the rows have none, or binary F1 is asked of more than two labels.
    """
    name = name or ("label" if labels else "exact_match")
    if name in ("label", "f1", "f1_macro"):
        if not labels:
            raise _unsuitable(name, "the expected values are too many or too long to be labels", "exact_match")
        if name == "f1" and len(labels) > 2:
            raise _unsuitable(name, f"it needs two labels, and the rows have {len(labels)}", "f1_macro")
        return Metric(name, _label_judge(tuple(labels)), total_of(name, labels), True, name == "label")
    judge = _PLAIN.get(name)
    if judge is None:
        raise _unsuitable(name, "there is no such metric", "label")
    return Metric(name, judge, mean_score)


def total_of(name: Literal["label", "f1", "f1_macro"] | str, labels: Sequence[str]) -> Total:
    """The overall figure of a label metric: accuracy, F1 of the positive label, or the mean F1 over all labels."""
    if name == "f1":
        positive = positive_label(labels)
        return lambda rows: f1(rows, positive)
    if name == "f1_macro":
        return lambda rows: sum(f1(rows, label) for label in labels) / len(labels)
    return mean_score


def positive_label(labels: Sequence[str]) -> str:
    """The label that binary F1 is about: a conventional positive word if there is one, else the second in order."""
    return next((label for label in labels if label.casefold() in _POSITIVE), labels[-1])


def mean_score(rows: Sequence[Judged]) -> float:
    """The mean of the row scores; 0 without rows."""
    return sum(row.score for row in rows) / len(rows) if rows else 0.0


def f1(rows: Sequence[Judged], positive: str) -> float:
    """F1 of one label: 2·TP / (2·TP + FP + FN); 0 where the label is neither expected nor predicted."""
    hits = sum(row.expected == row.predicted == positive for row in rows)
    named = sum(row.predicted == positive for row in rows)
    wanted = sum(row.expected == positive for row in rows)
    return 2 * hits / (named + wanted) if named + wanted else 0.0


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


def _label_judge(labels: tuple[str, ...]) -> Callable[[str, str], Judgement]:
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


def _exact(answer: str, expected: str) -> Judgement:
    said = answer.strip()
    return Judgement(float(said == expected.strip()), said, invalid=not said)


def _contains(answer: str, expected: str) -> Judgement:
    return Judgement(float(expected.strip().casefold() in answer.casefold()), answer.strip(), not answer.strip())


def _regex(answer: str, expected: str) -> Judgement:
    try:
        pattern = re.compile(expected)
    except re.error as error:
        raise InputError(
            Problem(
                "bad-pattern",
                f"The expected value {expected!r} is no regular expression: {error}.",
                "Mend the row.",
            )
        ) from error
    return Judgement(float(pattern.search(answer[:_REGEX_INPUT_LIMIT]) is not None), answer.strip(), not answer.strip())


def _numeric(answer: str, expected: str) -> Judgement:
    said, wanted = read_number(answer), read_number(expected)
    if said is None:
        return Judgement(0.0, "", invalid=True)
    close = wanted is not None and abs(said - wanted) <= 1e-6 * max(1.0, abs(wanted))
    return Judgement(float(close), f"{said:g}")


def read_number(text: str) -> float | None:
    """The last number in a text (thousands separators and a percent sign allowed), or None."""
    found = [match.group() for match in _NUMBER.finditer(text) if any(c.isdigit() for c in match.group())]
    if not found:
        return None
    last = re.sub(r"[ ,_%]", "", found[-1])
    value = float(last)
    return value / 100 if found[-1].endswith("%") else value


_PLAIN: dict[str, Callable[[str, str], Judgement]] = {
    "exact_match": _exact,
    "contains": _contains,
    "regex": _regex,
    "numeric": _numeric,
}


def _unsuitable(name: str, why: str, instead: str) -> InputError:
    return InputError(
        Problem(
            "metric-unsuitable",
            f"The metric '{name}' cannot be used: {why}.",
            f"Set 'apo.metric: {instead}'.",
        )
    )
