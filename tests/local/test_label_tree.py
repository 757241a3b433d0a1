"""Labels as paths of tokens; a tokenizer with one token per character, and a model that is a table."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apo_engine.models.label_tree import label_probabilities, label_tree
from apo_engine.problems import ModelError


def characters(text: str) -> list[int]:
    return [ord(character) for character in text]


def words(text: str) -> list[int]:
    return [hash(word) for word in text.split(" ") if word]


def evenly(_path: tuple[int, ...], choices: Sequence[int]) -> dict[int, float]:
    return {choice: 1 / len(choices) for choice in choices}


def test_labels_with_different_first_tokens_take_one_question() -> None:
    asked = []

    def next_tokens(path: tuple[int, ...], choices: Sequence[int]) -> dict[int, float]:
        asked.append(path)
        return evenly(path, choices)

    found = label_probabilities(label_tree(["billing", "shipping"], words), ["billing", "shipping"], next_tokens)
    assert asked == [()]
    assert found == {"billing": 0.5, "shipping": 0.5}


def test_spellings_of_a_label_add_up() -> None:
    def next_tokens(_path: tuple[int, ...], choices: Sequence[int]) -> dict[int, float]:
        table = {ord("y"): 0.1, ord("Y"): 0.5, ord("n"): 0.2, ord("N"): 0.2, ord(" "): 0.0}
        return {choice: table[choice] for choice in choices}

    found = label_probabilities(label_tree(["yes", "no"], characters), ["yes", "no"], next_tokens)
    assert found == pytest.approx({"yes": 0.6, "no": 0.4})


def test_a_label_is_told_from_one_that_it_begins() -> None:
    end, more = ord("\n"), ord("d")

    def next_tokens(path: tuple[int, ...], choices: Sequence[int]) -> dict[int, float]:
        if set(choices) == {end, more}:
            return {end: 0.25, more: 0.75}
        return {choice: float(choice == max(choices)) for choice in choices}

    found = label_probabilities(label_tree(["goo", "good"], characters), ["goo", "good"], next_tokens)
    assert found == pytest.approx({"goo": 0.25, "good": 0.75})


def test_labels_that_differ_in_case_alone_are_told_apart() -> None:
    labels = ["Polish", "polish"]
    found = label_probabilities(label_tree(labels, characters), labels, evenly)
    assert all(found.values())


@pytest.mark.parametrize("labels", [[], [""], ["a", " "], ["a", "a "], ["a", "b\nc"]])
def test_labels_that_cannot_be_scored_are_refused(labels: list[str]) -> None:
    with pytest.raises(ModelError) as caught:
        label_tree(labels, characters)
    assert caught.value.problems[0].code == "labels-unusable"
    assert caught.value.problems[0].remedy


labels_strategy = st.lists(
    st.text(st.characters(exclude_categories=["Cc", "Cs", "Zl", "Zp"]), min_size=1, max_size=6).filter(str.strip),
    min_size=1,
    max_size=6,
    unique_by=lambda label: label.strip().casefold(),
)


@given(labels_strategy)
def test_whatever_the_labels_each_can_be_reached_and_all_sum_to_one(labels: list[str]) -> None:
    found = label_probabilities(label_tree(labels, characters), labels, evenly)
    assert list(found) == labels
    assert sum(found.values()) == pytest.approx(1)
    assert all(found.values())
