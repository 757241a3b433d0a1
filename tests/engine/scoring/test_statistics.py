"""Intervals and paired tests, against published figures and brute force."""

from __future__ import annotations

import itertools
import random
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from apo_engine.scoring import paired
from apo_engine.scoring.figure import Judged
from apo_engine.scoring.interval import figure_interval, wilson
from apo_engine.scoring.metric import Metric, make_metric
from apo_engine.scoring.noise import judge_noise
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


F1 = make_metric("f1", ("no", "yes"))
MACRO = make_metric("f1_macro", ("a", "b", "c"))


def answered(rng: random.Random, labels: str | tuple[str, ...], n: int, right: float) -> list[tuple[str, str]]:
    drawn = [rng.choice(labels) for _ in range(n)]
    return [(label, label if rng.random() < right else rng.choice((*labels, ""))) for label in drawn]


def pair(rng: random.Random, labels: tuple[str, ...], n: int) -> tuple[list[Judged], list[Judged]]:
    start = [Judged(e, said, float(e == said)) for e, said in answered(rng, labels, n, 0.3)]
    best = [Judged(r.expected, r.expected, 1.0) if rng.random() < 0.4 else r for r in start]
    return start, [Judged(r.expected, "", 0.0) if rng.random() < 0.1 else r for r in best]


def by_brute_force(start: list[Judged], best: list[Judged], metric: Metric) -> float:
    observed = abs(metric.total(best) - metric.total(start))
    extreme = 0
    for swaps in itertools.product((False, True), repeat=len(start)):
        left = [b if swap else a for a, b, swap in zip(start, best, swaps, strict=True)]
        right = [a if swap else b for a, b, swap in zip(start, best, swaps, strict=True)]
        extreme += abs(metric.total(right) - metric.total(left)) >= observed - 1e-12
    return extreme / 2 ** len(start)


@settings(max_examples=25)
@given(st.integers(0, 2**32), st.sampled_from([(F1, ("no", "yes")), (MACRO, ("a", "b", "c"))]))
def test_f1_is_compared_by_swapping_answers_exactly_where_rows_are_few(
    seed: int, task: tuple[Metric, tuple[str, ...]]
) -> None:
    rng = random.Random(seed)
    metric, labels = task
    start, best = pair(rng, labels, 9)
    assert compare(start, best, metric).p == pytest.approx(by_brute_force(start, best, metric))


@settings(max_examples=10, deadline=None)
@given(st.integers(0, 2**32), st.sampled_from([(F1, ("no", "yes")), (MACRO, ("a", "b", "c"))]))
def test_which_prompt_comes_first_does_not_change_a_permutation_test(
    seed: int, task: tuple[Metric, tuple[str, ...]]
) -> None:
    rng = random.Random(seed)
    metric, labels = task
    for n in (12, 150):
        start, best = pair(rng, labels, n)
        there, back = compare(start, best, metric), compare(best, start, metric)
        assert there.p == back.p
        assert there.difference == -back.difference
        assert compare(start, start, metric).p == 1.0


def test_drawn_permutations_agree_with_all_of_them(monkeypatch: pytest.MonkeyPatch) -> None:
    start, best = pair(random.Random(5), ("a", "b", "c"), 40)
    exact = compare(start, best, MACRO).p
    monkeypatch.setattr(paired, "_MOST_SUMS", 0)
    drawn = compare(start, best, MACRO).p
    assert drawn != exact
    assert drawn == pytest.approx(exact, abs=4 * (exact * (1 - exact) / paired.PERMUTATIONS) ** 0.5)


def test_a_permutation_test_of_no_difference_is_right_as_often_as_it_says() -> None:
    rng = random.Random(3)
    refused = 0
    for _ in range(120):
        pairs = [(Judged(e, s, 0.0), Judged(e, t, 0.0)) for e in rng.choices("ab", k=30)
                 for s, t in [(rng.choice("ab"), rng.choice("ab"))]]  # fmt: skip
        comparison = compare([a for a, _ in pairs], [b for _, b in pairs], make_metric("f1_macro", ("a", "b")))
        refused += comparison.p <= 0.05
    assert refused <= 0.11 * 120


def test_an_f1_verdict_on_many_rows_takes_no_noticeable_time() -> None:
    labels = tuple("abcdefgh")
    start, best = pair(random.Random(1), labels, 500)
    began = time.process_time()
    compare(start, best, make_metric("f1_macro", labels))
    assert time.process_time() - began < 2.0


def test_a_judge_is_measured_by_what_it_says_twice() -> None:
    assert judge_noise([(), (0.5,), ()]) is None
    found = judge_noise([(0.5, 0.5), (0.25, 0.75), (1.0,)])
    assert found is not None
    assert (found.n, found.agreement) == (2, 0.5)
    # Within-row variances 0 and 0.125, on one degree of freedom each.
    assert found.deviation == pytest.approx((0.125 / 2) ** 0.5)


def test_a_judges_noise_is_found_again_whatever_the_number_of_grades() -> None:
    rng = random.Random(2)
    marks = [[rng.gauss(level, 0.1) for _ in range(rng.choice((2, 3, 5)))] for level in [0.2, 0.5, 0.9] * 300]
    found = judge_noise(marks)
    assert found is not None
    assert found.deviation == pytest.approx(0.1, rel=0.05)


def test_intervals_of_graded_figures_are_the_same_every_time() -> None:
    metric = make_metric("exact_match", ())
    graded = [Judged("x", "y", value / 20) for value in range(20)]
    assert figure_interval(graded, metric) == figure_interval(graded, metric)
    low, high = figure_interval(graded, metric)
    assert low < 0.475 < high


def test_a_comparison_needs_the_same_rows() -> None:
    with pytest.raises(ValueError, match="same rows"):
        compare(rows([1]), rows([1, 0]), LABEL)
