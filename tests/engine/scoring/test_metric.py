"""Metrics: what an answer is worth, and what rows add up to."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apo_engine.problems import InputError
from apo_engine.scoring.metric import Judged, f1, make_metric, read_label, read_number

LABELS = ("billing", "shipping", "account")


@pytest.mark.parametrize(
    ("answer", "label"),
    [
        ("billing", "billing"),
        ("  **Billing**.\n", "billing"),
        ("The queue is shipping.", "shipping"),
        ("Label: ACCOUNT", "account"),
        ("billing or shipping", None),
        ("accountant", None),
        ("", None),
    ],
)
def test_a_label_is_read_alone_or_as_the_only_label_named(answer: str, label: str | None) -> None:
    assert read_label(answer, LABELS) == label


def test_the_longer_of_two_labels_wins_where_one_contains_the_other() -> None:
    assert read_label("I am not sure", ("sure", "not sure")) == "not sure"
    assert read_label("sure", ("sure", "not sure")) == "sure"


@given(st.sampled_from(LABELS), st.sampled_from(["{}", " {}\n", '"{}"', "{}.", "Answer: {}"]))
def test_every_label_is_read_from_the_ways_models_dress_it(label: str, dress: str) -> None:
    judgement = make_metric("label", LABELS).judge(dress.format(label), label)
    assert (judgement.score, judgement.predicted, judgement.invalid) == (1.0, label, False)


@given(st.text(max_size=60))
def test_no_answer_breaks_a_metric_and_scores_stay_in_range(answer: str) -> None:
    for name in ("label", "exact_match", "contains", "regex", "numeric", "f1_macro"):
        judgement = make_metric(name, LABELS).judge(answer, "billing")
        assert 0.0 <= judgement.score <= 1.0


def test_an_unreadable_answer_is_wrong_and_counted_apart() -> None:
    judgement = make_metric(None, LABELS).judge("I would rather not say", "billing")
    assert (judgement.score, judgement.invalid) == (0.0, True)


def test_the_metric_defaults_to_labels_where_there_are_some() -> None:
    assert make_metric(None, LABELS).name == "label"
    assert make_metric(None, ()).name == "exact_match"


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("The total is 1,250.50 EUR", 1250.5),
        ("42", 42.0),
        ("-3", -3.0),
        ("12 %", 12.0),
        ("12%", 0.12),
        ("first 3, then 4", 4.0),
        ("none", None),
        ("1e3", 1000.0),
    ],
)
def test_the_last_number_is_read(text: str, number: float | None) -> None:
    assert read_number(text) == number


def test_numeric_allows_for_how_a_number_is_written() -> None:
    metric = make_metric("numeric", ())
    assert metric.judge("It is 1,000.0 in all.", "1000").score == 1.0
    assert metric.judge("It is 1,001.", "1000").score == 0.0
    assert metric.judge("many", "1000").invalid


def test_regex_takes_the_expected_value_as_the_pattern() -> None:
    metric = make_metric("regex", ())
    assert metric.judge("order 4711 sent", r"order \d{4}").score == 1.0
    with pytest.raises(InputError, match="no regular expression"):
        metric.judge("x", "(")


def test_f1_is_not_accuracy() -> None:
    rows = [Judged("yes", "yes", 1.0), Judged("yes", "no", 0.0), *[Judged("no", "no", 1.0)] * 8]
    assert f1(rows, "yes") == pytest.approx(2 / 3)
    assert make_metric("label", ("yes", "no")).total(rows) == pytest.approx(0.9)
    assert make_metric("f1", ("no", "yes")).total(rows) == pytest.approx(2 / 3)
    assert make_metric("f1_macro", ("yes", "no")).total(rows) == pytest.approx((2 / 3 + 16 / 17) / 2)


def test_f1_asks_for_what_it_needs() -> None:
    with pytest.raises(InputError, match="f1_macro"):
        make_metric("f1", LABELS)
    with pytest.raises(InputError, match="exact_match"):
        make_metric("label", ())
