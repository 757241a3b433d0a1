"""Offsets and the editor's positions, in every encoding."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lsprotocol import types

from apo_engine.positions import Span
from apo_server.positions import Encoding, PositionMapper, characters, units

ENCODINGS: tuple[Encoding, ...] = ("utf-8", "utf-16", "utf-32")
encodings = st.sampled_from(ENCODINGS)
# Texts rich in what goes wrong: line ends of all kinds, separators that are none, characters of one to four units.
texts = st.text(st.sampled_from("ab \n\r\t\u2028\u2029\u0085\f\vé€😀\u0301\ud800"), max_size=60)


def between_cr_and_lf(text: str, offset: int) -> bool:
    return 0 < offset < len(text) and text[offset - 1 : offset + 1] == "\r\n"


@given(texts, encodings, st.integers(0, 60))
def test_every_offset_survives_the_way_to_the_editor_and_back(text: str, encoding: Encoding, offset: int) -> None:
    offset = min(offset, len(text))
    mapper = PositionMapper(text, encoding)
    there = mapper.position(offset)
    expected = offset - 1 if between_cr_and_lf(text, offset) else offset
    assert mapper.offset(there) == expected


@given(texts, encodings)
def test_positions_are_what_a_naive_editor_counts(text: str, encoding: Encoding) -> None:
    """Walk the text as an editor would, one character after the other."""
    mapper = PositionMapper(text, encoding)
    width = {"utf-8": lambda c: len(c.encode("utf-8", "surrogatepass")), "utf-32": lambda c: 1}.get(
        encoding, lambda c: 2 if ord(c) > 0xFFFF else 1
    )
    line = column = 0
    for offset, char in enumerate(text):
        if not between_cr_and_lf(text, offset):
            assert mapper.position(offset) == types.Position(line, column)
        column += width(char)
        if char == "\n" or (char == "\r" and text[offset + 1 : offset + 2] != "\n"):
            line, column = line + 1, 0


@given(texts, encodings, st.integers(0, 2**31 - 1), st.integers(0, 2**31 - 1))
def test_no_position_of_a_client_raises_or_leads_outside(text: str, encoding: Encoding, line: int, column: int) -> None:
    mapper = PositionMapper(text, encoding)
    offset = mapper.offset(types.Position(line, column))
    assert 0 <= offset <= len(text)
    assert not between_cr_and_lf(text, offset)


@given(texts, encodings, st.integers(0, 60), st.integers(0, 60))
def test_ranges_of_spans_cover_the_same_text(text: str, encoding: Encoding, first: int, second: int) -> None:
    start, end = sorted((min(first, len(text)), min(second, len(text))))
    if between_cr_and_lf(text, start) or between_cr_and_lf(text, end):
        return
    mapper = PositionMapper(text, encoding)
    assert mapper.span(mapper.range(Span(start, end))) == Span(start, end)


def test_a_column_inside_a_wide_character_means_its_beginning() -> None:
    assert PositionMapper("a😀b", "utf-16").offset(types.Position(0, 2)) == 1
    assert PositionMapper("a😀b", "utf-8").offset(types.Position(0, 4)) == 1


def test_a_range_that_ends_before_it_starts_is_empty() -> None:
    reversed_range = types.Range(types.Position(0, 3), types.Position(0, 1))
    assert PositionMapper("abcdef", "utf-16").span(reversed_range) == Span(3, 3)


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_an_empty_text_has_one_position(encoding: Encoding) -> None:
    mapper = PositionMapper("", encoding)
    assert mapper.position(0) == types.Position(0, 0)
    assert mapper.offset(types.Position(7, 7)) == 0


@given(texts, encodings, st.integers(0, 60))
def test_units_and_characters_are_inverse(text: str, encoding: Encoding, count: int) -> None:
    count = min(count, len(text))
    assert characters(text, units(text[:count], encoding), encoding) == count
