"""Passages are found again, or given up; they are never put on text that they are not about."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apo_engine.positions import Span
from apo_server.anchoring import Rebase

OLD = "You sort tickets.\nBilling is about invoices.\nShipping is about parcels.\nAnswer with one word.\n"
words = st.sampled_from(["sort", "tickets", "the", "queue", "billing", "a", "rule", "Answer", "now", "😀", "naïve"])
sentences = st.lists(words, min_size=1, max_size=12).map(" ".join)
texts = st.lists(sentences, min_size=1, max_size=6).map("\n".join)


def span_of(text: str, quote: str) -> Span:
    at = text.index(quote)
    return Span(at, at + len(quote))


def found(new: str, quote: str, old: str = OLD) -> str | None:
    span = Rebase(old, new).span(span_of(old, quote))
    return None if span is None else span.of(new)


@given(texts, texts, st.integers(0, 200), st.integers(1, 60))
def test_a_passage_is_never_shown_on_text_that_shares_few_words_with_it(
    old: str, new: str, start: int, length: int
) -> None:
    span = Span(min(start, len(old)), min(start + length, len(old)))
    now = Rebase(old, new).span(span)
    if now is None or old == new:
        return
    assert 0 <= now.start <= now.end <= len(new)
    before, after = span.of(old).split(), now.of(new).split()
    if span.of(old) != now.of(new):
        common = sum(min(before.count(word), after.count(word)) for word in set(before))
        # The ends of a span may cut words in half, which then count for neither side.
        assert common >= 0.6 * len(before) - 2
        assert common >= 0.6 * len(after) - 2


@given(texts, sentences, st.integers(0, 5), st.integers(0, 5))
def test_text_that_was_not_touched_keeps_its_passage(text: str, inserted: str, line: int, at: int) -> None:
    lines = text.split("\n")
    line, at = line % len(lines), at % (len(lines) + 1)
    start = sum(len(before) + 1 for before in lines[:line])
    span = Span(start, start + len(lines[line]))
    new = "\n".join([*lines[:at], f"<<{inserted}>>", *lines[at:]])
    now = Rebase(text, new).span(span)
    assert now is not None
    assert now.of(new) == span.of(text)


@given(texts)
def test_the_same_text_keeps_everything(text: str) -> None:
    assert Rebase(text, text).span(Span(0, len(text))) == Span(0, len(text))


def test_a_passage_moves_with_what_is_written_above_it() -> None:
    assert found("A new first line.\n" + OLD, "Shipping is about parcels.") == "Shipping is about parcels."


def test_a_passage_that_was_cut_and_pasted_elsewhere_is_found() -> None:
    moved = OLD.replace("Billing is about invoices.\n", "") + "Billing is about invoices.\n"
    assert found(moved, "Billing is about invoices.") == "Billing is about invoices."


def test_a_word_changed_inside_keeps_the_passage() -> None:
    assert found(OLD.replace("about parcels", "for parcels"), "Shipping is about parcels.") == "Shipping is for parcels"


@pytest.mark.parametrize("new", ["", "Something else entirely.", OLD.replace("Shipping is about parcels.\n", "")])
def test_a_passage_that_is_gone_is_given_up(new: str) -> None:
    assert found(new, "Shipping is about parcels.") is None


def test_a_passage_rewritten_in_other_words_is_given_up() -> None:
    new = OLD.replace("Shipping is about parcels.", "Anything that a courier carries goes to the second desk.")
    assert found(new, "Shipping is about parcels.") is None


def test_of_equal_passages_the_right_one_is_kept() -> None:
    old = "Say yes.\nor\nSay yes.\n"
    second = Span(old.rindex("Say"), old.rindex("Say") + 8)
    new = "Now:\nSay yes.\nor\nSay yes.\n"
    assert Rebase(old, new).span(second) == Span(new.rindex("Say"), new.rindex("Say") + 8)


def test_an_insertion_point_needs_its_neighbours() -> None:
    at = OLD.index("Shipping")
    moved = Rebase(OLD, "First.\n" + OLD).untouched(Span(at, at))
    assert moved == Span(at + 7, at + 7)
    assert Rebase(OLD, OLD.replace("\nShipping", "\nNow Shipping")).untouched(Span(at, at)) is None


def test_long_texts_are_compared_in_bounded_time() -> None:
    old = "word " * 60_000 + "\nShipping is about parcels.\n" + "line\n" * 15_000
    new = "other " * 60_000 + "\nShipping is about parcels.\n" + "line\n" * 15_001
    span = Rebase(old, new).span(span_of(old, "Shipping is about parcels."))
    assert span is not None
    assert span.of(new) == "Shipping is about parcels."
