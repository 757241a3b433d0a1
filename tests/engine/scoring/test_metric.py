"""Metrics: what an answer is worth, and what rows add up to."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apo_engine.examples.example import Example
from apo_engine.problems import InputError
from apo_engine.scoring.figure import Judged, f1_of
from apo_engine.scoring.judgement import Judgement
from apo_engine.scoring.labels import read_label
from apo_engine.scoring.metric import make_metric, require_usable
from apo_engine.scoring.text import read_number

LABELS = ("billing", "shipping", "account")


def judge(name: str, answer: str, expected: str) -> Judgement:
    metric = make_metric(name, LABELS)
    assert metric.judge is not None
    return metric.judge(answer, expected)


def example(expected: str, line: int = 3) -> Example:
    return Example(f"r{line}", {"text": "x"}, expected, line, Path("rows.jsonl"))


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
    judgement = judge("label", dress.format(label), label)
    assert (judgement.score, judgement.predicted, judgement.invalid) == (1.0, label, False)


@given(st.text(max_size=60))
def test_no_answer_breaks_a_metric_and_scores_stay_in_range(answer: str) -> None:
    for name in ("label", "exact_match", "contains", "regex", "numeric", "f1_macro"):
        judgement = judge(name, answer, "billing")
        assert 0.0 <= judgement.score <= 1.0


def test_an_unreadable_answer_is_wrong_and_counted_apart() -> None:
    judgement = judge("label", "I would rather not say", "billing")
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
    assert judge("numeric", "It is 1,000.0 in all.", "1000").score == 1.0
    assert judge("numeric", "It is 1,001.", "1000").score == 0.0
    assert judge("numeric", "many", "1000").invalid


def test_regex_takes_the_expected_value_as_the_pattern() -> None:
    assert judge("regex", "order 4711 sent", r"order \d{4}").score == 1.0
    assert judge("regex", "order 47", r"order \d{4}").score == 0.0


@pytest.mark.parametrize(
    ("metric", "expected", "reason"),
    [
        ("regex", "(", "is no regular expression"),
        ("numeric", "many", "holds no number"),
        ("json_match", "{'a': 1}", "is not valid JSON"),
    ],
)
def test_rows_that_a_metric_cannot_use_are_named_before_anything_is_asked(
    metric: str, expected: str, reason: str
) -> None:
    good = {"regex": "a+", "numeric": "7", "json_match": "{}"}[metric]
    require_usable(make_metric(metric, ()), [example(good)])
    with pytest.raises(InputError) as caught:
        require_usable(make_metric(metric, ()), [example(good), *(example(expected, line) for line in range(4, 20))])
    first, *others = caught.value.problems
    assert str(first).startswith("rows.jsonl:4:1: ")
    assert reason in first.message
    assert len(others) == 4


def test_f1_is_not_accuracy() -> None:
    rows = [Judged("yes", "yes", 1.0), Judged("yes", "no", 0.0), *[Judged("no", "no", 1.0)] * 8]
    assert f1_of(["yes"]).of(rows) == pytest.approx(2 / 3)
    assert make_metric("label", ("yes", "no")).total(rows) == pytest.approx(0.9)
    assert make_metric("f1", ("no", "yes")).total(rows) == pytest.approx(2 / 3)
    assert make_metric("f1_macro", ("yes", "no")).total(rows) == pytest.approx((2 / 3 + 16 / 17) / 2)


SAID = st.tuples(st.sampled_from(LABELS), st.sampled_from((*LABELS, "")))


@given(st.lists(SAID, min_size=1, max_size=40))
def test_f1_is_counted_as_its_formula_says(said: list[tuple[str, str]]) -> None:
    rows = [Judged(expected, predicted, float(expected == predicted)) for expected, predicted in said]
    each = []
    for label in LABELS:
        hits = sum(expected == predicted == label for expected, predicted in said)
        missed = sum(expected == label != predicted for expected, predicted in said)
        false = sum(predicted == label != expected for expected, predicted in said)
        each.append(2 * hits / (2 * hits + missed + false) if hits + missed + false else 0.0)
        assert f1_of([label]).of(rows) == pytest.approx(each[-1])
    assert make_metric("f1_macro", LABELS).total(rows) == pytest.approx(sum(each) / len(each))


def test_f1_asks_for_what_it_needs() -> None:
    with pytest.raises(InputError, match="f1_macro"):
        make_metric("f1", LABELS)
    with pytest.raises(InputError, match="exact_match"):
        make_metric("label", ())
