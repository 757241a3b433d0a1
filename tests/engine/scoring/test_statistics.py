"""Intervals and paired tests, against published figures and brute force."""

from __future__ import annotations

import itertools
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from apo_engine.scoring.interval import figure_interval, wilson
from apo_engine.scoring.metric import Judged, make_metric
from apo_engine.scoring.paired import compare, mcnemar, newcombe

LABEL = make_metric("label", ("a", "b"))


def rows(scores: list[float]) -> list[Judged]:
    return [Judged("a", "a" if score else "b", score) for score in scores]


def test_wilson_agrees_with_the_published_interval() -> None:
    # Newcombe 1998 (Stat. Med. 17:857), table I, 81/263 and 15/148 by the score method.
    assert wilson(81, 263) == pytest.approx((0.2553, 0.3662), abs=5e-5)
    assert wilson(15, 148) == pytest.approx((0.0624, 0.1605), abs=5e-5)


def test_newcombe_agrees_with_the_published_interval() -> None:
    # Newcombe 1998 (Stat. Med. 17:2635), table III, method 10, cells 36, 12, 2, 0.
    assert newcombe(36, 12, 2, 0) == pytest.approx((0.0569, 0.3404), abs=5e-5)


def test_mcnemar_is_a_fair_coin_on_the_rows_that_differ() -> None:
    for won, lost in itertools.product(range(6), range(6)):
        flips = list(itertools.product((0, 1), repeat=won + lost))
        distance = abs(won - lost)
        extreme = sum(abs(sum(flip) - (won + lost - sum(flip))) >= distance for flip in flips)
        assert mcnemar(won, lost) == pytest.approx(extreme / len(flips))


@given(st.lists(st.tuples(st.booleans(), st.booleans()), min_size=1, max_size=80))
def test_a_comparison_is_paired_antisymmetric_and_holds_its_difference(pairs: list[tuple[bool, bool]]) -> None:
    start, best = rows([float(a) for a, _ in pairs]), rows([float(b) for _, b in pairs])
    there, back = compare(start, best, LABEL), compare(best, start, LABEL)
    assert there.difference == pytest.approx(-back.difference)
    assert there.p == pytest.approx(back.p)
    low, high = there.interval
    assert -1 <= low <= there.difference + 1e-9
    assert there.difference - 1e-9 <= high <= 1
    assert there.interval == pytest.approx((-back.interval[1], -back.interval[0]))


def test_no_difference_is_never_significant() -> None:
    comparison = compare(rows([1, 0, 1, 1]), rows([1, 0, 1, 1]), LABEL)
    assert comparison.p == 1.0
    assert not comparison.significant


def test_a_clear_gain_is_significant_and_a_stricter_level_can_refuse_it() -> None:
    start, best = rows([0] * 8 + [1] * 30), rows([1] * 8 + [1] * 30)
    assert compare(start, best, LABEL).significant
    assert not compare(start, best, LABEL, confidence=1 - 0.05 / 20).significant


def test_the_paired_interval_covers_the_truth_as_often_as_it_says() -> None:
    rng = random.Random(7)
    covered = 0
    for _ in range(400):
        pairs = [(rng.random() < 0.6, rng.random() < 0.75) for _ in range(60)]
        start, best = rows([float(a) for a, _ in pairs]), rows([float(b) for _, b in pairs])
        low, high = compare(start, best, LABEL).interval
        covered += low <= 0.15 <= high
    assert covered >= 0.92 * 400


def test_graded_scores_are_compared_by_permutation() -> None:
    metric = make_metric("exact_match", ())
    start = [Judged("x", "y", 0.2)] * 12
    best = [Judged("x", "z", 0.7)] * 12
    comparison = compare(start, best, metric)
    assert comparison.difference == pytest.approx(0.5)
    assert comparison.p == pytest.approx(2 / 2**12)


@settings(max_examples=10)
@given(st.randoms(use_true_random=False))
def test_f1_is_compared_by_swapping_answers(rng: random.Random) -> None:
    metric = make_metric("f1_macro", ("a", "b"))
    expected = [rng.choice("ab") for _ in range(12)]
    start = [Judged(e, rng.choice("ab"), 0.0) for e in expected]
    best = [Judged(e, e, 1.0) for e in expected]
    comparison = compare(start, best, metric)
    assert 0 < comparison.p <= 1
    assert comparison.difference >= 0
    assert compare(start, start, metric).p == 1.0


def test_intervals_of_graded_figures_are_the_same_every_time() -> None:
    metric = make_metric("exact_match", ())
    graded = [Judged("x", "y", value / 20) for value in range(20)]
    assert figure_interval(graded, metric) == figure_interval(graded, metric)
    low, high = figure_interval(graded, metric)
    assert low < 0.475 < high


def test_a_comparison_needs_the_same_rows() -> None:
    with pytest.raises(ValueError, match="same rows"):
        compare(rows([1]), rows([1, 0]), LABEL)
