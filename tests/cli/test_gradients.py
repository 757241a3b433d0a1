"""`apo gradients` as a process."""

from __future__ import annotations

import re

from apo_engine import Lines
from tests.cli.conftest import Apo
from tests.scripted import ScriptedServer
from tests.scripted.world import World, kind_of


def test_a_person_reads_place_quote_critique_and_rows(apo: Apo) -> None:
    shown = apo("gradients", "tickets.prompt")
    assert shown.code == 0
    assert re.search(r"^1\. tickets\.prompt:\d+:\d+  explains \d+ rows?, \d+ % of the failures$", shown.out, re.M)
    assert "“You work at the help desk of a shop." in shown.out
    assert "The prompt does not say that tickets about" in shown.out
    assert re.search(r"tickets\.jsonl:\d+  expected \w+, answered \w+", shown.out)


def test_the_object_points_at_the_passages_and_the_rows(apo: Apo) -> None:
    found = apo("gradients", "tickets.prompt", "--json").object
    lines = Lines((apo.folder / "tickets.prompt").read_text())
    assert found["gradients"]
    failing = {row["row"]: row["line"] for row in found["failing"]}
    for gradient in found["gradients"]:
        start = lines.starts[gradient["line"] - 1] + gradient["column"] - 1
        end = lines.starts[gradient["end_line"] - 1] + gradient["end_column"] - 1
        assert lines.text[start:end] == gradient["quote"]
        assert gradient["rows"]
        assert all(failing[row["row"]] == row["line"] for row in gradient["rows"])
    shares = [gradient["share"] for gradient in found["gradients"]]
    assert shares == sorted(shares, reverse=True)
    assert found["calls"]["gradient"] > 0
    assert found["calls"]["task"] == found["n"] == 42


def test_critiques_come_from_the_optimizer_model(apo: Apo, scripted: ScriptedServer) -> None:
    apo("gradients", "tickets.prompt", "--optimizer-model", "openai/clever")
    asked = [body for body in scripted.log.bodies if body["model"] == "clever"]
    assert asked
    assert {kind_of(body) for body in asked} == {"gradient"}


def test_no_failures_no_critiques(apo: Apo, scripted: ScriptedServer) -> None:
    scripted.script = World(60, guess=1.0, ceiling=1.0, wording=0.0).script
    shown = apo("gradients", "tickets.prompt")
    assert shown.code == 0
    assert "nothing to criticise" in shown.out
    assert len(scripted.log) == 42


def test_a_critique_is_text(apo: Apo, scripted: ScriptedServer) -> None:
    world = World(60)

    def script(request: dict[str, object]) -> str:
        answer = world.script(request)
        return answer.replace("The prompt", "\\u001b[31mThe [b]prompt\\u202e") if "critiques" in answer else answer

    scripted.script = script
    shown = apo("gradients", "tickets.prompt")
    assert "\\x1b[31mThe [b]prompt\\u202e does not say" in shown.out
    assert "\x1b" not in shown.out
    assert "\u202e" not in shown.out
