"""Words of rows and models are shown, and do nothing."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from apo_server.features.plain import markdown, points, said, verbatim, visible


@given(st.text())
def test_what_is_shown_is_one_line_without_hidden_characters(text: str) -> None:
    shown = visible(text)
    assert len(shown.splitlines()) <= 1
    assert not any(mark in shown for mark in "\u202e\u2066\u200b\x1b\x00")


@given(st.text(st.characters(codec="ascii")))
def test_escaping_takes_nothing_away(text: str) -> None:
    escaped = markdown(text)
    assert escaped.replace("\\", "") == visible(text).replace("\\", "")


def test_markup_links_and_tables_are_text() -> None:
    assert markdown("[x](command:evil)") == r"\[x\](command:evil)"
    assert markdown("<img src=x>") == r"\<img src=x\>"
    assert markdown("a|b") == r"a\|b"
    assert markdown("`code` *bold* _low_") == r"\`code\` \*bold\* \_low\_"
    assert markdown("https://evil.example www.evil.example a@b.example") == (
        r"https\://evil.example www\.evil.example a\@b.example"
    )
    assert markdown("# title") == r"\# title"
    assert markdown("1. item") == r"1\. item"
    assert markdown("&lt;") == r"\&lt;"


def test_plain_words_stay_readable() -> None:
    assert markdown("tickets.jsonl:25, late by 3 days.") == "tickets.jsonl:25, late by 3 days."
    assert visible("naïve 😀 日本") == "naïve 😀 日本"


def test_words_of_a_message_are_no_link_to_follow() -> None:
    assert said("[run](command:evil) a[b] (c)\x1b[1m") == "[run] (command:evil) a[b] (c)<U+001B>[1m"


def test_a_block_shows_the_text_line_by_line_and_hides_nothing() -> None:
    assert verbatim("a\tb\r\n\u202e```\n") == "````\na\tb\n<U+202E>```\n\n````"


def test_characters_that_turn_the_writing_direction_are_named() -> None:
    assert visible("a\u202eb") == "a<U+202E>b"


def test_points_have_a_sign() -> None:
    assert [points(value) for value in (0.095, -0.02, 0.0, -0.0001)] == ["+9.5", "−2.0", "+0.0", "+0.0"]
