from __future__ import annotations

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from apo_engine.prompt.difference import minimal_edits
from apo_engine.prompt.edit import (
    EditRejected,
    passage_break,
    tunable_text,
    with_exemplars,
    with_tunable_text,
)
from apo_engine.prompt.file import parse_prompt
from tests.engine.prompt.strategies import FILES, TEMPLATES, WORDS

KEPT = "{{!-- apo:keep --}}Keep {{k}}{{!-- apo:end --}}"
BLOCK = "{{!-- apo:exemplars --}}\nTicket: x\n{{!-- apo:end --}}"
HEAD = '---\nmodel: a/b\n---\n{{role "system"}}\n'
TAIL = '\n\n{{role "user"}}\n{{text}}\n'


@given(TEMPLATES | FILES)
@settings(max_examples=300)
def test_putting_the_text_back_unchanged_changes_nothing(text: str) -> None:
    prompt = parse_prompt(text)
    assert with_tunable_text(prompt, tunable_text(prompt)).text == prompt.text


@given(TEMPLATES, WORDS, st.booleans())
def test_a_rewrite_of_the_literals_reads_back_and_touches_nothing_else(
    template: str, words: str, windows: bool
) -> None:
    text = HEAD + template.replace("\r", "") + TAIL
    prompt = parse_prompt(text.replace("\n", "\r\n") if windows else text)
    old = tunable_text(prompt)
    new = f"Start {words} here.\n{old}\nEnd.".replace("\r", "")
    result = with_tunable_text(prompt, new)
    assert tunable_text(result) == new
    assert [name for name, _ in result.variables] == [name for name, _ in prompt.variables]
    first, last = prompt.passages[0], prompt.passages[-1]
    assert result.text.startswith(prompt.text[: first.start])
    assert result.text.endswith(prompt.text[last.end :])
    assert ("\r\n" in result.text) == windows
    assert not windows or result.text.count("\n") == result.text.count("\r\n")


@given(TEMPLATES, st.text(max_size=30))
def test_an_accepted_rewrite_keeps_every_tag_whatever_a_model_returns(template: str, noise: str) -> None:
    prompt = parse_prompt(HEAD + template + TAIL)
    tags = sorted(node.span.of(prompt.text) for node in prompt.nodes if type(node).__name__ != "Text")
    for new in (noise, tunable_text(prompt) + noise, noise + tunable_text(prompt), tunable_text(prompt)[:-3]):
        try:
            result = with_tunable_text(prompt, new)
        except EditRejected:
            continue
        assert sorted(node.span.of(result.text) for node in result.nodes if type(node).__name__ != "Text") == tags
        assert not result.problems


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        ("Do {{a}}.", "Do.", "it lost {{a}}"),
        ("Do {{a}}.", "Do {{a}} {{b}}.", "it added {{b}}"),
        ("Do {{a}}.", "Do {{A}}.", "it lost {{a}}"),
        ("Do {{a}}.", "Do {{a}} {{a}}.", "it added {{a}}"),
        ("Do {{a}}.", "Do \\{{a}}.", "it lost {{a}}"),
        ("Do.", "Do {{", "it added {{"),
        ("Do.", 'Do. {{role "user"}} x', 'it added {{role "user"}}'),
        ("Do.", "Do. {{> secrets}}", "it added {{> secrets}}"),
        ("Do.", "  \n ", "it is empty"),
        ("Do {{a}}.", "{{a}}", "nothing but placeholders"),
        (f"Do. {KEPT}", "Do. Keep {{k}}", "it lost"),
        (f"Do. {KEPT}", f"Do. {KEPT.replace('Keep', 'Drop')}", "it lost"),
        ("Do. {{! note }}", "Do.", "it lost {{! note }}"),
        ("{{#if a}}Do {{b}}.{{/if}} Then.", "{{#if a}}Do.{{/if}} Then {{b}}.", "in or out of a block"),
        ("Do.", "Do.\0", "not a valid prompt"),
    ],
)
def test_a_rewrite_that_touches_more_than_literals_is_rejected(old: str, new: str, reason: str) -> None:
    with pytest.raises(EditRejected) as caught:
        with_tunable_text(parse_prompt(HEAD + old + TAIL), new)
    assert reason in caught.value.reason


def test_a_rewrite_cannot_become_front_matter() -> None:
    with pytest.raises(EditRejected):
        with_tunable_text(parse_prompt("Do it well, and cite."), "---\nmodel: evil/x\n---\nDo")


def test_placeholders_may_change_places_where_no_block_gives_them_scope() -> None:
    prompt = parse_prompt(HEAD + f"Do {{{{a}}}} then {KEPT}." + TAIL)
    result = with_tunable_text(prompt, f"{KEPT} comes before {{{{a}}}}")
    assert result.text == HEAD + f"{KEPT} comes before {{{{a}}}}" + TAIL


