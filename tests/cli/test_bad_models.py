"""Models that answer badly: what they write is left out with its reason, and what they cannot do is said."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest

from apo_engine.search.events import CandidateDiscarded, decode
from tests.cli.conftest import Apo, stored_events
from tests.scripted import Reply, ScriptedServer
from tests.scripted.world import World, kind_of

PROMPT = "tickets.prompt"
WORLD = World(60)
# What comes of a good answer and the request for it.
Badly = Callable[[str, str], "str | Reply"]


def answering(kind: str, badly: Badly) -> Callable[[dict[str, Any]], str | Reply]:
    """The world, but for one role."""

    def script(request: dict[str, Any]) -> str | Reply:
        answer = WORLD.script(request)
        return badly(answer, request["messages"][-1]["content"]) if kind_of(request) == kind else answer

    return script


def marked(change: Callable[[str, str], str]) -> Badly:
    """Changes the new text between the marks of an editor's answer."""

    def badly(answer: str, asked: str) -> str:
        found = re.fullmatch(r"(<new-prompt-\w+>\n)(.*)(\n</new-prompt-\w+>)", answer, re.DOTALL)
        assert found
        return found[1] + change(found[2], asked) + found[3]

    return badly


def with_a_row(text: str, asked: str) -> str:
    """The text, and a ticket that the editor was shown."""
    shown = re.search(r"^.*\(ticket #\d{4}\)", asked, re.MULTILINE)
    assert shown
    return f"{text}\nFor example: {shown[0]}"


