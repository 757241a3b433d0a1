"""Metrics: how answers are judged, and how judged rows become one figure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from apo_engine.examples.example import Example
from apo_engine.problems import InputError, Place, Problem
from apo_engine.scoring.figure import Figure, Judged, f1_of, mean
from apo_engine.scoring.json_match import json_match, no_json
from apo_engine.scoring.judgement import Judge
from apo_engine.scoring.labels import label_judge, positive_label
from apo_engine.scoring.patterns import PatternCheck
from apo_engine.scoring.text import contains, exact_match, no_number, numeric, regex

_MOST_PROBLEMS = 5


def _nothing(_expected: str) -> str:
    return ""


@dataclass(frozen=True, slots=True)
class Metric:
    """A named way to judge rows.

    ``figure`` turns judged rows into one figure. ``judge`` is None where answers are judged by a model or by a
    function of the user's (see `Grader`). ``by_label`` says that answers are read as one of the task's labels, ``mean``
    that the figure is the mean of the row scores. ``objection`` says why an expected value cannot be used, as a clause
    without its subject; empty where it can. ``slow`` says that judging an answer may take seconds.
    """

    name: str
    figure: Figure
    judge: Judge | None
    by_label: bool = False
    mean: bool = True
    objection: Callable[[str], str] = _nothing
    slow: bool = False

    def total(self, rows: Sequence[Judged]) -> float:
        """The figure of these rows in [0, 1]; 0 without rows."""
        return self.figure.of(rows)


def make_metric(name: str | None, labels: Sequence[str], seconds: float | None = None) -> Metric:
    """The metric of that name; without one, ``label`` where the task has labels, else ``exact_match``.

    To find out whether expected values can be used takes no longer than about ``seconds``.

    Raises:
        InputError: the metric needs labels and the rows have none, or binary F1 is asked of more than two labels.
    """
    name = name or ("label" if labels else "exact_match")
    if name in ("label", "f1", "f1_macro"):
        return _label_metric(name, tuple(labels))
    if name == "regex":
        return Metric(name, mean(), regex, objection=PatternCheck(seconds), slow=True)
    if name in _PLAIN:
        judge, objection = _PLAIN[name]
        return Metric(name, mean(), judge, objection=objection)
    if name == "judge" or ":" in name:
        return Metric(name, mean(), None)
    raise _unsuitable(name, "there is no such metric", "label")


def require_usable(metric: Metric, rows: Iterable[Example], is_stopped: Callable[[], bool] = lambda: False) -> None:
    """Make sure that the metric can use what the rows expect, as far as it gets before ``is_stopped`` says so.

    Raises:
        InputError: it cannot; names the rows.
    """
    problems = []
    for row in rows:
        if is_stopped():
            break
        reason = metric.objection(row.expected)
        if reason:
            shown = row.expected if len(row.expected) <= 60 else f"{row.expected[:59]}…"
            message = f"The metric '{metric.name}' cannot use this row: the expected value {shown!r} {reason}."
            problems.append(
                Problem("expected-unusable", message, "Correct the row, or remove it.", Place(row.path, row.line))
            )
            if len(problems) == _MOST_PROBLEMS:
                break
    if problems:
        raise InputError(*problems)


def _label_metric(name: str, labels: tuple[str, ...]) -> Metric:
    if not labels:
        raise _unsuitable(name, "the expected values are too many or too long to be labels", "exact_match")
    if name == "f1" and len(labels) > 2:
        raise _unsuitable(name, f"it needs two labels, and the rows have {len(labels)}", "f1_macro")
    figures = {"label": mean(), "f1": f1_of([positive_label(labels)]), "f1_macro": f1_of(labels)}
    return Metric(name, figures[name], label_judge(labels), by_label=True, mean=name == "label")


_PLAIN: dict[str, tuple[Judge, Callable[[str], str]]] = {
    "exact_match": (exact_match, _nothing),
    "contains": (contains, _nothing),
    "numeric": (numeric, no_number),
    "json_match": (json_match, no_json),
}


def _unsuitable(name: str, why: str, instead: str) -> InputError:
    return InputError(
        Problem(
            "metric-unsuitable",
            f"The metric '{name}' cannot be used: {why}.",
            f"Set 'apo.metric: {instead}'.",
        )
    )