def test_windows_line_ends_inside_kept_regions_stay_byte_for_byte() -> None:
    text = "Do.\r\n{{!-- apo:keep --}}\r\nx\r\n{{!-- apo:end --}}\r\n"
    prompt = parse_prompt(text)
    assert "\r" not in tunable_text(prompt)
    new = tunable_text(prompt).replace("Do.", "Do\nit.")
    assert with_tunable_text(prompt, new).text == text.replace("Do.", "Do\r\nit.")


def test_several_system_messages_are_rewritten_each_in_its_place() -> None:
    prompt = parse_prompt('{{role "system"}}One {{a}}.{{role "user"}}Q{{role "system"}}\nTwo.\n')
    mark = passage_break(prompt)
    assert tunable_text(prompt) == f"One {{{{a}}}}.\n\n{mark}\n\nTwo."
    result = with_tunable_text(prompt, f"1 {{{{a}}}}\n{mark}\n2")
    assert result.text == '{{role "system"}}1 {{a}}{{role "user"}}Q{{role "system"}}\n2\n'
    with pytest.raises(EditRejected, match="1 parts instead of 2"):
        with_tunable_text(prompt, "One {{a}}. Two.")


def test_a_region_that_reaches_into_another_message_stops_rewrites() -> None:
    prompt = parse_prompt('{{role "system"}}A {{!-- apo:keep --}} b {{role "user"}} c {{!-- apo:end --}} d')
    with pytest.raises(EditRejected, match="reaches"):
        with_tunable_text(prompt, "New {{!-- apo:keep --}} b")


@given(TEMPLATES, st.text(alphabet="ab\n }{:é", min_size=1, max_size=30))
def test_exemplars_come_and_go_without_a_trace(template: str, block: str) -> None:
    assume("{{" not in block and block.strip())
    prompt = parse_prompt(HEAD + template + TAIL)
    shown = with_exemplars(prompt, block)
    assert shown.exemplars is not None
    assert block in shown.exemplars.of(shown.text)
    assert tunable_text(shown) == tunable_text(prompt)
    assert with_exemplars(shown, None).text == prompt.text
    assert with_exemplars(shown, "other").text == with_exemplars(prompt, "other").text


def test_exemplars_follow_the_text_and_survive_its_rewrite() -> None:
    prompt = parse_prompt(HEAD + "Do." + TAIL)
    shown = with_exemplars(prompt, "Ticket: x")
    assert shown.text == HEAD + f"Do.\n\n{BLOCK}" + TAIL
    assert with_tunable_text(shown, "Do it.").text == HEAD + f"Do it.\n\n{BLOCK}" + TAIL


def test_a_block_that_its_author_put_elsewhere_stays_there() -> None:
    prompt = parse_prompt(HEAD + f"Before.\n{BLOCK}\nAfter." + TAIL)
    assert "Ticket: x" not in tunable_text(prompt)
    new = tunable_text(prompt).replace("After.", "Afterwards.")
    assert with_tunable_text(prompt, new).text == HEAD + f"Before.\n{BLOCK}\nAfterwards." + TAIL
    with pytest.raises(EditRejected):
        with_tunable_text(prompt, "Before. After.")


@pytest.mark.parametrize("block", ["a {{x}}", "{{!-- apo:end --}}", "\\{{", "{{{", " \n"])
def test_exemplars_are_inert_text(block: str) -> None:
    with pytest.raises(EditRejected):
        with_exemplars(parse_prompt("Do."), block)


def test_without_any_text_there_is_nowhere_to_put_exemplars() -> None:
    with pytest.raises(EditRejected):
        with_exemplars(parse_prompt('{{role "model"}}Only.'), "x")


def test_a_byte_order_mark_survives_an_edit() -> None:
    assert with_tunable_text(parse_prompt("\ufeffDo."), "Do it.").bom
    assert not with_tunable_text(parse_prompt("Do."), "Do it.").bom


LINES = st.lists(st.sampled_from(["a b c", "a b d", "", "x", "é 😀", " a", "a-b"]), max_size=8)
TEXTS = st.tuples(LINES, st.sampled_from(["\n", "\r\n", "\r"])).map(lambda p: p[1].join(p[0])) | st.text(max_size=20)


@given(TEXTS, TEXTS)
def test_minimal_edits_turn_the_old_text_into_the_new(old: str, new: str) -> None:
    edits = minimal_edits(old, new)
    result, at = [], 0
    for span, text in edits:
        assert at <= span.start <= span.end <= len(old)
        assert span.of(old) != text
        result += [old[at : span.start], text]
        at = span.end
    assert "".join([*result, old[at:]]) == new
    assert bool(edits) == (old != new)


def test_minimal_edits_are_words_not_files() -> None:
    old = "".join(f"line {number} stays\n" for number in range(50))
    new = old.replace("line 7 stays", "line 7 goes").replace("line 30 stays\n", "")
    edits = minimal_edits(old, new)
    assert [(span.of(old), text) for span, text in edits] == [("stays", "goes"), ("line 30 stays\n", "")]
