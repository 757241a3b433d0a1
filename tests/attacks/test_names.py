"""Attacks by names: models, files and columns whose names would say something of their own."""

from __future__ import annotations

import json
import logging
import sys
from pathlib import Path

import msgspec
import pytest

from apo_engine import api
from apo_engine.cli.render_problems import problem_text
from apo_engine.names import shown_file, shown_name
from apo_engine.problems import InputError, Place, Problem
from apo_engine.prompt.file import parse_prompt
from apo_engine.runs.report import report_of
from apo_engine.search.events import FileRows
from apo_engine.settings import Layer, resolve
from apo_server.consent_scope import question
from apo_server.logs import set_up_logs
from tests.attacks.plans import started


def faults(front: str, folder: Path) -> list[tuple[str, int]]:
    """The codes and lines of what is wrong with a prompt of these settings."""
    text = f"---\n{front}\n---\n{{{{text}}}}\n"
    found = api.check(parse_prompt(text, folder / "a.prompt"))
    return [(problem.code, problem.place.line if problem.place else 0) for problem in found]


@pytest.mark.parametrize(
    ("front", "line"),
    [
        pytest.param('model: "openai/m, on this machine).\\nNothing leaves it. (x"', 2, id="model-line-break"),
        pytest.param('model: "openai/m\\u2028Nothing leaves."', 2, id="model-line-separator"),
        pytest.param('model: "openai/\\u202egnihton"', 2, id="model-turns-writing"),
        pytest.param('model: "openai/gpt-4.1\\u200b-mini"', 2, id="model-without-width"),
        pytest.param('model: "openai/\\e[2K\\rlocal"', 2, id="model-escape-sequence"),
        pytest.param("model: openai/m' to nobody. 'x", 2, id="model-closes-the-quotation"),
        pytest.param("model: openai/m” to nobody", 2, id="model-curly-quote"),
        pytest.param(f"model: openai/{'m' * 200}", 2, id="model-too-long"),
        pytest.param(f"model: embedded/{'m' * 1200}", 2, id="embedded-too-long"),
        pytest.param('seed: 1\napo.optimizer: {model: "far/x\\nAllow."}', 3, id="optimizer-line-break"),
        pytest.param('apo.judge:\n  rubric: Be kind.\n  model: "far/x\\tAllow."', 4, id="judge-tab"),
    ],
)
def test_a_models_name_that_is_a_sentence_is_refused_at_its_line(tmp_path: Path, front: str, line: int) -> None:
    assert ("model-name", line) in faults(front, tmp_path)


def test_the_data_of_a_report_end_no_element_and_hide_nothing() -> None:
    """The page holds whatever a model said as JSON that is no markup, and that a text editor shows as it is."""
    unseen = [*map(chr, range(0x7F, 0xA0)), *"\u061c\u200b\u200e\u200f\u2028\u2029\ufeff\U000e0041"]
    unseen += [*map(chr, range(0x202A, 0x202F)), *map(chr, range(0x2066, 0x206A))]
    said = f"</script><!--<script>&amp; {''.join(unseen)} é 漢 😀"
    report = report_of([started()])
    assert report is not None
    page = api.report_page(msgspec.structs.replace(report, notes=(said,)))
    data = page.partition('id="report">')[2].partition("</script>")[0]
    assert json.loads(data)["notes"] == [said]
    assert not {*data} & {*"<>&", *unseen}
    assert not any(char in page for char in unseen)
    assert "é 漢 😀" in data


@pytest.mark.parametrize("layer", ["flag", "editor", "user", "environment"])
def test_such_a_name_is_refused_wherever_it_comes_from(layer: str) -> None:
    with pytest.raises(InputError) as caught:
        resolve([Layer(layer, {"model": "openai/x\nNothing is sent."})])  # type: ignore[arg-type]
    assert caught.value.problems[0].code == "model-name"


@pytest.mark.parametrize(
    "name",
    ["openai/gpt-4.1-mini", "far/llama3:8b-q4_K_M", "openai/ft:gpt-4.1:acme::a1", "embedded/models/o'brien/x y.gguf"],
)
def test_the_names_that_models_have_are_none_of_these(tmp_path: Path, name: str) -> None:
    assert "model-name" not in [code for code, _ in faults(f"model: {json.dumps(name)}", tmp_path)]


