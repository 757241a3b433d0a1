"""`apo evaluate` as a process."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

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
    assert second["run"] > first["run"]
    for key in ("score", "interval", "failing", "confusion", "tokens", "calls"):
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


def set_metric(apo: Apo, *lines: str) -> None:
    apo.edit("apo.examples:", "\n".join([*lines, "apo.examples:"]))


def test_accuracy_and_f1_stand_together_with_invalid_answers_apart(apo: Apo, scripted: ScriptedServer) -> None:
    set_metric(apo, "apo.metric: f1_macro")
    world = World(60)
    scripted.script = lambda request: "hm" if "#000" in str(request) else world.script(request)
    found = apo("evaluate", "tickets.prompt", "--json").object
    low, high = found["accuracy_interval"]
    assert 0 < low < found["accuracy"] < high < 1
    assert found["accuracy"] == (42 - len(found["failing"])) / 42
    assert found["score"] == found["f1"]["macro"] != found["accuracy"]
    assert found["positive"] is None
    unread = [row for row in found["failing"] if row["invalid"]]
    assert found["invalid"] == len(unread) > 1
    assert found["invalid_share"] == len(unread) / 42
    shown = apo("evaluate", "tickets.prompt").out
    assert f"{100 * found['score']:.1f} % macro F1, 95 % interval" in shown
    assert f"accuracy {100 * found['accuracy']:.1f} %, 95 % interval {100 * low:.1f} to {100 * high:.1f} %" in shown
    assert f"{len(unread)} answers could not be read ({100 * len(unread) / 42:.1f} %) and counted as wrong" in shown


def test_with_two_labels_the_f1_of_the_positive_one_is_told(apo: Apo, scripted: ScriptedServer) -> None:
    rows = apo.folder / "tickets.jsonl"
    labels = ("no", "yes", "no")
    rows.write_text("".join(json.dumps({"text": f"row {n}", "label": labels[n % 3]}) + "\n" for n in range(60)))
    scripted.script = lambda request: "yes" if "row 1" in str(request) else "no"
    found = apo("evaluate", "tickets.prompt", "--json").object
    counts = found["confusion"]
    hits = counts["yes"]["yes"]
    assert found["positive"] == "yes"
    assert found["f1"]["binary"] == 2 * hits / (2 * hits + counts["yes"]["no"] + counts["no"]["yes"])
    assert f"F1 of 'yes' {100 * found['f1']['binary']:.1f} %" in apo("evaluate", "tickets.prompt").out


def test_a_judge_grades_by_the_rubric_and_its_own_noise_is_told(apo: Apo, scripted: ScriptedServer) -> None:
    set_metric(apo, "apo.metric: judge", "apo.judge: {rubric: Names the queue., model: openai/strict, repeats: 2}")
    world, grades = World(60), defaultdict[str, Iterator[str]](lambda: iter("45"))

    def script(request: dict[str, Any]) -> str:
        if request["model"] == "scripted":
            return world.script(request)
        system, user = (message["content"] for message in request["messages"])
        assert system.lstrip().startswith("You grade answers")
        assert "Names the queue." in user
        grade = next(grades[user]) if "#000" in user else "3"
        return json.dumps({"reason": "It is terse.", "grade": int(grade)})

    scripted.script = script
    found = apo("evaluate", "tickets.prompt", "--json").object
    assert found["calls"] == {"task": 42, "gradient": 0, "edit": 0, "paraphrase": 0, "judge": 84}
    assert (found["n"], found["accuracy"], found["f1"]) == (42, None, {})
    marks = [row["marks"] for row in found["failing"]]
    disagreed = [pair for pair in marks if pair[0] != pair[1]]
    assert len(marks) == 42
    noise = found["judge_noise"]
    assert noise["n"] == 42
    assert noise["agreement"] == 1 - len(disagreed) / 42
    assert noise["deviation"] == pytest.approx((len(disagreed) * 0.25**2 / 2 / 42) ** 0.5)
    assert found["score"] == pytest.approx(sum(sum(pair) for pair in marks) / 84)
    assert {row["remark"] for row in found["failing"]} == {"It is terse."}
    shown = apo("evaluate", "tickets.prompt", COLUMNS="160")
    assert "rows below the full score" in shown.out
    assert "50.0 %" in shown.out
    assert f"the same grade each time on {100 * noise['agreement']:.1f} % of 42 rows" in shown.out
    assert len(scripted.log) == 126


def test_a_function_beside_the_prompt_scores(apo: Apo) -> None:
    set_metric(apo, "apo.metric: mine:score")
    source = "def score(answer, expected, inputs):\n    return 0.5 if 'ticket #' in inputs['text'] else 0\n"
    (apo.folder / "mine.py").write_text(source)
    first = apo("evaluate", "tickets.prompt", "--json").object
    assert (first["metric"], first["score"], first["calls"]["task"]) == ("mine:score", 0.5, 42)
    (apo.folder / "mine.py").write_text(source.replace("0.5", "0.25"))
    second = apo("evaluate", "tickets.prompt", "--json").object
    assert (second["score"], second["cached"]) == (0.25, 42)
    assert first["run"] != second["run"]


@pytest.mark.parametrize(
    ("settings", "begins", "says"),
    [
        ("apo.metric: json_match", "tickets.jsonl:1:1", "is not valid JSON"),
        ("apo.metric: judge", "tickets.prompt:4:13", "needs a rubric"),
        ("apo.metric: mine:score", "tickets.prompt:4:13", "names a module that is not there"),
        ("apo.metric: broken:score", "broken.py:3:1", "raised ValueError: no"),
    ],
)
def test_a_metric_that_cannot_be_used_is_told_before_anything_is_sent(
    apo: Apo, scripted: ScriptedServer, settings: str, begins: str, says: str
) -> None:
    (apo.folder / "broken.py").write_text("\n\nraise ValueError('no')\n")
    set_metric(apo, settings)
    shown = apo("evaluate", "tickets.prompt")
    assert shown.code == 2
    first = shown.err.splitlines()[0]
    assert first.startswith(begins)
    assert says in first
    assert "Traceback" not in shown.err
    assert len(scripted.log) == 0


def test_a_cap_that_is_too_small_for_answer_and_judgement_is_told_at_once(apo: Apo, scripted: ScriptedServer) -> None:
    set_metric(apo, "apo.metric: judge", "apo.judge: {rubric: Kind., repeats: 4}")
    shown = apo("evaluate", "tickets.prompt", "--max-calls", "4")
    assert shown.code == 3
    assert "no room for one row, which takes 5" in shown.err
    assert len(scripted.log) == 0
