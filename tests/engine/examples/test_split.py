from __future__ import annotations

import random
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apo_engine.examples.example import Example, ExampleSet
from apo_engine.examples.split import Split, split
from apo_engine.problems import InputError


def a_set(
    rows: list[tuple[str, str]], labels: tuple[str, ...] = (), holdout: tuple[str, ...] | None = None
) -> ExampleSet:
    examples = tuple(
        Example(f"{text}/{label}", {"text": text}, label, line, Path("a.csv"))
        for line, (text, label) in enumerate(rows, 2)
    )
    return ExampleSet(examples, (), ("text",), labels, holdout, "")


def labelled(count: int, labels: int = 3) -> ExampleSet:
    rows = [(f"row {number}", f"L{number % labels}") for number in range(count)]
    return a_set(rows, tuple(f"L{label}" for label in range(labels)))


def sides(parts: Split) -> tuple[tuple[Example, ...], ...]:
    return (parts.critique, parts.selection, parts.holdout)


def test_the_shares_are_40_30_30() -> None:
    assert [len(side) for side in sides(split(labelled(1000)))] == [400, 300, 300]
    assert [len(side) for side in sides(split(labelled(100)))] == [40, 30, 30]


@given(st.integers(33, 400), st.integers(1, 7))
def test_every_row_is_on_one_side_and_each_side_is_big_enough(count: int, labels: int) -> None:
    examples = labelled(count, labels)
    parts = sides(split(examples))
    assert sorted(row.id for side in parts for row in side) == sorted(row.id for row in examples.rows)
    assert min(len(side) for side in parts) >= 10
    if count >= 200:
        assert len(parts[2]) >= 60


@given(st.randoms(use_true_random=False), st.integers(40, 200))
def test_the_order_of_the_file_does_not_matter(chance: random.Random, count: int) -> None:
    examples = labelled(count)
    rows = list(examples.rows)
    chance.shuffle(rows)
    shuffled = ExampleSet(tuple(rows), (), ("text",), tuple(reversed(examples.labels)), None, "")
    assert split(examples) == split(shuffled)


@given(st.lists(st.tuples(st.integers(0, 60), st.sampled_from("xyz")), min_size=120, max_size=200))
def test_the_same_inputs_are_never_on_two_sides(pairs: list[tuple[int, str]]) -> None:
    rows = sorted({(f"row {number}", label) for number, label in pairs})
    try:
        parts = sides(split(a_set(rows, ("x", "y", "z"))))
    except InputError:
        assert len({text for text, _ in rows}) < 40
        return
    texts = [{row.inputs["text"] for row in side} for side in parts]
    assert not (texts[0] & texts[1] or texts[0] & texts[2] or texts[1] & texts[2])


def test_labels_of_a_single_row_are_on_one_side_too() -> None:
    rows = [("first", "a"), ("second", "b"), *((f"row {number}", "c") for number in range(60))]
    texts = [row.inputs["text"] for side in sides(split(a_set(rows, ("a", "b", "c")))) for row in side]
    assert sorted(texts) == sorted(text for text, _ in rows)


def test_each_side_has_each_labels_share() -> None:
    rows = [(f"row {number}", "rare" if number % 10 == 0 else "common") for number in range(400)]
    for side in sides(split(a_set(rows, ("common", "rare")))):
        counted = Counter(row.expected for row in side)
        assert abs(counted["rare"] - len(side) / 10) <= 1


def test_any_prefix_is_roughly_balanced() -> None:
    for side in sides(split(labelled(600, 4))):
        for size in (8, 16, 32, 64, len(side)):
            counted = Counter(row.expected for row in side[:size])
            assert max(counted.values()) - min(counted.values()) <= 2
            assert len(counted) == 4


def test_a_new_row_moves_few_others() -> None:
    before, after = split(labelled(300)), split(labelled(303))
    moved = sum(
        len({row.id for row in old} - {row.id for row in new})
        for old, new in zip(sides(before), sides(after), strict=True)
    )
    assert moved <= 9


def test_free_text_answers_are_split_too() -> None:
    rows = [(f"row {number}", f"answer {number}") for number in range(100)]
    assert [len(side) for side in sides(split(a_set(rows)))] == [40, 30, 30]


def test_a_given_hold_out_is_respected_and_its_inputs_are_seen_nowhere_else() -> None:
    rows = [(f"row {number}", "xy"[number % 2]) for number in range(80)]
    twin = ("row 0", "z")
    examples = a_set([*rows, twin], ("x", "y", "z"), tuple(f"{text}/{label}" for text, label in rows[:20]))
    parts = split(examples)
    assert {row.id for row in parts.holdout} == set(examples.holdout or ())
    assert (len(parts.critique), len(parts.selection)) == (34, 26)
    assert "row 0/z" not in {row.id for row in (*parts.critique, *parts.selection)}


@pytest.mark.parametrize("count", [1, 10, 32])
def test_too_few_rows_say_how_many_are_needed(count: int) -> None:
    with pytest.raises(InputError, match=rf"too few example rows .*: {count}\. Give at least 33 rows"):
        split(labelled(count))


def test_too_few_rows_beside_a_given_hold_out_say_how_many_are_needed() -> None:
    rows = [(f"row {number}", "x") for number in range(30)]
    with pytest.raises(InputError, match=r"21 and 9\. Give at least 23 rows to train on and 10 hold-out rows"):
        split(a_set(rows, ("x",), tuple(f"{text}/{label}" for text, label in rows[:9])))
    assert (
        len(
            split(
                a_set([*rows, ("a", "x"), ("b", "x"), ("c", "x")], ("x",), tuple(f"{t}/{n}" for t, n in rows[:10]))
            ).holdout
        )
        == 10
    )
