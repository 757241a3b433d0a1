"""The rows that a cap leaves room for: never more than it allows, always the leading ones of each set."""

from __future__ import annotations

from typing import Literal

from hypothesis import given
from hypothesis import strategies as st

from apo_engine.examples.split import Split
from apo_engine.runs.row_budget import cap_for_holdout, left_out_words, within_cap
from tests.engine.table_model import row

JOBS: tuple[Literal["evaluate", "gradients", "optimize"], ...] = ("evaluate", "gradients", "optimize")


def split_of(critique: int, selection: int, holdout: int) -> Split:
    rows = [row(n) for n in range(critique + selection + holdout)]
    return Split(
        tuple(rows[:critique]), tuple(rows[critique : critique + selection]), tuple(rows[critique + selection :])
    )


@given(st.sampled_from(JOBS), st.integers(10, 300), st.integers(10, 300), st.integers(10, 300), st.integers(1, 2000))
def test_sets_keep_their_leading_rows(
    job: Literal["evaluate", "gradients", "optimize"], critique: int, selection: int, holdout: int, calls: int
) -> None:
    whole = split_of(critique, selection, holdout)
    used = within_cap(whole, job, calls)
    for name in ("critique", "selection", "holdout"):
        some, every = getattr(used, name), getattr(whole, name)
        assert some == every[: len(some)]
    if job == "evaluate":
        assert len(used.critique) + len(used.selection) == min(calls, critique + selection)
    if job == "optimize" and calls >= 400:
        assert len(used.holdout) <= 0.1 * calls
        assert len(used.selection) <= 0.1 * calls
    assert bool(left_out_words(whole, used, calls)) == (used != whole)


@given(st.integers(1, 400))
def test_the_cap_for_a_holdout_leaves_out_none_of_it(rows: int) -> None:
    whole = split_of(10, 10, rows)
    assert within_cap(whole, "optimize", cap_for_holdout(rows)).holdout == whole.holdout


def test_a_large_set_is_searched_within_an_ordinary_cap() -> None:
    used = within_cap(split_of(2103, 1578, 461), "optimize", 1000)
    assert (len(used.critique), len(used.selection), len(used.holdout)) == (2103, 100, 100)
    assert left_out_words(split_of(2103, 1578, 461), used, 1000) == (
        "The cap of 1,000 calls leaves room for 100 of 1,578 selection rows, 100 of 461 sealed rows."
    )
