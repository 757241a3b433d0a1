"""Phrases: where a text is parted, and what an edit of phrases can and cannot change."""

from __future__ import annotations

import random
from collections import Counter
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from apo_engine.prompt.edit import EditRejected, passage_break, tunable_text, with_tunable_text
from apo_engine.prompt.file import PromptFile, parse_prompt
from apo_engine.search.phrases import Cut, Phrase, phrases, put_back, replaced, swapped, without
from tests.engine.prompt.strategies import TEMPLATES, WORDS

BREAK = "=== next ==="
HEAD, TAIL = '{{role "system"}}\n', '\n{{role "user"}}\n{{text}}\n'
PROMPTS = TEMPLATES.map(lambda template: parse_prompt(HEAD + template + TAIL))
# Prose with all that parts phrases, and tags and kept regions in the midst of it.
PIECES = st.sampled_from(
    ["Sort the ticket", "billing", "answer with one word", " and then ", " because ", ", ", ". ", "! ", ": ", "; ",
     "\n", "\n- ", "\n1. ", " – ", " - ", "e.g.", "…", "،", "。", "{{name}}", "{{#if flag}}", "{{else}}", "{{/if}}",
     "{{! note }}", "{{!-- apo:keep --}}keep this, please{{!-- apo:end --}}", "\\{{", " ", "\t", "(", ")", '"', "é😀"]
)  # fmt: skip
PROSE = st.lists(PIECES, min_size=1, max_size=14).map(lambda parts: parse_prompt(HEAD + "".join(parts) + TAIL))


def parted(text: str) -> list[str]:
    return [phrase.span.of(text) for phrase in phrases(text, BREAK)]


def taken_apart(prompt: PromptFile) -> tuple[str, tuple[Phrase, ...]]:
    text = tunable_text(prompt)
    return text, phrases(text, passage_break(prompt))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Sort the ticket. Answer with one word!", ["Sort the ticket", "Answer with one word"]),
        ("Choose one: billing, shipping or both.", ["Choose one", "billing", "shipping or both"]),
        ("Rules:\n- Be brief.\n- Be kind.\n2. Be sure", ["Rules", "Be brief", "Be kind", "Be sure"]),
        ("Say it – in plain words", ["Say it", "in plain words"]),
        ("well-known 3.5 v1.2", ["well-known 3.5 v1.2"]),
        ("Read the whole ticket and then name its queue.", ["Read the whole ticket", "and then name its queue"]),
        ("Name this and that.", ["Name this and that"]),
        ("اقرأ النص، ثم أجب.", ["اقرأ النص", "ثم أجب"]),
        ("読む。答える。", ["読む", "答える"]),
        (f"One.\n\n{BREAK}\n\nTwo.", ["One", "Two"]),
        ("Use {{a}}, not {{b}}.", ["Use", "not"]),
        ("Do {{!-- apo:keep --}}this, now{{!-- apo:end --}} it.", ["Do", "it"]),
        ("... \n - \n", []),
    ],
)
def test_where_a_text_is_parted(text: str, expected: list[str]) -> None:
    assert parted(text) == expected


@given(PROSE | PROMPTS)
@settings(max_examples=300)
def test_phrases_are_words_in_order_that_touch_no_tag(prompt: PromptFile) -> None:
    text, parts = taken_apart(prompt)
    for one, other in pairwise(parts):
        assert one.span.end <= other.span.start
    assert all(part.span.of(text).strip() == part.span.of(text) != "" for part in parts)
    assert not any("{{" in part.span.of(text).replace("\\{{", "") for part in parts)
    assert not any("keep this" in part.span.of(text) for part in parts)


@pytest.mark.parametrize(
    ("at", "left", "gap"),
    [(0, "carefully. Answer.", ", "), (1, "Sort tickets. Answer.", ", "), (2, "Sort tickets, carefully.", ". ")],
)
def test_a_deletion_keeps_the_stronger_gap(at: int, left: str, gap: str) -> None:
    text = "Sort tickets, carefully. Answer."
    words = parted(text)[at]
    assert without(text, phrases(text, BREAK), at) == (left, Cut(words, gap))


def test_a_list_keeps_its_head_and_its_marks() -> None:
    text = "Rules:\n- Be brief.\n- Be kind."
    assert without(text, phrases(text, BREAK), 1)[0] == "Rules:\n- Be kind."
    assert without(text, phrases(text, BREAK), 2)[0] == "Rules:\n- Be brief."


@given(PROSE, st.randoms(use_true_random=False))
@settings(max_examples=200)
def test_what_is_left_out_can_be_put_back(prompt: PromptFile, rng: random.Random) -> None:
    text, parts = taken_apart(prompt)
    if len(parts) < 2:
        return
    at = rng.randrange(len(parts))
    shorter, cut = without(text, parts, at)
    assert cut.words == parts[at].span.of(text)
    assert cut.gap
    assert Counter(shorter.split()) <= Counter(text.split()) or len(shorter) < len(text)
    rest = phrases(shorter, passage_break(prompt))
    if rest:
        longer = put_back(shorter, rest, rng.randrange(len(rest) + 1), cut)
        assert len(longer) == len(shorter) + len(cut.words) + len(cut.gap)


@given(PROSE, st.randoms(use_true_random=False))
def test_a_swap_is_its_own_inverse_and_keeps_every_character(prompt: PromptFile, rng: random.Random) -> None:
    text, parts = taken_apart(prompt)
    if len(parts) < 2:
        return
    one, other = rng.sample(parts, 2)
    result = swapped(text, one, other)
    assert sorted(result) == sorted(text)
    assert swapped(text, other, one) == result


@given(PROSE | PROMPTS, WORDS | st.text(max_size=20), st.randoms(use_true_random=False))
@settings(max_examples=300)
def test_no_edit_of_phrases_changes_a_tag_or_a_kept_region(prompt: PromptFile, words: str, rng: random.Random) -> None:
    text, parts = taken_apart(prompt)
    if not parts:
        return
    one, other = rng.choice(parts), rng.choice(parts)
    at = rng.randrange(len(parts))
    tags = sorted(node.span.of(prompt.text) for node in prompt.nodes if type(node).__name__ != "Text")
    kept = sorted(span.of(prompt.text) for span in prompt.kept)
    edits = [
        without(text, parts, at)[0],
        put_back(text, parts, rng.randrange(len(parts) + 1), Cut(words, ", ")),
        replaced(text, one, words),
        *([swapped(text, one, other)] if one != other else []),
    ]
    for new in edits:
        try:
            result = with_tunable_text(prompt, new)
        except EditRejected:
            continue
        assert sorted(node.span.of(result.text) for node in result.nodes if type(node).__name__ != "Text") == tags
        assert sorted(span.of(result.text) for span in result.kept) == kept
        assert result.text.startswith(prompt.text[: prompt.passages[0].start])
        assert result.text.endswith(prompt.text[prompt.passages[-1].end :])
