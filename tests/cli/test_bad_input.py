"""Input and endpoints that cannot be used: one calm message with place and remedy, the right exit code."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cli.conftest import Apo
from tests.scripted import (
    Reply,
    ScriptedServer,
    empty_choices,
    html,
    not_found,
    rejects,
    reset,
    server_error,
    throttled,
    unauthorized,
)
from tests.scripted.world import World

PROMPT, ROWS = "tickets.prompt", "tickets.jsonl"


def replaced(old: bytes, new: bytes, name: str = PROMPT) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        data = (folder / name).read_bytes()
        assert old in data
        (folder / name).write_bytes(data.replace(old, new))

    return change


def written(name: str, data: bytes) -> Callable[[Path], None]:
    return lambda folder: (folder / name).write_bytes(data) and None  # type: ignore[func-returns-value]


def removed(name: str) -> Callable[[Path], None]:
    return lambda folder: (folder / name).unlink()


# What is done to the folder; the beginning of the message; words of the message; words of the remedy.
UNUSABLE: dict[str, tuple[Callable[[Path], None], str, str, str]] = {
    "no prompt file": (removed(PROMPT), f"{PROMPT}:1:1", "no such file", "Check"),
    "no example file": (removed(ROWS), f"{PROMPT}:4:15", "no example file", "Check"),
    "no examples named": (replaced(b"apo.examples: tickets.jsonl\n", b""), "error", "no example rows", "apo.examples"),
    "wrong column": (
        replaced(b"tickets.jsonl", b"{path: tickets.jsonl, expected: lable}"),
        f"{PROMPT}:4:",
        "no column 'lable'",
        "Did you mean 'label'?",
    ),
    "empty set": (written(ROWS, b""), f"{PROMPT}:4:15", "has no rows", "Add"),
    "unknown variable": (replaced(b"{{text}}", b"{{txet}}"), f"{PROMPT}:", "txet", "Did you mean 'text'?"),
    "invalid YAML": (replaced(b"input: {", b"input: {{["), f"{PROMPT}:3:", "not valid YAML", "Correct"),
    "NUL": (replaced(b"You work", b"You \0 work"), f"{PROMPT}:7:5", "NUL", "Remove"),
    "Latin-1": (replaced(b"You work", b"You w\xf6rk"), f"{PROMPT}:7:6", "0xf6", "UTF-8"),
    "unclosed tag": (replaced(b"{{text}}", b"{{text"), f"{PROMPT}:11:1", "", "}}"),
    "wrong setting": (
        replaced(b"apo.examples", b"apo.optimizer: {rounds: six}\napo.examples"),
        f"{PROMPT}:4:25",
        "must be a whole number",
        "rounds: 20",
    ),
    "misspelled setting": (
        replaced(b"apo.examples", b"apo.exmaples"),
        f"{PROMPT}:4:",
        "'apo.exmaples' is not a setting",
        "'apo.examples'",
    ),
    "no model": (replaced(b"model: openai/scripted\n", b""), "error", "No model is named", "apo models"),
    "no such provider": (replaced(b"openai/scripted", b"opnai/scripted"), f"{PROMPT}:2:", "opnai", "openai/"),
}


@pytest.mark.parametrize("name", UNUSABLE)
@pytest.mark.parametrize("command", ["evaluate", "optimize"])
def test_unusable_input_is_2_with_place_and_remedy(apo: Apo, scripted: ScriptedServer, name: str, command: str) -> None:
    change, begins, says, remedy = UNUSABLE[name]
    change(apo.folder)
    shown = apo(command, PROMPT, "--json")
    assert shown.code == 2, shown.err
    assert shown.out == ""
    first, *rest = shown.err.splitlines()
    assert first.startswith(begins)
    assert ": " in first and "error: " in first
    assert says in first
    assert remedy in "\n".join(rest)
    assert "Traceback" not in shown.err
    assert len(scripted.log) == 0


def test_too_few_rows_to_judge_says_how_many_would_do(apo: Apo, scripted: ScriptedServer) -> None:
    (apo.folder / ROWS).write_text(World(12).examples_text())
    shown = apo("optimize", PROMPT)
    assert shown.code == 2
    assert "too few example rows" in shown.err
    assert "at least 33" in shown.err
    assert len(scripted.log) == 0
    assert apo("evaluate", PROMPT, "--json").object["n"] == 12


@pytest.mark.parametrize(
    "change",
    [
        lambda data: b"\xef\xbb\xbf" + data,
        lambda data: data.replace(b"\n", b"\r\n"),
        lambda data: b"\xef\xbb\xbf" + data.replace(b"\n", b"\r\n"),
    ],
    ids=["BOM", "CRLF", "both"],
)
@pytest.mark.parametrize("name", [PROMPT, ROWS])
def test_byte_order_marks_and_line_ends_change_nothing(
    apo: Apo, scripted: ScriptedServer, name: str, change: Callable[[bytes], bytes]
) -> None:
    scripted.script = World(60, wording=0.0).script
    plain = apo("evaluate", PROMPT, "--json").object
    path = apo.folder / name
    path.write_bytes(change(path.read_bytes()))
    found = apo("evaluate", PROMPT, "--json").object
    assert (found["n"], found["score"]) == (plain["n"], plain["score"])
    assert {row["line"] for row in found["failing"]} == {row["line"] for row in plain["failing"]}


def test_bad_rows_are_named_and_the_good_ones_used(apo: Apo) -> None:
    with (apo.folder / ROWS).open("ab") as file:
        file.write(b'{"text": \n\xff\xfe\x00\n{"text": "' + b"x" * 10_000_000 + b'", "label": "billing"}\n')
    shown = apo("evaluate", PROMPT, "--json")
    assert shown.code == 0
    assert shown.object["n"] == 42
    for line in (61, 62, 63):
        assert f"{ROWS}:{line}:1" in shown.err
    assert len(shown.err) < 4000


# The answers of an endpoint; words of the message; words of the remedy.
FAILING: dict[str, tuple[Reply, str, str]] = {
    "401": (unauthorized("sk-canary-1234567890"), "did not accept the key", "OPENAI_API_KEY"),
    "404": (not_found(), "(404)", "apo models"),
    "429": (throttled(0), "(429)", "concurrency"),
    "500": (server_error(), "(500)", "Try again later"),
    "web page": (html(), "a web page", "OPENAI_BASE_URL"),
    "nothing": (empty_choices(), "without an answer", "apo models"),
    "400": (rejects("messages"), "(400)", "config"),
    "reset": (reset(), "No answer from", "server runs"),
}


@pytest.mark.parametrize("name", FAILING)
def test_a_failing_endpoint_is_3_and_never_quotes_a_key(apo: Apo, scripted: ScriptedServer, name: str) -> None:
    reply, says, remedy = FAILING[name]
    scripted.script = lambda request: reply
    shown = apo("evaluate", PROMPT, "--concurrency", "4", OPENAI_API_KEY="sk-canary-1234567890")
    assert shown.code == 3, shown.err
    assert shown.out == ""
    assert says in shown.err
    assert remedy in shown.err
    assert "sk-canary" not in shown.err
    assert "Traceback" not in shown.err
    assert shown.err.count("error: ") == 1


def test_a_dead_endpoint_is_3(apo: Apo) -> None:
    shown = apo("optimize", PROMPT, "--concurrency", "4", OPENAI_BASE_URL="http://127.0.0.1:9/v1")
    assert shown.code == 3
    assert "No answer from 127.0.0.1:9" in shown.err
    assert "OPENAI_BASE_URL" in shown.err


def test_a_missing_key_is_3_before_anything_is_sent(apo: Apo) -> None:
    shown = apo("evaluate", PROMPT, OPENAI_BASE_URL="https://models.example/v1")
    assert shown.code == 3
    assert "OPENAI_API_KEY" in shown.err


def test_a_cap_on_calls_scores_fewer_rows_and_says_so(apo: Apo, scripted: ScriptedServer) -> None:
    shown = apo("evaluate", PROMPT, "--max-calls", "20")
    assert shown.code == 0
    assert "11 of 24 critique rows, 9 of 18 selection rows" in shown.err
    assert "on 20 rows" in shown.out
    assert len(scripted.log) == 20


def test_a_cap_that_is_reached_is_3_and_what_was_answered_is_kept(apo: Apo, scripted: ScriptedServer) -> None:
    apo.edit("apo.examples:", "apo.budget: {tokens: 6000}\napo.examples:")
    shown = apo("evaluate", PROMPT)
    assert shown.code == 3
    assert "cap on tokens is reached" in shown.err
    asked = len(scripted.log)
    assert 0 < asked < 42
    apo.edit("{tokens: 6000}", "{tokens: 60000}")
    goes_on = apo("evaluate", PROMPT, "--json")
    assert goes_on.object["cached"] == asked
    assert len(scripted.log) == 42


def test_a_cap_too_small_for_one_step_is_3_before_anything_is_sent(apo: Apo, scripted: ScriptedServer) -> None:
    shown = apo("optimize", PROMPT, "--max-calls", "20")
    assert shown.code == 3
    assert "--max-calls" in shown.err
    assert len(scripted.log) == 0


def test_what_is_our_own_fault_is_one_sentence_and_a_traceback_only_on_request(apo: Apo) -> None:
    broken = apo.folder / "sitecustomize.py"
    broken.write_text(
        "import apo_engine.api\n\n\ndef broken(*given: object) -> None:\n"
        "    raise ZeroDivisionError('no\\x1b[1m luck')\n\n\napo_engine.api.evaluate = broken\n"
    )
    calm = apo("evaluate", PROMPT, PYTHONPATH=str(apo.folder))
    assert calm.code == 70
    assert calm.err.count("\n") == 1
    assert "ZeroDivisionError: no\\x1b[1m luck" in calm.err
    assert "--debug" in calm.err
    assert "Traceback" in apo("evaluate", PROMPT, "--debug", PYTHONPATH=str(apo.folder)).err
