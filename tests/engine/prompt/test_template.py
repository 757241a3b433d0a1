from __future__ import annotations

import re
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from apo_engine.prompt import template
from apo_engine.prompt.call import Call
from apo_engine.prompt.file import MAX_CHARS, parse_prompt
from apo_engine.prompt.template import Broken, Comment, Escaped, Expression, Raw, Text, scan
from tests.engine.prompt.strategies import FILES, SOUP, TEMPLATES


@given(SOUP)
def test_nodes_tile_the_text_exactly(text: str) -> None:
    nodes, faults = scan(text)
    at = 0
    for node in nodes:
        assert node.span.start == at
        assert node.span.end > at
        at = node.span.end
    assert at == len(text)
    assert all(0 <= fault.span.start <= fault.span.end <= len(text) for fault in faults)


@given(FILES)
@settings(max_examples=300)
def test_parsing_never_raises_and_every_span_lies_in_the_text(text: str) -> None:
    prompt = parse_prompt(text)
    spans = [span for _, span in (*prompt.declared, *prompt.variables)]
    spans += [*prompt.passages, *prompt.literals, *prompt.kept, *([prompt.exemplars] if prompt.exemplars else [])]
    spans += [problem.place.span for problem in prompt.problems if problem.place and problem.place.span]
    assert all(0 <= span.start <= span.end <= len(prompt.text) for span in spans)
    for literal in prompt.literals:
        assert any(part.start <= literal.start and literal.end <= part.end for part in prompt.passages)
        assert not any(literal.overlaps(kept) for kept in prompt.kept)
    prompt.layer()


@given(SOUP | FILES, SOUP, st.data())
@settings(max_examples=500)
def test_a_changed_file_is_read_as_if_it_were_new(text: str, typed: str, data: st.DataObject) -> None:
    start = data.draw(st.integers(0, len(text)))
    end = data.draw(st.integers(start, len(text)))
    before = parse_prompt(text)
    assert before.nodes is not None
    after = before.changed(text[:start] + typed + text[end:])
    new = parse_prompt(text[:start] + typed + text[end:])
    assert (after.nodes, after.problems, after.uses) == (new.nodes, new.problems, new.uses)


def test_what_stands_before_a_change_is_not_read_again() -> None:
    before = parse_prompt("{{a}} and {{#if b}}c{{/if}}\n{{broken\n{{d}}")
    nodes = before.nodes
    known = before.changed(before.text + "!").known
    assert known == nodes[:5]
    assert all(one is other for one, other in zip(known, nodes, strict=False))
    assert before.changed(f"---\nmodel: a/b\n---\n{before.text}").known == ()


@given(TEMPLATES)
def test_a_well_formed_template_has_no_problems(text: str) -> None:
    assert not parse_prompt(text).problems


def test_each_kind_of_tag_is_recognised() -> None:
    text = '{{a}}{{{b}}}{{! c }}{{!-- d }} --}}\\{{e}}{{{{raw}}}} {{x}} {{{{/raw}}}}{{~f~}}{{lookup g "h" i=1}}'
    nodes, faults = scan(text)
    assert not faults
    kinds = [Expression, Expression, Comment, Comment, Escaped, Text, Raw, Expression, Expression]
    assert [type(node) for node in nodes] == kinds
    last = nodes[-1]
    assert isinstance(last, Expression)
    call: Call = last.call
    assert (call.name, [argument.text for argument in call.arguments], call.named[0][0]) == (
        "lookup",
        ["g", '"h"'],
        "i",
    )
    assert call.arguments[1].span.of(text) == '"h"'


@pytest.mark.parametrize(
    ("text", "code", "where", "remedy"),
    [
        ("Hi {{te\nfoo {{text}}", "tag-unclosed", "{{te", "}}"),
        ("Hi {{text", "tag-unclosed", "{{text", "}}"),
        ("Hi {{{text}}", "tag-unclosed", "{{{text}}", "}}}"),
        ("{{!-- note", "tag-unclosed", "{{!-- note", "--}}"),
        ("{{#if a}}x", "block-unclosed", "{{#if a}}", "{{/if}}"),
        ("{{#if a}}x{{/each}}", "block-mismatch", "{{/each}}", "{{/if}}"),
        ("{{else}}", "else-outside", "{{else}}", "Remove"),
        ("{{}}", "tag-invalid", "{{}}", "Put"),
        ("{{json (a}}", "tag-invalid", "{{json (a}}", "Correct"),
        ('{{role "sytem"}}', "role-unknown", '"sytem"', "'system'"),
        ('{{role "assistant"}}', "role-unknown", '"assistant"', "'model'"),
        ("{{role kind}}", "role-dynamic", "kind", "role"),
        ("{{jsno text}}", "helper-unknown", "jsno", "'json'"),
        ("{{#ifs a}}{{/ifs}}", "helper-unknown", "ifs", "'if'"),
        ("{{!-- apo:keep --}} x", "region-unclosed", "{{!-- apo:keep --}}", "apo:end"),
        ("{{!-- apo:end --}} x", "region-stray", "{{!-- apo:end --}}", "Remove"),
        ("{{!-- apo:kept --}} x", "region-unknown", "{{!-- apo:kept --}}", "apo:keep"),
    ],
)
def test_a_mistake_is_named_at_its_place_with_a_remedy(text: str, code: str, where: str, remedy: str) -> None:
    problems = parse_prompt(text).problems
    assert code in [problem.code for problem in problems]
    problem = next(problem for problem in problems if problem.code == code)
    assert problem.place is not None
    assert problem.place.span is not None
    assert problem.place.span.of(text) == where
    assert remedy in problem.remedy


def test_scanning_goes_on_after_an_unclosed_tag() -> None:
    text = "Hi {{te\nfoo {{text}}"
    nodes, _ = scan(text)
    assert [type(node) for node in nodes] == [Text, Broken, Text, Expression]


@pytest.mark.parametrize(
    "unit", ["{{", "{{{", "{{{{", "{{!--", "{{x ", '{{"', "\\", "{{#a}}", "{{/a}}", "{{{x}}}", "(", "{{(", "---\n", "&"]
)
def test_time_grows_with_the_length_only(unit: str) -> None:
    def seconds(size: int) -> float:
        text = unit * (size // len(unit))
        begin = time.perf_counter()
        parse_prompt(text)
        return time.perf_counter() - begin

    seconds(1_000)
    # Sixteen times the text; a quadratic scan would take 256 times as long.
    assert seconds(MAX_CHARS // 4) < 0.1 + 100 * seconds(MAX_CHARS // 64)


def test_ten_megabytes_are_refused_at_once() -> None:
    begin = time.perf_counter()
    prompt = parse_prompt("{{" * 5_000_000)
    assert time.perf_counter() - begin < 5
    assert [problem.code for problem in prompt.problems] == ["prompt-large"]


@given(FILES | TEMPLATES)
def test_tags_that_are_read_quickly_are_read_alike(text: str) -> None:
    quick = scan(text)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(template, "SIMPLE", re.compile("(?!)"))
        assert scan(text) == quick
