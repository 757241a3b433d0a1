"""The verdict: adopt only what is shown, at the level that earlier looks leave."""

from __future__ import annotations

import pytest

from apo_engine.evaluation.figures import Figures
from apo_engine.scoring.comparison import Comparison
from apo_engine.scoring.figure import Judged
from apo_engine.scoring.metric import make_metric
from apo_engine.scoring.paired import compare
from apo_engine.search.verdict import Look, judge

START, BEST = Figures(60, 3), Figures(60, 0)
LABELS = ("a", "b", "c")


def compared(fixed: int, broken: int, metric: str, earlier: int = 0) -> Comparison:
    """60 rows of which a rewrite gets ``fixed`` right that were wrong, and ``broken`` wrong that were right."""
    start, best = [], []
    for n in range(60):
        expected = LABELS[n % 3]
        wrong = LABELS[(n + 1) % 3]
        before, after = (
            (wrong, expected) if n < fixed else (expected, wrong) if n >= 60 - broken else (expected, expected)
        )
        start.append(Judged(expected, before, float(before == expected)))
        best.append(Judged(expected, after, float(after == expected)))
    return compare(start, best, make_metric(metric, LABELS), Look(earlier).confidence)


@pytest.mark.parametrize("metric", ["label", "f1_macro"])
def test_a_clear_gain_is_adopted_and_one_like_chance_is_not(metric: str) -> None:
    clear = judge(compared(15, 2, metric), Look(0), START, BEST)
    assert clear.decision == "adopt"
    assert clear.words.endswith(f"to {100 * clear.comparison.interval[1]:+.1f}")
    assert (clear.start, clear.best) == (START, BEST)
    chance = judge(compared(5, 3, metric), Look(0), START, BEST)
    assert chance.decision == "keep"
    assert chance.comparison.difference > 0
    assert chance.comparison.interval[0] <= 0 <= chance.comparison.interval[1]
    assert chance.words.endswith("not enough to tell it from chance")


@pytest.mark.parametrize("metric", ["label", "f1_macro"])
def test_a_gain_that_convinces_at_the_first_look_need_not_at_the_tenth(metric: str) -> None:
    decisions = [judge(compared(9, 1, metric, looks), Look(looks, 60), START, BEST).decision for looks in (0, 9)]
    assert decisions == ["adopt", "keep"]
    words = judge(compared(9, 1, metric, 9), Look(9, 60), START, BEST).words
    assert "99.91 % interval" in words
    assert "Look 10 at these rows: tested at 0.045 % one-sided, in place of 2.5 %" in words
    assert words.endswith("replace the opened rows by 60 new rows")


@pytest.mark.parametrize("metric", ["label", "f1_macro"])
def test_a_loss_is_never_adopted(metric: str) -> None:
    assert judge(compared(2, 15, metric), Look(0), START, BEST).decision == "keep"


def test_what_is_unknown_is_said() -> None:
    first = judge(compared(15, 2, "label"), Look(None, began=1_000_000_000), START, BEST)
    assert (first.decision, first.earlier_looks, first.level) == ("adopt", None, 0.025)
    assert first.words.endswith(". This store holds no earlier look at these rows; it began on 2001-09-09")


@pytest.mark.parametrize("began", [float("nan"), float("inf"), -1e300])
def test_a_time_that_is_none_is_no_error(began: float) -> None:
    assert judge(compared(15, 2, "label"), Look(None, began=began), START, BEST).words


@pytest.mark.parametrize(("earlier", "on_prompt", "said"), [(None, 0, ""), (2, 2, ""), (None, 3, "4"), (1, 3, "4")])
def test_more_looks_for_the_prompt_than_at_its_rows_are_said(earlier: int | None, on_prompt: int, said: str) -> None:
    found = judge(compared(15, 2, "label", earlier or 0), Look(earlier, 60, on_prompt), START, BEST)
    assert (found.earlier_looks, found.prompt_looks) == (earlier, on_prompt)
    warned = (
        "This prompt or its files had 3 earlier looks in all: if these rows are those in other words, this is look 4"
    )
    assert (f"{warned}, which asks for 0.25 % one-sided" in found.words) == bool(said)
