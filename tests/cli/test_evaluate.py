"""`apo evaluate` as a process."""

from __future__ import annotations

import json
from pathlib import Path

from tests.cli.conftest import Apo
from tests.scripted import Reply, ScriptedServer
from tests.scripted.world import World


def test_a_person_reads_score_interval_confusion_rows_and_cost(apo: Apo) -> None:
    shown = apo("evaluate", "tickets.prompt")
    assert shown.code == 0
    for word in ("% accuracy", "95 % interval", "on 42 rows", "macro F1", "expected ↓", "failing rows", "42 calls"):
        assert word in shown.out
    assert "tickets.jsonl:" in shown.out
    assert "18 sealed rows" in shown.err
    assert "At most 42 calls of openai/scripted" in shown.err
    assert "nothing is sent" in shown.err


def test_the_object_agrees_with_itself_and_with_the_world(apo: Apo) -> None:
    shown = apo("evaluate", "tickets.prompt", "--json")
    found = shown.object
    assert shown.code == 0
    assert found["n"] == 42
    wrong = len(found["failing"])
    assert found["score"] == found["accuracy"] == (42 - wrong) / 42
    low, high = found["interval"]
    assert 0 <= low < found["score"] < high <= 1
    counts = found["confusion"]
    assert sum(sum(row.values()) for row in counts.values()) == 42
    assert sum(counts[label][label] for label in counts) == 42 - wrong
    assert found["calls"] == {"task": 42, "gradient": 0, "edit": 0, "paraphrase": 0, "judge": 0}
    lines = (apo.folder / "tickets.jsonl").read_text().splitlines()
    for row in found["failing"]:
        assert json.loads(lines[row["line"] - 1])["label"] == row["expected"] != row["answered"]


def test_a_second_run_asks_nothing_and_says_the_same(apo: Apo, scripted: ScriptedServer) -> None:
    first = apo("evaluate", "tickets.prompt", "--json").object
    asked = len(scripted.log)
    second = apo("evaluate", "tickets.prompt", "--json").object
    assert asked == 42
    assert len(scripted.log) == asked
    assert second["cached"] == 42
    for key in ("run", "score", "interval", "failing", "confusion", "tokens", "calls"):
        assert first[key] == second[key]


def test_fresh_asks_again(apo: Apo, scripted: ScriptedServer) -> None:
    for args in ((), ("--fresh",)):
        shown = apo("evaluate", "tickets.prompt", *args)
        assert shown.code == 0, shown.err
    assert len(scripted.log) == 84


def test_flags_go_before_the_file(apo: Apo, scripted: ScriptedServer) -> None:
    shown = apo("evaluate", "tickets.prompt", "--model", "openai/other", "--concurrency", "2")
    assert "openai/other" in shown.err
    assert {body["model"] for body in scripted.log.bodies} == {"other"}
    assert scripted.log.peak <= 2


def test_unreadable_answers_are_counted_apart(apo: Apo, scripted: ScriptedServer) -> None:
    scripted.script = lambda request: Reply("I would rather not say.")
    found = apo("evaluate", "tickets.prompt", "--json").object
    assert found["invalid"] == 42
    assert found["score"] == 0
    shown = apo("evaluate", "tickets.prompt")
    assert "42 answers could not be read" in shown.out
    assert "(unreadable)" in shown.out


def test_all_right_is_said(apo: Apo, scripted: ScriptedServer) -> None:
    world = World(60, guess=1.0, ceiling=1.0, wording=0.0)
    scripted.script = world.script
    assert "Every row is answered right." in apo("evaluate", "tickets.prompt").out


def test_what_a_model_says_is_shown_and_never_obeyed(apo: Apo, scripted: ScriptedServer) -> None:
    scripted.script = lambda request: "\x1b[2J[bold]x[/]\u202e billing? shipping?"
    shown = apo("evaluate", "tickets.prompt", COLUMNS="200")
    assert "\x1b" not in shown.out + shown.err
    assert "\u202e" not in shown.out
    assert "\\x1b[2J" in shown.out
    assert "[bold]x[/]\\u202e" in shown.out


def test_output_keeps_within_the_width_and_has_no_colours_in_a_pipe(apo: Apo) -> None:
    for width in (60, 80, 120):
        shown = apo("evaluate", "tickets.prompt", COLUMNS=str(width), TERM="xterm-256color")
        assert "\x1b" not in shown.out + shown.err
        table = [
            line for line in shown.out.splitlines() if line.startswith(("tickets.jsonl:", "───", "row", "expected"))
        ]
        assert table
        assert max(map(len, table)) <= width


def test_a_terminal_that_knows_only_ascii_is_no_reason_to_stop(apo: Apo) -> None:
    shown = apo("evaluate", "tickets.prompt", PYTHONIOENCODING="ascii")
    assert shown.code == 0
    assert "% accuracy" in shown.out


def test_a_prompt_may_be_named_from_anywhere(apo: Apo, tmp_path: Path) -> None:
    elsewhere = tmp_path / "else where"
    elsewhere.mkdir()
    there = Apo(elsewhere, apo.environ)
    shown = there("evaluate", str(apo.folder / "tickets.prompt"))
    assert shown.code == 0
    assert "failing rows" in shown.out
