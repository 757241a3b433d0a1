"""The rows that a benchmark draws: as even as they allow, by content and seed alone."""

from __future__ import annotations

import random
from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from apo_engine.runs.bench_rows import sample
from tests.engine.table_model import row

LABELS = st.lists(st.sampled_from(["Yes", "No", "No"]), max_size=60)


@given(LABELS, st.integers(1, 70), st.integers(0, 3), st.randoms(use_true_random=False))
def test_a_sample_is_as_even_as_the_rows_allow_whatever_their_order(
    labels: list[str], most: int, seed: int, rng: random.Random
) -> None:
    rows = [row(number, label) for number, label in enumerate(labels)]
    drawn = sample(rows, most, seed)
    assert len(drawn) == len({one.id for one in drawn}) == min(most, len(rows))
    counts, there = Counter(one.expected for one in drawn), Counter(labels)
    for label, other in (("Yes", "No"), ("No", "Yes")):
        assert counts[label] >= min(there[label], most // 2)
        assert counts[label] <= counts[other] + 1 or counts[other] == there[other]
    shuffled = rng.sample(rows, len(rows))
    assert sample(shuffled, most, seed) == drawn


def test_another_seed_draws_other_rows_and_more_rows_keep_the_first() -> None:
    rows = [row(number, "Yes" if number % 2 else "No") for number in range(200)]
    assert sample(rows, 50, 0) != sample(rows, 50, 1)
    assert sample(rows, 80, 0)[:50] == sample(rows, 50, 0)
