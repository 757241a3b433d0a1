"""Foreign text in a terminal: everything is shown, nothing obeyed."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apo_engine.cli.plain import excerpt, literal, visible

ANYTHING = st.text(st.characters())  # lone surrogates included
BIDI = "\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"

# Letters and signs by their category, and nothing to the eye.
BLANKS = "\u115f\u1160\u2800\u3164\uffa0"


@given(ANYTHING)
def test_no_control_and_no_invisible_character_is_left(text: str) -> None:
    for character in visible(text):
        assert character in "\n\t\u200c\u200d" or unicodedata.category(character) not in ("Cc", "Cs", "Zl", "Zp")
        assert character not in BIDI


@given(st.text(st.characters(categories=("L", "N", "P", "S", "Zs"), exclude_characters=BLANKS)))
def test_ordinary_text_stays_as_it_is(text: str) -> None:
    assert visible(text) == text
    assert literal(text).plain == text


@given(ANYTHING, st.integers(4, 200))
def test_an_excerpt_is_one_line_within_its_width(text: str, width: int) -> None:
    line = excerpt(text, width)
    assert len(line) <= width
    assert "\n" not in line
    assert "\t" not in line


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b[31mred", "\\x1b[31mred"),
        ("a\u202eb", "a\\u202eb"),
        ("a\u200bb\ufeff", "a\\u200bb\\ufeff"),
        ("\U000e0041", "\\U000e0041"),
        ("a\u3164b\u2800\U000e0101", "a\\u3164b\\u2800\\U000e0101"),
        ("❤\ufe0f", "❤\ufe0f"),
        ("bell\x07", "bell\\x07"),
        ("over\rwritten", "over\\x0dwritten"),
        ("line\r\nend", "line\nend"),
        ("[bold]x[/]", "[bold]x[/]"),
        ("👩\u200d👩", "👩\u200d👩"),
        ("\ud800", "\\ud800"),
    ],
)
def test_what_is_shown(text: str, shown: str) -> None:
    assert visible(text) == shown


def test_a_long_text_costs_no_more_than_its_excerpt() -> None:
    assert excerpt("word " * 2_000_000, 20) == "word word word word…"