# What a bad editor does, and why its rewrites are left out.
EDITORS: dict[str, tuple[Badly, str]] = {
    "refuses": (lambda *_: "I'm sorry, but I can't help with that.", "did not mark the new text"),
    "refuses by the protocol's own field": (
        lambda *_: Reply(body=json.dumps({"id": "x", "object": "chat.completion", "model": "scripted", "choices": [
            {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": None, "refusal": "No."}}
        ]}).encode()),
        "was refused",
    ),
    "loops": (lambda answer, _: Reply(answer[:60] + "and again " * 500, finish="length"), "was cut off"),
    "answers nothing": (lambda *_: "", "did not mark the new text"),
    "writes an empty prompt": (marked(lambda *_: "  "), "empty"),
    "drops placeholders": (marked(lambda text, _: text.replace("{{shop}}", "ours")), "lost {{shop}}"),
    "adds placeholders": (marked(lambda text, _: f"{text} {{{{evil}}}}"), "added {{evil}}"),
    "copies rows": (marked(with_a_row), "copies the text of a row"),
    "returns 50 KB": (marked(lambda text, _: text + " Be kind." * 5600), "too long"),
    "changes nothing": (marked(lambda _, asked: asked.partition(">\n")[2].partition("\n</prompt")[0]), "the same text"),
}  # fmt: skip


@pytest.mark.parametrize("name", EDITORS)
def test_a_bad_editors_rewrites_are_left_out_with_their_reason(apo: Apo, scripted: ScriptedServer, name: str) -> None:
    badly, reason = EDITORS[name]
    apo.edit("the help desk of a shop", "the help desk of {{shop}}")
    rows = apo.folder / "tickets.jsonl"
    rows.write_text(rows.read_text().replace('{"text"', '{"shop": "a shop", "text"'))
    scripted.script = answering("edit", badly)
    shown = apo("optimize", PROMPT, "--rounds", "1", "--json")
    assert shown.code == 0, shown.err
    found = shown.object
    discarded = Counter({why: times for why, times in found["discarded"].items() if reason in why})
    assert discarded.total() == found["calls"]["edit"] > 0
    assert f"rewrites discarded ({next(iter(discarded))})" in shown.err
    assert "No rewrite of round 1 could be used" in " ".join(found["warnings"])
    lineage = [event for event in map(decode, stored_events(apo)) if isinstance(event, CandidateDiscarded)]
    edits = [event for event in lineage if event.operator == "edit"]
    assert len(edits) == found["calls"]["edit"]
    for event in edits:
        assert reason in event.reason
        assert event.gradients, "it says which critiques asked for it"
    # What is written for people says the same.
    assert f"({next(iter(discarded))})" in apo("optimize", PROMPT, "--rounds", "1", "--resume").out


CRITICS: dict[str, str] = {
    "prose": "The prompt could be better in several ways.",
    "nothing": "",
    "JSON of another kind": '{"reasons": [{"why": "unclear"}]}',
    "JSON cut in the middle": '{"critiques": [{"quote": "Answer", "critique": "It does not',
    "braces": "{" * 50_000,
}


@pytest.mark.parametrize("name", CRITICS)
def test_without_a_readable_critique_the_search_goes_on_and_says_what_was_lost(
    apo: Apo, scripted: ScriptedServer, name: str
) -> None:
    scripted.script = answering("gradient", lambda *_: CRITICS[name])
    shown = apo("optimize", PROMPT, "--rounds", "1", "--json")
    assert shown.code == 0, shown.err
    found = shown.object
    asked = found["calls"]["gradient"]
    assert asked > 0
    assert found["calls"]["edit"] == 0, "an edit without a critique is not worth its call"
    (lost,) = [warning for warning in found["warnings"] if "too weak" in warning]
    assert f"none of its {asked} answers in round 1 held a critique" in lost
    assert "counted evidence" in lost
    assert lost in shown.err
    assert "Now leading" in shown.err


def test_one_unreadable_critique_costs_only_itself(apo: Apo, scripted: ScriptedServer) -> None:
    asked: list[str] = []

    def first_fails(answer: str, _: str) -> str:
        asked.append(answer)
        return "Hmm." if len(asked) == 1 else answer

    scripted.script = answering("gradient", first_fails)
    shown = apo("optimize", PROMPT, "--rounds", "1", "--concurrency", "1", "--json")
    assert shown.code == 0, shown.err
    assert shown.object["calls"]["edit"] > 0
    assert not any("too weak" in warning for warning in shown.object["warnings"])


@pytest.mark.parametrize("answer", ["", "No.", "I cannot help with that.", "billing shipping " * 3000])
def test_a_task_model_that_answers_nothing_usable_scores_zero_and_is_counted(
    apo: Apo, scripted: ScriptedServer, answer: str
) -> None:
    scripted.script = answering("task", lambda *_: answer)
    shown = apo("optimize", PROMPT, "--rounds", "1", "--json")
    assert shown.code == 0, shown.err
    found = shown.object
    assert found["start"]["score"] == 0
    assert found["verdict"] == "keep"
    assert found["best"]["prompt"] == found["start"]["prompt"]
    scored = apo("evaluate", PROMPT, "--json").object
    assert scored["invalid"] == scored["n"] == 42


def test_where_all_rows_are_right_no_critique_is_bought(apo: Apo, scripted: ScriptedServer) -> None:
    scripted.script = World(60, guess=1.0, ceiling=1.0, wording=0.0).script
    shown = apo("optimize", PROMPT, "--json")
    assert shown.code == 0
    found = shown.object
    assert found["stopped"] == "no-failures"
    assert {role for role, calls in found["calls"].items() if calls} == {"task"}
    assert found["calls"]["task"] <= 24 + 18, "each open row is read once, and no sealed one"
    assert found["judged"] is None


def test_a_budget_too_small_for_one_step_says_how_much_would_do(apo: Apo, scripted: ScriptedServer) -> None:
    shown = apo("optimize", PROMPT, "--max-calls", "40")
    assert shown.code == 3
    assert len(scripted.log) == 0
    needed = re.search(r"Allow at least ([\d,]+) calls \(--max-calls", shown.err)
    assert needed, shown.err
    enough = apo("optimize", PROMPT, "--max-calls", needed[1], "--json")
    assert enough.code == 0, enough.err
    assert enough.object["calls"]["edit"] > 0
    assert sum(enough.object["calls"].values()) <= int(needed[1])
