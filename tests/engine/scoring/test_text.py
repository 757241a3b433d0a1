"""Numbers in what models say."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apo_engine.scoring.patterns import PatternCheck
from apo_engine.scoring.text import read_number, regex


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("type5", 5.0),
        ("e5", 5.0),
        ("It is 1,234.5", 1234.5),
        ("12 %, or 3%", 0.03),
        ("-3e2", -300.0),
        ("+.5", 0.5),
        ("none", None),
        ("-", None),
    ],
)
def test_the_last_number_is_read_whatever_stands_before_it(text: str, number: float | None) -> None:
    assert read_number(text) == number


@given(st.text(st.sampled_from("0123456789eE.,+-_ %٣²x")))
def test_no_answer_raises(text: str) -> None:
    read_number(text)


@pytest.mark.timeout(20)
def test_a_pattern_without_an_end_is_given_up() -> None:
    judged = regex("a" * 5000 + "b", r"(a+)+$")
    assert (judged.score, judged.invalid) == (0.0, True)
    assert "takes longer" in judged.remark


@pytest.mark.parametrize("pattern", ["(", "a{99999999999999999999}", "[", "*"])
def test_what_is_no_pattern_is_said_before_a_row_is_paid_for(pattern: str) -> None:
    assert PatternCheck()(pattern).startswith("is no regular expression")
