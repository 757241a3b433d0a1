"""`apo check`: what is wrong with prompts and rows, in words and as JSON, without a model."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from apo_engine.api import check, check_rows, load_prompt
from tests.cli.conftest import Apo
from tests.scripted import ScriptedServer

LONG = "My standing order went out twice this month, please send one back."


def write(folder: Path, template: str, rows: list[tuple[str, str]], more: str = "", name: str = "a") -> Path:
    path = folder / f"{name}.prompt"
    path.write_text(f"---\nmodel: openai/scripted\napo.examples: {name}.jsonl\n{more}---\n{template}\n", "utf-8")
    text = "".join(json.dumps({"text": text, "label": label}) + "\n" for text, label in rows)
    (folder / f"{name}.jsonl").write_text(text, "utf-8")
    return path


def rows(*more: tuple[str, str]) -> list[tuple[str, str]]:
    return [(f"row {number}", ("billing", "shipping")[number % 2]) for number in range(10)] + [*more]


def test_a_sound_prompt_is_0_and_asks_no_model(apo: Apo, scripted: ScriptedServer) -> None:
    done = apo("check", "tickets.prompt")
    assert (done.code, done.out, done.err) == (0, "1 prompt checked: nothing found.\n", "")
    assert len(scripted.log) == 0


def test_findings_name_their_file_line_and_column_and_what_to_do(apo: Apo) -> None:
    apo.edit("{{text}}", "{{txet}} {{#if text}}")
    with (apo.folder / "tickets.jsonl").open("a") as file:
        file.write("oops\n")
    done = apo("check", "tickets.prompt")
    assert done.code == 1
    first, *_ = done.out.splitlines()
    assert first.startswith("tickets.prompt:11:")
    assert ": error: " in first
    assert "tickets.jsonl:61:1: warning: This row is not used: it is not valid JSON" in done.out
    assert "\n  Correct or remove it.\n" in done.out
    assert done.out.splitlines()[-1] == "1 prompt checked: 2 errors, 1 warning."


def test_json_is_one_object_with_every_finding(apo: Apo) -> None:
    with (apo.folder / "tickets.jsonl").open("a") as file:
        file.write("oops\n")
    done = apo("check", "tickets.prompt", "--json")
    assert done.code == 1
    (problem,) = done.object["problems"]
    assert done.object["files"] == 1
    assert (problem["path"], problem["line"], problem["column"]) == ("tickets.jsonl", 61, 1)
    assert (problem["severity"], problem["code"]) == ("warning", "row-unusable")
    assert set(problem) == {"path", "line", "column", "severity", "code", "message", "remedy"}


def test_a_folder_means_its_prompts_but_no_partials_and_no_hidden_folders(apo: Apo) -> None:
    (apo.folder / "inner" / ".git").mkdir(parents=True)
    (apo.folder / "inner" / "other.prompt").write_text("{{> tone}}{{#if x}}\n")
    (apo.folder / "inner" / "_tone.prompt").write_text("{{#each y}}\n")
    (apo.folder / "inner" / ".git" / "third.prompt").write_text("{{#if x}}\n")
    done = apo("check", ".", "inner/other.prompt", "--json")
    assert done.object["files"] == 2
    found = [(Path(problem["path"]).name, problem["code"]) for problem in done.object["problems"]]
    assert found == [("other.prompt", "block-unclosed"), ("_tone.prompt", "block-unclosed")]


@pytest.mark.parametrize("args", [("none.prompt",), ("tickets.prompt", "none.prompt"), ("empty",), ()])
def test_a_path_that_is_not_there_is_misuse(apo: Apo, args: tuple[str, ...]) -> None:
    (apo.folder / "empty").mkdir()
    done = apo("check", *args)
    assert (done.code, done.out) == (2, "")
    assert "Traceback" not in done.err


def test_a_file_that_is_no_text_is_a_finding(apo: Apo) -> None:
    (apo.folder / "tickets.prompt").write_bytes(b"a\xff")
    done = apo("check", ".")
    assert done.code == 1
    assert "tickets.prompt:1:2: error: The byte 0xff here is not UTF-8 text." in done.out


def test_information_alone_is_0(apo: Apo) -> None:
    near = [LONG, LONG.replace("month", "March")]
    write(apo.folder, "billing or shipping? {{text}}", rows(*((text, "billing") for text in near)))
    done = apo("check", "a.prompt")
    assert done.code == 0
    assert "a.jsonl:12:1: info: This row has nearly the words of line 11." in done.out
    assert done.out.splitlines()[-1] == "1 prompt checked: 1 remark."


def test_it_loads_no_model_client_and_nothing_for_pretty_output() -> None:
    probe = "import sys, apo_engine.cli.check; print(*sorted({name.partition('.')[0] for name in sys.modules}))"
    done = subprocess.run([sys.executable, "-c", probe], capture_output=True, check=True, text=True)
    assert not set(done.stdout.split()) & {"openai", "httpx", "tiktoken", "rich", "ruamel", "rapidfuzz", "pygls"}


@pytest.mark.parametrize(
    ("template", "codes"),
    [
        (f"billing or shipping?\nFor example: {LONG}\n{{{{text}}}}", ["row-quoted"]),
        (f"billing or shipping?\nFor example: {LONG.upper().replace(',', ' –')}\n{{{{text}}}}", ["row-quoted"]),
        (f"billing or shipping?\n{{{{!-- apo:exemplars --}}}}\n{LONG}\n{{{{!-- apo:end --}}}}\n{{{{text}}}}", []),
        (f"billing or shipping?\n{{{{!-- {LONG} --}}}}\n{{{{text}}}}", []),
        ("billing or shipping?\nFor example: row 1\n{{text}}", []),
        ("billing? {{text}}", ["labels-unmentioned", "label-unmentioned"]),
    ],
)
def test_what_shows_only_from_prompt_and_rows_together(tmp_path: Path, template: str, codes: list[str]) -> None:
    prompt = write(tmp_path, template, rows((LONG, "billing")))
    assert [problem.code for problem in check(load_prompt(prompt))] == codes


def test_a_label_that_is_never_mentioned_is_told_at_its_first_row(tmp_path: Path) -> None:
    *_, found = check(load_prompt(write(tmp_path, "billing? {{text}}", rows())))
    assert found.place is not None
    assert (found.place.path, found.place.line) == (tmp_path / "a.jsonl", 2)
    assert found.message == "a.prompt never mentions the label 'shipping' of this row and 4 more."


def test_a_quoted_row_says_where_and_is_worse_when_held_out(tmp_path: Path) -> None:
    prompt = write(tmp_path, f"billing or shipping?\n{LONG}\n{{{{text}}}}", rows())
    prompt.write_text(prompt.read_text().replace("a.jsonl", "{train: a.jsonl, holdout: b.csv}"))
    (tmp_path / "b.csv").write_text(f'text,label\n"{LONG}",billing\n')
    (problem,) = check_rows(load_prompt(prompt)).problems
    assert problem.place is not None
    assert problem.place.path == tmp_path / "b.csv"
    assert (problem.code, problem.place.line) == ("row-quoted", 2)
    assert "on its line 6" in problem.message
    assert "held out" in problem.message


@pytest.mark.parametrize(
    ("more", "label", "code"),
    [
        ("output: {schema: {queue(enum): [billing, shipping]}}\n", "spam", "label-unknown"),
        (
            "output: {schema: {queue(enum): [billing, shipping]}}\napo.metric: json_match\n",
            '{"a": 1}',
            "expected-unusable",
        ),
        ("apo.metric: f1\n", "spam", "metric-unsuitable"),
        ("apo.metric: scoring:score\n", "billing", "metric-missing"),
    ],
)
def test_what_the_metric_and_the_schema_ask_of_the_rows(tmp_path: Path, more: str, label: str, code: str) -> None:
    prompt = write(tmp_path, "billing, shipping, spam? {{text}}", rows(("one", label)), more)
    assert code in [problem.code for problem in check(load_prompt(prompt))]


def test_findings_come_once_and_in_order(tmp_path: Path) -> None:
    prompt = write(tmp_path, "billing or shipping? {{txet}} {{#if a}}", rows(("row 1", "shipping")), "modle: x\n")
    places = [problem.place for problem in check(load_prompt(prompt))]
    own = [place.line for place in places if place and place.path == prompt]
    assert own == sorted(own)
    assert [place.path for place in places if place][len(own) :] == [tmp_path / "a.jsonl"]
    assert len(places) == len(set(places))
