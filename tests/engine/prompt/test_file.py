from __future__ import annotations

from pathlib import Path

import pytest

from apo_engine.problems import InputError
from apo_engine.prompt.file import load_prompt, parse_prompt, require_runnable

KEPT = "{{!-- apo:keep --}}Answer with {{n}} words.{{!-- apo:end --}}"
SHOWN = "{{!-- apo:exemplars --}}\nTicket: x\n{{!-- apo:end --}}"


def test_the_system_messages_are_what_may_be_optimized() -> None:
    text = f'Before.\n{{{{role "system"}}}}\nDo {{{{a}}}} well.\n{KEPT}\n{SHOWN}\n{{{{role "user"}}}}\n{{{{text}}}}'
    prompt = parse_prompt(text)
    assert [span.of(text) for span in prompt.passages] == [f"\nDo {{{{a}}}} well.\n{KEPT}\n{SHOWN}\n"]
    assert [span.of(text) for span in prompt.literals] == ["\nDo ", " well.\n", "\n", "\n"]
    assert [span.of(text) for span in prompt.kept] == [KEPT]
    assert prompt.exemplars is not None
    assert prompt.exemplars.of(text) == SHOWN


@pytest.mark.parametrize(
    ("text", "passages"),
    [
        ("Classify {{text}}.", ["Classify {{text}}."]),
        ('\n{{role "user"}}\nClassify.\n{{role "model"}}\nOK', ["\nClassify.\n"]),
        ('{{role "system"}}One.{{role "user"}}Q{{role "system"}}Two.', ["One.", "Two."]),
        ('{{role "system"}} \n{{role "user"}}Q', ["Q"]),
        ('{{role "model"}}Only.', []),
        ("", []),
    ],
)
def test_without_system_text_the_first_user_section_is(text: str, passages: list[str]) -> None:
    assert [span.of(text) for span in parse_prompt(text).passages] == passages


def test_fingerprints_tell_texts_apart_and_nothing_else() -> None:
    assert parse_prompt("a", Path("x")).fingerprint == parse_prompt("\ufeffa", Path("y")).fingerprint
    assert parse_prompt("a").fingerprint != parse_prompt("b").fingerprint
    assert len(parse_prompt("\ud800").fingerprint) == 64


def test_a_byte_order_mark_and_windows_line_ends_are_kept(tmp_path: Path) -> None:
    path = tmp_path / "a.prompt"
    path.write_bytes(b"\xef\xbb\xbf---\r\nmodel: a/b\r\n---\r\nHi\r\n")
    prompt = load_prompt(path)
    assert prompt.bom
    assert prompt.text == "---\r\nmodel: a/b\r\n---\r\nHi\r\n"
    assert prompt.layer().values == {"model": "a/b"}


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"line one\nna\xefve", r"bad\.prompt:2:3: The byte 0xef here is not UTF-8 text\. Save the file as UTF-8\."),
        (b"line one\nx\0y", r"bad\.prompt:2:2: There is a NUL character here"),
        ("Hi".encode("utf-16"), r"bad\.prompt:1:1: The byte 0xff"),
    ],
)
def test_what_is_no_text_is_said_with_its_place(tmp_path: Path, data: bytes, said: str) -> None:
    path = tmp_path / "bad.prompt"
    path.write_bytes(data)
    with pytest.raises(InputError, match=said):
        load_prompt(path)


def test_a_missing_file_and_a_folder_are_said(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="There is no such file"):
        load_prompt(tmp_path / "none.prompt")
    with pytest.raises(InputError, match="cannot be read"):
        load_prompt(tmp_path)


def test_a_prompt_with_errors_does_not_run_and_all_of_them_are_reported() -> None:
    with pytest.raises(InputError) as caught:
        require_runnable(parse_prompt("---\na: [\n---\n{{x"))
    assert [problem.code for problem in caught.value.problems] == ["yaml-syntax", "tag-unclosed"]
    with pytest.raises(InputError, match="There is no template"):
        require_runnable(parse_prompt("---\nmodel: x\n---\n \n"))
    require_runnable(parse_prompt("{{!-- apo:end --}} only a warning"))


def test_a_row_must_fill_what_the_template_reads_but_not_what_may_be_left_out() -> None:
    head = "---\ninput:\n  schema: {text: string, tone?: string, unused: string}\n  default: {n: 3}\n---\n"
    assert parse_prompt(head + "{{n}} {{text}} {{tone}} {{q}} {{text}}").required_inputs == ("text", "q")
