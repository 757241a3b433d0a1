from __future__ import annotations

import pytest

from apo_engine.problems import Severity
from apo_engine.prompt.checks import check_prompt
from apo_engine.prompt.file import parse_prompt

HEAD = "---\ninput: {schema: {text: string}}\n---\n"


def found(text: str, columns: list[str] | None = None) -> list[tuple[str, str, Severity]]:
    return [(p.code, p.remedy, p.severity) for p in check_prompt(parse_prompt(text), columns)]


def test_a_sound_prompt_has_no_findings() -> None:
    text = '---\nmodel: openai/x\ninput: {schema: {text: string}}\napo.metric: label\n---\n{{role "user"}}{{text}}'
    assert found(text, ["text"]) == []
    assert found("Hi {{anything}}", None) == []


def test_a_variable_that_no_row_fills_is_an_error_with_the_nearest_name() -> None:
    assert found("{{txet}}", ["text"]) == [("variable-undefined", "Did you mean 'text'?", Severity.ERROR)]
    assert found("{{q}}", ["body", "text"]) == [("variable-undefined", "There are body, text.", Severity.ERROR)]


def test_without_rows_a_variable_that_is_not_declared_is_a_warning() -> None:
    assert found(HEAD + "{{text}} {{txt}}") == [("variable-undefined", "Did you mean 'text'?", Severity.WARNING)]


def test_a_declared_input_is_still_undefined_when_the_rows_lack_it() -> None:
    assert [code for code, *_ in found(HEAD + "{{text}}", ["body"])] == ["variable-undefined"]


def test_optional_inputs_and_defaults_need_no_column() -> None:
    text = "---\ninput:\n  schema: {tone?: string, n: integer}\n  default: {n: 3}\n---\n{{tone}} {{n}} {{text}}"
    assert found(text, ["text"]) == []


def test_a_declared_input_that_is_never_used_is_a_warning() -> None:
    assert found(HEAD + "Hi") == [
        ("variable-unused", "Write {{text}} where it belongs, or remove it.", Severity.WARNING)
    ]
    assert found(HEAD + "{{json this}}") == []
    assert found(HEAD + "{{> card}}") == []


def test_a_misspelled_key_is_a_warning_and_an_unknown_one_is_left_alone() -> None:
    assert found("---\nmodle: a/b\nteam: support\nmy.ext: 1\n---\nHi") == [
        ("key-unknown", "Did you mean 'model'?", Severity.WARNING)
    ]


def test_a_parameter_that_asks_for_several_answers_is_an_error() -> None:
    assert (
        found("---\nconfig: {n: 5, stream: true, temperature: 0}\n---\nHi")
        == [("parameter-invalid", "Correct or remove it.", Severity.ERROR)] * 2
    )


@pytest.mark.parametrize(
    ("yaml", "code"),
    [
        ("apo.optimizer: {rounds: six}", "setting-invalid"),
        ("apo.optimiser: {rounds: 6}", "setting-unknown"),
        ("apo.metric: 'scorers:'", "setting-invalid"),
        ("apo: {metric: label}", "key-unknown"),
        ("apo.endpoints: {x: {base_url: y}}", "setting-misplaced"),
    ],
)
def test_wrong_settings_are_found(yaml: str, code: str) -> None:
    assert [finding[0] for finding in found(f"---\n{yaml}\n---\nHi")] == [code]


def test_media_is_an_error_of_this_version() -> None:
    assert [code for code, *_ in found("{{media url=photo}}", ["photo"])] == ["media-unsupported"]


@pytest.mark.parametrize(
    "text",
    [
        "---\nmodel: gpt-4\nprovider: openai\nendpoint: chat\n---\n<system>\nYou are {{who}}.\n</system>\n",
        "name: Explain\nversion: 2\n---\n<system>\nYou explain.\n</system>\n{{{ input }}}\n",
        "temperature: 0.5\n---\nExplain {{{ input }}}\n",
    ],
)
def test_a_foreign_dialect_is_one_piece_of_information(text: str) -> None:
    (finding,) = check_prompt(parse_prompt(text), ["text"])
    assert (finding.code, finding.severity) == ("foreign-dialect", Severity.INFORMATION)


@pytest.mark.parametrize("text", ["Answer:\n\n---\nplease\n", "Use <system> tags", "a: b\n\nno rule\n---\n"])
def test_ordinary_text_is_no_foreign_dialect(text: str) -> None:
    assert "foreign-dialect" not in [code for code, *_ in found(text)]
