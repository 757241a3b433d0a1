"""`apo optimize` under each kind of metric: what is counted, what it costs, and what the verdict says beside it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.cli.conftest import Apo
from tests.scripted import ScriptedServer
from tests.scripted.world import LABELS, SEED, World, kind_of

PROMPT, ROWS = "tickets.prompt", "tickets.jsonl"
JUDGE = "apo.metric: judge\napo.judge: {rubric: The queue of the reference., model: openai/strict}"
FUNCTION = """
def score(answer, expected, inputs):
    assert inputs["text"]
    return 1.0 if answer.strip() == expected else 0.25
"""


def metric(apo: Apo, lines: str) -> None:
    apo.edit("apo.examples:", f"{lines}\napo.examples:")


def test_a_judge_is_named_counted_and_paid_from_the_same_budget(apo: Apo, scripted: ScriptedServer) -> None:
    metric(apo, JUDGE)
    shown = apo("optimize", PROMPT, "--max-calls", "600", "--json")
    assert shown.code == 0, shown.err
    found = shown.object
    assert found["calls"]["judge"] == found["calls"]["task"] > 0
    # The same answer to the same row is graded once, whichever prompt it came from.
    assert sum(found["calls"].values()) - found["cached"] == len(scripted.log)
    assert sum(found["calls"].values()) <= 600
    judged = [body for body in scripted.log.bodies if kind_of(body) == "judge"]
    assert {body["model"] for body in judged} == {"strict"}
    assert "The queue of the reference." in judged[0]["messages"][-1]["content"]
    assert "At most 600 calls of openai/scripted and openai/strict" in shown.err
    assert found["metric"] == "judge"
    assert found["judged"]["start"]["accuracy"] is None
    assert "told from chance" not in shown.err, "what such rows can show is not known beforehand"
    person = apo("optimize", PROMPT, "--max-calls", "600", "--resume")
    assert "judge's grade" in person.out
    assert " judge, " in person.out or " judge)" in person.out


def test_a_budget_that_judgements_would_pass_is_refused(apo: Apo, scripted: ScriptedServer) -> None:
    metric(apo, JUDGE.replace("openai/strict", "openai/strict, repeats: 3"))
    shown = apo("optimize", PROMPT, "--max-calls", "150")
    assert shown.code == 3
    assert "--max-calls" in shown.err
    assert len(scripted.log) == 0


def test_a_function_of_the_users_scores_rows_in_a_process_of_its_own(apo: Apo, scripted: ScriptedServer) -> None:
    (apo.folder / "queues.py").write_text(FUNCTION)
    metric(apo, "apo.metric: queues:score")
    shown = apo("optimize", PROMPT, "--rounds", "1", "--json")
    assert shown.code == 0, shown.err
    found = shown.object
    assert found["calls"]["judge"] == 0
    assert found["start"]["score"] > 0.25, "a wrong answer is worth a quarter"
    assert sum(found["calls"].values()) == len(scripted.log)
    person = apo("optimize", PROMPT, "--rounds", "1", "--resume")
    assert person.code == 0
    assert "score by queues:score" in person.out


def test_a_function_that_cannot_be_loaded_stops_before_anything_is_asked(apo: Apo, scripted: ScriptedServer) -> None:
    (apo.folder / "queues.py").write_text("def score(answer):\n    return 1\n")
    metric(apo, "apo.metric: queues:score")
    shown = apo("optimize", PROMPT)
    assert shown.code == 2
    assert "queues.py:1:1: error" in shown.err
    assert len(scripted.log) == 0


def test_json_is_compared_field_by_field(apo: Apo, scripted: ScriptedServer) -> None:
    world = World(60)
    rows = [{"text": row.text, "expected": {"queue": row.concept.label, "kind": "ticket"}} for row in world.rows]
    (apo.folder / ROWS).write_text("".join(json.dumps(row) + "\n" for row in rows))

    def script(request: dict[str, Any]) -> str:
        answer = world.script(request)
        return f'```json\n{{"queue": "{answer}", "kind": "ticket"}}\n```' if kind_of(request) == "task" else answer

    scripted.script = script
    metric(apo, "apo.metric: json_match")
    shown = apo("optimize", PROMPT, "--rounds", "1", "--json")
    assert shown.code == 0, shown.err
    found = shown.object
    assert 0.5 < found["start"]["score"] < found["best"]["score"], "half of each answer is always right"
    assert found["judged"]["best"]["invalid"] == 0
    assert "JSON match" in apo("optimize", PROMPT, "--rounds", "1", "--resume").out


@pytest.mark.parametrize(("name", "shown_as"), [("label", "accuracy"), ("f1_macro", "macro F1")])
def test_accuracy_f1_and_unreadable_answers_stand_apart_in_the_verdict(
    apo: Apo, scripted: ScriptedServer, name: str, shown_as: str
) -> None:
    world = World(150, guess=0.1)
    world.write(apo.folder)
    metric(apo, f"apo.metric: {name}")

    def mumbling(request: dict[str, Any]) -> str:
        """Every seventh ticket is answered with two queues, while the prompt is the seed."""
        answer = world.script(request)
        mumbles = kind_of(request) == "task" and request["messages"][0]["content"].strip() == SEED
        return "billing or shipping" if mumbles and len(request["messages"][-1]["content"]) % 7 == 0 else answer

    scripted.script = mumbling
    shown = apo("optimize", PROMPT, "--max-calls", "700", "--json")
    assert shown.code == 0, shown.err
    found = shown.object
    held, judged = found["holdout"], found["judged"]
    assert held["n"] == 45
    for side in ("start", "best"):
        figures = judged[side]
        assert set(figures["f1"]) == {"macro"}, "four labels have no binary F1"
        assert held[side] == pytest.approx(figures["accuracy"] if name == "label" else figures["f1"]["macro"])
        assert figures["accuracy_interval"][0] < figures["accuracy"] < figures["accuracy_interval"][1]
    assert judged["start"]["invalid"] > judged["best"]["invalid"] == 0
    assert judged["start"]["invalid_share"] == judged["start"]["invalid"] / 45
    assert (held["confidence"], held["earlier_looks"]) == (pytest.approx(0.95), None)
    assert (found["verdict"] == "adopt") == (held["interval"][0] > 0 and held["p"] <= 0.05)
    out = apo("optimize", PROMPT, "--max-calls", "700", "--resume").out
    assert f"Hold-out:  {shown_as} " in out
    other = "macro F1" if name == "label" else "accuracy"
    assert f"Besides:   {other} " in out
    assert f"could not be read {judged['start']['invalid']} → 0 answers, on the same rows" in out


def test_two_labels_have_a_binary_f1_and_a_second_look_is_corrected_for(apo: Apo, scripted: ScriptedServer) -> None:
    world = World(120, guess=0.2)
    yes = {label: "yes" if label in LABELS[:2] else "no" for label in LABELS}
    rows = [{"text": row.text, "label": yes[row.concept.label]} for row in world.rows]
    (apo.folder / ROWS).write_text("".join(json.dumps(row) + "\n" for row in rows))
    scripted.script = lambda request: (
        yes[world.script(request)] if kind_of(request) == "task" else world.script(request)
    )
    metric(apo, "apo.metric: f1")
    found = apo("optimize", PROMPT, "--rounds", "2", "--json").object
    for side in ("start", "best"):
        figures = found["judged"][side]
        assert figures["positive"] == "yes"
        assert set(figures["f1"]) == {"macro", "binary"}
        assert found["holdout"][side] == pytest.approx(figures["f1"]["binary"])
    again = apo("optimize", PROMPT, "--rounds", "2", "--seed", "1", "--json").object
    assert again["holdout"]["earlier_looks"] == 1
    assert again["holdout"]["confidence"] == pytest.approx(1 - 0.05 / 3)
    person = apo("optimize", PROMPT, "--rounds", "2", "--seed", "1", "--resume").out
    assert "98.33 % interval" in person
    assert "Look 2 at these rows: tested at 0.83 % one-sided" in person
    assert "by 36 new rows" in person
    assert "(two-sided; look 2 at these rows asks for 0.017)" in person
    assert "accuracy " in person
    assert "macro F1 " in person


def test_too_few_unseen_rows_are_told_before_anything_is_asked(apo: Apo) -> None:
    shown = apo("optimize", PROMPT, "--rounds", "1", "--json")
    _, estimate, warning, *rest = shown.err.splitlines()
    assert estimate.startswith("At most ")
    assert warning == (
        "Warning: With 18 unseen rows, only a gain of about 65 points can reliably be told from chance. To tell 15 "
        "points, label about 310 rows, of which about 95 stay unseen."
    )
    assert "unseen rows, only a gain" not in "\n".join(rest), "it is told once"
    assert shown.object["warnings"] == [warning.removeprefix("Warning: ")]
    resumed = apo("optimize", PROMPT, "--rounds", "1", "--resume", "--json").object
    assert resumed["warnings"] == shown.object["warnings"]


@pytest.mark.parametrize("command", ["evaluate", "gradients"])
def test_what_ends_without_a_verdict_needs_no_such_warning(apo: Apo, command: str) -> None:
    assert "told from chance" not in apo(command, PROMPT).err