@pytest.mark.parametrize(
    ("file", "shown"),
    [
        pytest.param("nothing", "'nothing'", id="a-word"),
        pytest.param("t.jsonl to nobody. Ignore", "'t.jsonl to nobody. Ignore'", id="a-sentence"),
        pytest.param("a' to nobody 'b.jsonl", "'a\\' to nobody \\'b.jsonl'", id="closing-quote"),
        pytest.param("a’ to nobody ‘b.jsonl", "'a\\’ to nobody \\‘b.jsonl'", id="curly-quote"),
        pytest.param(
            "a.jsonl\n\nAPO: nothing is sent", "'a.jsonl<U+000A><U+000A>APO: nothing is sent'", id="line-break"
        ),
        pytest.param("a\u202elnosj.jsonl", "'a<U+202E>lnosj.jsonl'", id="turned-writing"),
        pytest.param("a\x1b[2J.jsonl", "'a<U+001B>[2J.jsonl'", id="escape-sequence"),
        pytest.param("a" + 40 * " " + "b.jsonl", "'a b.jsonl'", id="pushed-out-of-sight"),
        pytest.param("a\u200bb.jsonl", "'a<U+200B>b.jsonl'", id="without-width"),
    ],
)
def test_a_files_name_says_nothing_of_its_own(file: str, shown: str) -> None:
    asked = question("file:///w", started(files=(FileRows(f"/w/{file}", 100, 0, ("text",)),)))
    assert f"and 100 rows of {shown} to api.example? " in asked
    assert "\n" not in asked


def test_a_long_name_loses_its_middle_and_keeps_its_end() -> None:
    shown = shown_name("safe-" + "a" * 5000 + ".prod-secrets.jsonl")
    assert len(shown) <= 64
    assert shown.startswith("safe-aaa")
    assert shown.endswith("prod-secrets.jsonl")
    assert "…" in shown


def test_a_column_and_a_prompt_say_nothing_of_their_own_either() -> None:
    files = (FileRows("/w/t.jsonl", 100, 0, ("text, no other column.\nAllow", "b")),)
    asked = question("file:///w", started(file="/w/x. Nothing leaves.prompt", files=files))
    assert asked.startswith("Send 'x. Nothing leaves.prompt' and ")
    assert "the columns 'text, no other column.<U+000A>Allow', 'b'," in asked


def test_two_files_of_one_name_are_told_apart() -> None:
    files = (FileRows("/w/a/t.jsonl", 1, 0, ("x",)), FileRows("/w/b/t.jsonl", 2, 0, ("x",)))
    asked = question("file:///w", started(files=files))
    assert "1 row of a/t.jsonl and 2 rows of b/t.jsonl" in asked
    outside = question("file:///w/deep", started(files=files))
    assert "1 row of /w/a/t.jsonl and 2 rows of /w/b/t.jsonl" in outside


@pytest.mark.parametrize("through", ["public-sample-tickets-for-everybody", "link"])
def test_a_file_that_is_reached_by_going_up_is_shown_where_it_is(tmp_path: Path, through: str) -> None:
    theirs, mine = tmp_path / "theirs", tmp_path / "mine"
    (theirs / "public-sample-tickets-for-everybody").mkdir(parents=True)
    (mine / "salaries").mkdir(parents=True)
    (theirs / "link").symlink_to(mine / "salaries")
    up = "../../mine" if through != "link" else ".."
    file = f"{theirs}/{through}/{up}/salaries/{'./' * 20}rows.jsonl"
    assert shown_file(file, theirs) == shown_name(f"{mine}/salaries/rows.jsonl")
    assert (
        shown_file(f"{theirs}/{through}/../a.jsonl", tmp_path) == f"{'mine' if through == 'link' else 'theirs'}/a.jsonl"
    )


def test_a_line_break_in_a_files_name_begins_no_line_in_a_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    name = "a.prompt:1:1: error\nAll is well"
    problem = Problem("x", f"There is no file {name}.", "Look.", Place(Path(name), 1, 1))
    first, second = problem_text(problem, sys.stdout).split("\n")
    assert "All is well" in first
    assert second == "  Look."


def test_a_line_break_in_a_name_begins_no_record_in_the_log(capfd: pytest.CaptureFixture[str]) -> None:
    root = logging.getLogger()
    before, level = root.handlers[:], root.level
    root.handlers = []
    try:
        set_up_logs("warning")
        logging.getLogger("apo_server.x").warning("File %s is gone", "a\nERROR apo_server: consent given")
        root.handlers[0].flush()
    finally:
        root.handlers, root.level = before, level
    assert "a<U+000A>ERROR apo_server" in capfd.readouterr().err
