from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apo_engine.prompt.file import parse_prompt
from apo_engine.prompt.yaml_tree import Mapping, Node, Scalar, Sequence, YamlError, compose, value_of
from apo_engine.settings import resolve

PATH = Path("triage.prompt")


@pytest.mark.parametrize(
    ("text", "template"),
    [
        ("---\nmodel: x\n---\nHello", "Hello"),
        ("---\r\nmodel: x\r\n---\r\nHello", "Hello"),
        ("\ufeff---\nmodel: x\n---\nHello", "Hello"),
        ("# Licence\n\n  \n---  \nmodel: x\n---\t\nHello", "Hello"),
        ("---\n---\nHello", "Hello"),
        ("---\nmodel: x\n---", ""),
        ("Hello\n---\nmodel: x\n---\n", "Hello\n---\nmodel: x\n---\n"),
        ("# A heading\nHello", "# A heading\nHello"),
        ("", ""),
    ],
)
def test_front_matter_is_found_as_dotprompt_finds_it(text: str, template: str) -> None:
    prompt = parse_prompt(text, PATH)
    assert prompt.template.of(prompt.text) == template
    assert not prompt.problems


def test_an_opening_line_without_a_closing_one_is_said_once() -> None:
    prompt = parse_prompt("---\nmodel: x\n{{role 'user'}}\nHello", PATH)
    assert [problem.code for problem in prompt.problems] == ["front-matter-unclosed"]
    assert prompt.layer().values["model"] == "x"


def test_a_syntax_error_stands_at_its_line_and_the_other_keys_are_still_read() -> None:
    text = "---\nmodel: openai/x\nconfig: {temperature: 0\napo.metric: label\napo.seed: 7\n---\nHi"
    prompt = parse_prompt(text, PATH)
    (problem,) = prompt.problems
    assert problem.code == "yaml-syntax"
    assert problem.place is not None
    assert problem.place.line == 4
    assert "Traceback" not in str(problem)
    assert prompt.layer().values == {"model": "openai/x", "metric": "label", "seed": 7}
    assert prompt.template.of(text) == "Hi"


@pytest.mark.parametrize(
    ("yaml", "code"),
    [
        ("a: &x 1", "yaml-unsupported"),
        ("a: *x", "yaml-unsupported"),
        ("a: !!python/object:os.system x", "yaml-unsupported"),
        ("a: 1\na: 2", "yaml-duplicate"),
        ("[a]: 1", "yaml-key"),
        ("a: " + "[" * 500, "yaml-depth"),
        ("- a\n- b", "yaml-syntax"),
        ("a: \x01", "yaml-syntax"),
        ("x" * 100_001, "front-matter-large"),
    ],
)
def test_what_prompt_files_do_not_use_is_one_problem_each(yaml: str, code: str) -> None:
    assert [problem.code for problem in parse_prompt(f"---\n{yaml}\n---\nHi", PATH).problems] == [code]


def test_an_alias_bomb_is_refused_at_once() -> None:
    bomb = "a0: &a0 [x,x]\n" + "".join(f"a{i}: &a{i} [*a{i - 1},*a{i - 1}]\n" for i in range(1, 60))
    assert parse_prompt(f"---\n{bomb}---\nHi").problems[0].code == "yaml-unsupported"


def test_a_wrong_setting_is_placed_on_its_value() -> None:
    text = "---\nmodel: a/b\n# note\napo.examples: rows.jsonl\napo.optimizer: {beam: 2, rounds: six}\n---\nHi"
    with pytest.raises(Exception, match=r"triage\.prompt:5:34: 'apo\.optimizer\.rounds' must be a whole number"):
        resolve([parse_prompt(text, PATH).layer()])


def test_picoschema_and_json_schema_declare_inputs_where_their_names_stand() -> None:
    pico = "---\ninput:\n  schema:\n    text: string, the ticket\n    tone?(enum, d): [a]\n    (*): any\n---\nHi"
    prompt = parse_prompt(pico)
    assert [(name, span.of(pico)) for name, span in prompt.declared] == [("text", "text"), ("tone", "tone")]
    schema = "---\ninput: {schema: {type: object, properties: {body: {type: string}}}}\n---\nHi"
    assert [(name, span.of(schema)) for name, span in parse_prompt(schema).declared] == [("body", "body")]


@pytest.mark.parametrize(
    ("output", "labels"),
    [
        ("\n  schema:\n    label(enum, d): [Yes, No, off, 1, null, true]", ("Yes", "No", "off", "1", "null", "true")),
        ("{schema: {type: string, enum: [a, 'b']}}", ("a", "b")),
        ("{schema: {type: object, properties: {l: {type: string, enum: [x, y]}}}}", ("x", "y")),
        ("{schema: {a(enum): [x], b(enum): [y]}}", ()),
        ("{schema: {a: string}}", ()),
    ],
)
def test_declared_labels_stay_as_written(output: str, labels: tuple[str, ...]) -> None:
    assert parse_prompt(f"---\noutput: {output}\n---\nHi").labels == labels


@pytest.mark.parametrize(
    ("yaml", "value"),
    [
        ("Yes", "Yes"), ("no", "no"), ("on", "on"), ("true", True), ("False", False), ("~", None), ("", None),
        ("12", 12), ("-3", -3), ("0x1F", 31), ("0o17", 15), ("010", 10), ("1_000", "1_000"), ("1.5", 1.5),
        (".5", 0.5), ("5.", 5.0), ("1e3", 1000.0), ("-.inf", float("-inf")), ("'12'", "12"), ('"a\\tb"', "a\tb"),
        ("12:30:45", "12:30:45"), ("2024-01-01", "2024-01-01"), ("1.2.3", "1.2.3"), (".", "."),
    ],
)  # fmt: skip
def test_scalars_resolve_by_the_yaml_1_2_core_schema(yaml: str, value: object) -> None:
    node = compose(f"k: {yaml}\n", 0)
    assert node is not None
    assert value_of(node) == {"k": value}


@given(st.dictionaries(st.from_regex(r"[a-z]{1,8}", fullmatch=True), st.text("ab 😀é", max_size=8), max_size=5))
def test_every_key_and_value_knows_its_source(data: dict[str, str]) -> None:
    text = "".join(f'{key}:   "{value}"   # note\r\n' for key, value in data.items())
    node = compose(text, 0)
    entries = node.entries if isinstance(node, Mapping) else ()
    assert [entry.key.span.of(text) for entry in entries] == list(data)
    assert [entry.value.span.of(text) for entry in entries] == [f'"{value}"' for value in data.values()]


def _inside(node: Node, start: int, end: int) -> None:
    assert start <= node.span.start <= node.span.end <= end
    if isinstance(node, Sequence):
        for item in node.items:
            _inside(item, node.span.start, node.span.end)
    elif isinstance(node, Mapping):
        for entry in node.entries:
            _inside(entry.key, node.span.start, node.span.end)
            _inside(entry.value, node.span.start, node.span.end)
    else:
        assert isinstance(node, Scalar)


@given(st.lists(st.sampled_from(["a", ": ", "- ", "[", "]", "{", "}", ",", "\n", "  ", "'", '"', "#", "|\n", "😀"])))
def test_spans_nest_whatever_the_text(pieces: list[str]) -> None:
    text = "".join(pieces)
    try:
        node = compose(text, 7)
    except YamlError as error:
        assert 7 <= error.offset <= 7 + len(text)
        return
    if node is not None:
        _inside(node, 7, 7 + len(text))
