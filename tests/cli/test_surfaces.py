"""Hostile words of rows, models and names in a terminal, in JSON and in the report: shown, and obeyed by nobody."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cli.conftest import Apo, make_apo
from tests.hostile import ALL, NAME, HostileWorld, harmless
from tests.scripted import ScriptedServer

PROMPT = f"{NAME}.prompt"


@pytest.fixture
def hostile(tmp_path: Path, scripted: ScriptedServer) -> Apo:
    """`apo` in a folder whose prompt, rows and models are hostile."""
    world = HostileWorld(60)
    scripted.script = world.script
    folder = tmp_path / f"work {NAME}"
    folder.mkdir()
    prompt = world.write(folder).rename(folder / PROMPT)
    rows = (folder / "tickets.jsonl").rename(folder / f"{NAME}.jsonl")
    prompt.write_text(prompt.read_text("utf-8").replace("tickets.jsonl", json.dumps(rows.name)), "utf-8")
    return make_apo(folder, scripted)


@pytest.mark.parametrize("command", ["evaluate", "gradients", "optimize", "check"])
def test_a_terminal_is_shown_everything_and_obeys_nothing(hostile: Apo, command: str) -> None:
    if command == "check":
        hostile.edit("{{text}}", f"{{{{text}}}} {{{{[{NAME}]}}}}", PROMPT)
    outcome = hostile(command, PROMPT, COLUMNS="400")
    assert outcome.code in (0, 1, 2), outcome.err
    harmless(outcome.out)
    harmless(outcome.err)
    assert "\\u202e" in outcome.out + outcome.err, "the corpus came through, and was shown"


@pytest.mark.parametrize("command", ["evaluate", "gradients", "optimize"])
def test_json_is_ascii_and_whole(hostile: Apo, command: str) -> None:
    outcome = hostile(command, PROMPT, "--json")
    assert outcome.code == 0, outcome.err
    harmless(outcome.out)
    assert outcome.out.isascii()
    assert json.loads(outcome.out)["run"]


def test_runs_and_the_report_hold_it_as_data(hostile: Apo) -> None:
    assert hostile("optimize", PROMPT).code == 0
    runs = hostile("runs", COLUMNS="200")
    harmless(runs.out)
    told = hostile("report", "--json")
    assert told.out.isascii()
    harmless(told.out)
    assert any(ALL[:20] in critique["critique"] for critique in told.object["critiques"])
    page = hostile("report", "-o", "page.html")
    assert page.code == 0, page.err
    html = (hostile.folder / "page.html").read_text("utf-8")
    _, _, rest = html.partition('<script type="application/json" id="report">')
    data, _, after = rest.partition("</script>")
    assert "<" not in data
    assert ">" not in data
    assert "evil.example" in data
    assert json.loads(data)["critiques"]
    assert "evil.example" not in after.rpartition("</script>")[2]
    assert "evil.example" not in html[: html.index('id="report"')]
    assert "default-src &#x27;none&#x27;" in html


def test_what_an_endpoint_says_is_shown(hostile: Apo, scripted: ScriptedServer) -> None:
    from tests.scripted.reply import failure

    scripted.script = lambda _: failure(400, f"No: {ALL}")
    outcome = hostile("evaluate", PROMPT)
    assert outcome.code == 3
    harmless(outcome.err)
    assert "evil" in outcome.err
