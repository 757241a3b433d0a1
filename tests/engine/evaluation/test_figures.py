"""What answers come to besides their metric."""

from __future__ import annotations

import pytest

from apo_engine.evaluation.figures import Figures, figures_of
from apo_engine.evaluation.result import RowResult
from apo_engine.scoring.metric import make_metric


def results(*pairs: tuple[str, str]) -> list[RowResult]:
    """Rows by expected and predicted label; an empty one could not be read."""
    return [
        RowResult(f"r{n}", n, "rows.jsonl", expected, predicted, float(expected == predicted), predicted, not predicted)
        for n, (expected, predicted) in enumerate(pairs)
    ]


TWO = results(("yes", "yes"), ("yes", "no"), ("no", "no"), ("no", ""), ("no", "yes"), ("yes", "yes"))


@pytest.mark.parametrize("metric", ["label", "f1", "f1_macro"])
def test_accuracy_and_both_f1_are_there_whatever_the_metric_is(metric: str) -> None:
    found = figures_of(TWO, make_metric(metric, ["no", "yes"]), ["no", "yes"])
    assert (found.n, found.invalid, found.positive) == (6, 1, "yes")
    assert found.accuracy == pytest.approx(3 / 6)
    # yes: 2 hits, 1 false alarm, 1 miss; no: 1 hit, 1 false alarm, 2 misses.
    assert found.f1 == {"binary": pytest.approx(4 / 6), "macro": pytest.approx((4 / 6 + 2 / 5) / 2)}
    assert found.accuracy_interval is not None
    assert found.accuracy_interval[0] < 0.5 < found.accuracy_interval[1]


def test_three_labels_have_no_binary_f1() -> None:
    found = figures_of(results(("a", "a"), ("b", "c"), ("c", "c")), make_metric("label", "abc"), "abc")
    assert set(found.f1) == {"macro"}
    assert found.positive is None


@pytest.mark.parametrize("metric", ["exact_match", "json_match", "judge", "mine:score"])
def test_other_metrics_count_what_could_not_be_read_and_no_more(metric: str) -> None:
    assert figures_of(TWO, make_metric(metric, []), []) == Figures(6, 1)


def test_no_rows_are_no_division_by_zero() -> None:
    assert figures_of([], make_metric("label", ["no", "yes"]), ["no", "yes"]).accuracy == 0.0
