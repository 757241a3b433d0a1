"""What a repair promises: applied, it makes its problem go, and brings no error of its own."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apo_engine.problems import Problem, Repair, Severity
from apo_engine.prompt.checks import check_prompt
from apo_engine.prompt.file import parse_prompt
from tests.engine.prompt.strategies import FILES, TEMPLATES

COLUMNS = ["text", "customer name", "items", "flag"]
HEAD = "---\nmodel: a/b\ninput:\n  schema:\n    text: string\n---\n"


def problems(text: str) -> tuple[Problem, ...]:
    prompt = parse_prompt(text)
    return (*prompt.problems, *check_prompt(prompt, COLUMNS))


def mended(text: str, repair: Repair) -> str:
    for span, word in reversed(repair.edits):
        text = text[: span.start] + word + text[span.end :]
    return text


@pytest.mark.parametrize(
    ("broken", "code", "whole"),
    [
        ("Hi {{txet}}", "variable-undefined", "Hi {{text}}"),
        ("Hi {{customer_name}}", "variable-undefined", "Hi {{[customer name]}}"),
        ('{{role "systm"}}Hi', "role-unknown", '{{role "system"}}Hi'),
        ("{{role 'assistant'}}Hi", "role-unknown", "{{role 'model'}}Hi"),
        ("{{jsn text}}", "helper-unknown", "{{json text}}"),
        ("{{#eahc items}}{{this}}{{/eahc}}", "helper-unknown", "{{#each items}}{{this}}{{/each}}"),
        ("{{#unles flag a}}x{{/unles}}", "helper-unknown", "{{#unless flag a}}x{{/unless}}"),
        ("{{#if flag}}yes", "block-unclosed", "{{#if flag}}yes{{/if}}"),
        (
            '{{#if flag}}\nyes\n{{role "user"}}\n{{text}}\n',
            "block-unclosed",
            '{{#if flag}}\nyes\n{{/if}}\n{{role "user"}}\n{{text}}\n',
        ),
        ("{{#if flag}}{{#each items}}a {{/if}}", "block-unclosed", "{{#if flag}}{{#each items}}a{{/each}} {{/if}}"),
        ("{{#if flag}}a{{/each}}{{/if}}", "block-mismatch", "{{#if flag}}a{{/if}}"),
        ("{{#if flag}}a{{/each}}", "block-mismatch", "{{#if flag}}a{{/if}}"),
        (
            '{{#each items}}{{#if flag}}{{role "user"}}{{this}}{{/if}} a',
            "block-unclosed",
            '{{#each items}}{{#if flag}}{{role "user"}}{{this}}{{/if}} a{{/each}}',
        ),
        (
            '{{#if flag}}{{role "system"}}A{{else}}{{role "system"}}B',
            "block-unclosed",
            '{{#if flag}}{{role "system"}}A{{else}}{{/if}}{{role "system"}}B',
        ),
        ("---\napo.calibration: bach\n---\n", "setting-invalid", "---\napo.calibration: batch\n---\n"),
        (
            "---\napo.optimizer: {joint: yes}\n---\n",
            "setting-invalid",
            "---\napo.optimizer: {joint: true}\n---\n",
        ),
        ("a{{/each}}b", "block-mismatch", "ab"),
        ("a {{else}} b", "else-outside", "a  b"),
        ("Dear {{text\nand so on", "tag-unclosed", "Dear {{text}}\nand so on"),
        ("Dear {{text {{flag}}", "tag-unclosed", "Dear {{text}} {{flag}}"),
        ("a {{!-- note\nb", "tag-unclosed", "a {{!-- note --}}\nb"),
        ("{{!-- apo:kep --}}a{{!-- apo:end --}}", "region-unknown", "{{!-- apo:keep --}}a{{!-- apo:end --}}"),
        ("a{{!-- apo:end --}}", "region-stray", "a"),
        ("---\nmodle: a/b\n---\n", "key-unknown", "---\nmodel: a/b\n---\n"),
        (
            "---\ninput: {shcema: {text: string}}\n---\n{{text}}",
            "key-unknown",
            "---\ninput: {schema: {text: string}}\n---\n{{text}}",
        ),
        ("---\nconfig:\n  temprature: 1\n---\n", "parameter-unknown", "---\nconfig:\n  temperature: 1\n---\n"),
        (
            "---\napo:\n  metric: label\n  budget:\n    calls: 3\nmodel: a/b\n---\n",
            "key-unknown",
            "---\napo.metric: label\napo.budget:\n    calls: 3\nmodel: a/b\n---\n",
        ),
        ("---\napo.metrc: label\n---\n", "setting-unknown", "---\napo.metric: label\n---\n"),
        ("---\napo.metric: labl\n---\n", "setting-invalid", "---\napo.metric: label\n---\n"),
        (
            "---\napo.optimizer: {algorithm: montecarlo}\n---\n",
            "setting-invalid",
            "---\napo.optimizer: {algorithm: monte-carlo}\n---\n",
        ),
        ("---\napo.optimizer: {ronds: 3}\n---\n", "setting-unknown", "---\napo.optimizer: {rounds: 3}\n---\n"),
        (HEAD.replace("string", "strng") + "{{text}}", "schema-type", HEAD + "{{text}}"),
        (HEAD + "Hi", "variable-unused", HEAD.replace("    text: string\n", "") + "Hi"),
        (
            "---\noutput:\n  schema:\n    label(enum): [Yes, maybe]\n---\n",
            "yaml-boolean",
            '---\noutput:\n  schema:\n    label(enum): ["Yes", maybe]\n---\n',
        ),
        (
            "---\ninput:\n  schema:\n    items(array):\n      name: string\n    text: string\n---\n"
            "{{#each items}}{{nmae}}{{text}}{{/each}}",
            "variable-undefined",
            "---\ninput:\n  schema:\n    items(array):\n      name: string\n    text: string\n---\n"
            "{{#each items}}{{name}}{{text}}{{/each}}",
        ),
        (
            "---\ninput:\n  schema:\n    items(array):\n      name: string\n    text: string\n---\n"
            "{{#each items}}{{name}}{{text}}{{/each}}",
            "variable-undefined",
            "---\ninput:\n  schema:\n    items(array):\n      name: string\n    text: string\n---\n"
            "{{#each items}}{{name}}{{@root.text}}{{/each}}",
        ),
    ],
)
def test_a_repair_mends_its_problem(broken: str, code: str, whole: str) -> None:
    found = next(problem for problem in problems(broken) if problem.code == code)
    assert mended(broken, found.repairs[0]) == whole


@pytest.mark.parametrize(
    "broken",
    [
        "---\nmodle: a/b\nmodel: a/b\n---\n",
        "---\napo.metrc: label\napo.metric: label\n---\n",
        "---\napo:\n  metric: label\napo.metric: label\n---\n",
        "{{#if flag}}Hello {{",
        "{{#if flag}}Hello \\",
        "{{name is {{text}}",
    ],
)
def test_where_a_change_could_break_more_none_is_offered(broken: str) -> None:
    assert problems(broken)
    assert [one.repairs for one in problems(broken) if one.code != "variable-undefined"] == [()] * len(
        [one for one in problems(broken) if one.code != "variable-undefined"]
    )


@pytest.mark.parametrize(
    "text",
    [
        "---\nconfig: {top_p: 1, max_tokens: 5, stop: [a], seed: 3}\n---\nHi",
        "---\ninput:\n  schema:\n    user(object):\n      name: string\n---\n{{#each user}}{{city}}{{/each}}",
        "---\ninput:\n  schema:\n    $ref: other\n---\n{{user}}",
        "---\ninput:\n  schema:\n    a: string\n    (*): any\n---\n{{a}}{{zzz}}",
    ],
)
def test_what_may_be_right_is_left_alone(text: str) -> None:
    assert check_prompt(parse_prompt(text), None) == ()


def test_fields_are_checked_only_where_they_are_declared() -> None:
    head = "---\ninput:\n  schema:\n    user(object):\n      name: string\n    any: any\n---\n"
    text = head + "{{user.nmae}} {{user.name}} {{any.thing}} {{#with user}}{{name}}{{age}}{{/with}}"
    found = [
        (one.code, one.place.span.of(text))
        for one in check_prompt(parse_prompt(text), None)
        if one.place and one.place.span
    ]
    assert found == [("variable-undefined", "nmae"), ("variable-undefined", "age")]
    opened = text.replace("      name: string\n", "      name: string\n      (*): any\n")
    assert check_prompt(parse_prompt(opened), None) == ()


def test_only_unquoted_words_are_read_otherwise_elsewhere() -> None:
    text = "---\noutput: {schema: {l(enum): [Yes, 'No', \"on\", off, sure]}}\n---\nHi"
    found = [one for one in problems(text) if one.code == "yaml-boolean"]
    assert [one.severity for one in found] == [Severity.INFORMATION] * 2
    assert [one.place.span.of(text) for one in found if one.place and one.place.span] == ["Yes", "off"]


@given(FILES | TEMPLATES.map(lambda body: HEAD + body) | st.tuples(TEMPLATES, FILES).map("".join))
def test_repairs_lie_in_the_text_and_bring_no_new_errors(text: str) -> None:
    found = problems(text)
    errors = sum(one.severity is Severity.ERROR for one in found)
    text = text.removeprefix("\ufeff")
    for problem in found:
        for repair in problem.repairs:
            ends = [0, *(at for span, _ in repair.edits for at in (span.start, span.end)), len(text)]
            assert ends == sorted(ends)
            after = problems(mended(text, repair))
            # Beside half a tag, anything may become part of it.
            if {"tag-unclosed", "tag-invalid"} & {one.code for one in found} - {problem.code}:
                continue
            assert sum(one.severity is Severity.ERROR for one in after) <= errors
            if problem.severity is Severity.ERROR:
                assert sum(one.code == problem.code for one in after) < sum(one.code == problem.code for one in found)
