"""`apo bench` as a process, on made-up rows: the table beside the paper's, caps, repeats, what is missing."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
from pathlib import Path
from typing import Any

import pytest

from apo_engine import parse_prompt
from tests.cli.conftest import Apo, make_apo
from tests.scripted import Reply, ScriptedServer
from tests.scripted.world import kind_of

TASKS = ("liar", "ethos", "arsarcasm", "jailbreak")
CUES = ("cheap", "secret", "forever", "doctors hate")
MARKED = re.compile(r"<(prompt|phrase)-(\w+)>\n?(.*?)\n?</\1-\2>", re.DOTALL)


def chance(*parts: str) -> float:
    return int.from_bytes(hashlib.sha256("\0".join(parts).encode()).digest()[:6], "big") / 2**48


def text_of(number: int) -> str:
    cue = CUES[number % 4] if number % 2 else "plain"
    return f"Announcement {number}: this offer is {cue}, and {number * 7} people came."


def write_data(folder: Path, train: int = 120, test: int = 60) -> Path:
    """Rows of no publisher: every second one is marked Yes for a cue in it."""
    for task in TASKS:
        (folder / task).mkdir(parents=True)
        for name, numbers in (("train", range(train)), ("test", range(train, train + test))):
            rows = ({"text": text_of(number), "label": "Yes" if number % 2 else "No"} for number in numbers)
            (folder / task / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return folder


def script(request: dict[str, Any]) -> str:
    """A model that sees a cue where the prompt names it, and a critic and editor that know the cues."""
    system, user = request["messages"][0]["content"], request["messages"][-1]["content"]
    if kind_of(request) == "task":
        cue = next((cue for cue in CUES if f" {cue}," in user), None)
        sees = cue is not None and (cue in system or chance(system, user) < 0.3)
        return "Yes" if sees or (cue is None and chance(user) < 0.15) else "No"
    found = {kind: (mark, text) for kind, mark, text in MARKED.findall(user)}
    mark, prompt = found["prompt"]
    if kind_of(request) == "gradient":
        cue = next((cue for cue in CUES if f" {cue}," in user and cue not in prompt), "nothing")
        quote = prompt.partition("\n")[0]
        return json.dumps({"critiques": [{"quote": quote, "critique": f"It does not name {cue!r}.", "rows": [1]}]})
    if "phrase" in found:
        return f"<new-phrase-{mark}>{found['phrase'][1]} indeed</new-phrase-{mark}>"
    added = next((f"Say Yes where it says {cue}." for cue in CUES if repr(cue) in user), f"Be sure {mark}.")
    return f"<new-prompt-{mark}>\n{prompt}\n{added}\n</new-prompt-{mark}>"


@pytest.fixture
def bench(tmp_path: Path, scripted: ScriptedServer) -> Apo:
    scripted.script = script
    write_data(tmp_path / "data")
    return make_apo(tmp_path, scripted)


COMMAND = ("bench", "--data", "data", "--model", "openai/scripted", "--max-calls", "600")
ONE = (*COMMAND, "--task", "liar")


def test_all_four_tasks_stand_beside_the_papers_figures(bench: Apo, scripted: ScriptedServer) -> None:
    shown = bench(*COMMAND, "--rounds", "1")
    assert shown.code == 0, shown.err
    for task, paper in (("liar", ".67/.63/.63"), ("ethos", "–"), ("arsarcasm", ".88/.85/.87"),
                        ("jailbreak", ".85/.82/.80")):  # fmt: skip
        (line,) = [line for line in shown.out.splitlines() if line.startswith(task) and "→" in line]
        assert line.rstrip().endswith(paper)
        assert "apo" in line
    for word in ("+15.3 %", "answered by openai/scripted", "claims nothing about the paper", "stand-in", "micro-F1",
                 "95 % interval"):  # fmt: skip
        assert word in shown.out
    assert all(len(line) <= 80 for line in shown.out.splitlines() if "→" in line and "/" in line)
    assert "\x1b" not in shown.out + shown.err


def test_the_object_holds_figures_of_both_prompts_on_the_same_test_rows(bench: Apo) -> None:
    found = bench(*ONE, "--json").object
    assert tuple(found) == ("models", "results", "margins", "notes")
    assert found["models"] == {"task": "openai/scripted", "optimizer": "openai/scripted"}
    (result,) = found["results"]
    assert (result["task"], result["algorithm"]) == ("liar", "apo")
    assert result["paper"] == {"beam": 0.67, "greedy": 0.63, "none": 0.63}
    assert result["metric"] == "f1"
    held, judged = result["holdout"], result["judged"]
    assert held["n"] == 60
    for side in ("start", "best"):
        assert held[side] == pytest.approx(judged[side]["f1"]["binary"])
        assert 0 < judged[side]["accuracy"] < 1 or side == "best"
    assert held["best"] > held["start"]
    (margin,) = found["margins"]
    assert margin == {"over": "start", "measured": pytest.approx(held["difference"]), "tasks": 1, "paper": 0.153}
    assert not parse_prompt(result["best"]["prompt"]).problems


def test_three_searches_are_compared_as_in_the_paper(bench: Apo, scripted: ScriptedServer) -> None:
    algorithms = ("apo", "monte-carlo", "phrase-rl")
    command = (*ONE, *(word for name in algorithms for word in ("--algorithm", name)), "--max-calls", "400", "--json")
    first = bench(*command).object
    assert [result["algorithm"] for result in first["results"]] == list(algorithms)
    best = {result["algorithm"]: result["holdout"]["best"] for result in first["results"]}
    measured = {margin["over"]: (margin["measured"], margin["paper"]) for margin in first["margins"]}
    assert measured["monte-carlo"] == (pytest.approx(best["apo"] - best["monte-carlo"]), 0.039)
    assert measured["phrase-rl"] == (pytest.approx(best["apo"] - best["phrase-rl"]), 0.082)
    assert all(sum(result["calls"].values()) <= 400 for result in first["results"])
    assert {result["start"]["prompt"] for result in first["results"]} == {first["results"][0]["start"]["prompt"]}
    asked = len(scripted.log)
    assert asked == sum(sum(result["calls"].values()) - result["cached"] for result in first["results"])
    again = bench(*command).object
    assert len(scripted.log) == asked
    assert [result["best"] for result in again["results"]] == [result["best"] for result in first["results"]]
    assert [result["holdout"] for result in again["results"]] == [result["holdout"] for result in first["results"]]
    resumed = bench(*command, "--resume").object
    assert [result["seconds"] for result in resumed["results"]] == [result["seconds"] for result in again["results"]]


def test_a_first_prompt_that_nothing_beats_has_its_figures_too(bench: Apo, scripted: ScriptedServer) -> None:
    def stubborn(request: dict[str, Any]) -> str:
        return script(request) if kind_of(request) == "task" else "I would rather not."

    scripted.script = stubborn
    shown = bench(*ONE, "--algorithm", "monte-carlo", "--json")
    (result,) = shown.object["results"]
    assert shown.code == 0
    assert result["best"]["prompt"] == result["start"]["prompt"]
    assert result["holdout"]["start"] == result["holdout"]["best"] > 0
    assert result["holdout"]["difference"] == 0
    assert sum(result["calls"].values()) <= 600


def test_drawn_rows_follow_the_seed_and_the_numbers_asked_for(bench: Apo) -> None:
    command = (*ONE, "--train-rows", "60", "--test-rows", "24", "--rounds", "1", "--json")
    first, other = bench(*command), bench(*command, "--seed", "1")
    (one,), (two,) = first.object["results"], other.object["results"]
    assert one["holdout"]["n"] == two["holdout"]["n"] == 24
    assert one["run"] != two["run"]
    assert "34 rows to criticise, 26 to select by, 24 sealed" in first.err
    assert not list(bench.folder.glob("data/*/*.prompt"))


def test_the_order_of_the_files_does_not_matter(bench: Apo, scripted: ScriptedServer) -> None:
    command = (*ONE, "--train-rows", "60", "--test-rows", "30", "--rounds", "1", "--json")
    first = bench(*command).object
    asked = len(scripted.log)
    for path in (bench.folder / "data" / "liar").iterdir():
        path.write_text("".join(sorted(path.read_text().splitlines(keepends=True), key=chance)))
    again = bench(*command).object
    assert len(scripted.log) == asked
    assert again["results"][0]["best"] == first["results"][0]["best"]


def test_missing_data_is_said_with_its_publisher_before_anything_is_asked(bench: Apo, scripted: ScriptedServer) -> None:
    shutil.rmtree(bench.folder / "data" / "arsarcasm")
    shown = bench(*COMMAND)
    assert shown.code == 2
    assert "There is no data/arsarcasm/train.jsonl and no data/arsarcasm/test.jsonl." in shown.err
    assert "Download ArSarcasm-v2" in shown.err
    assert '{"text": ' in shown.err
    assert len(scripted.log) == 0
    assert bench("bench").code == 2


def test_rows_of_other_labels_are_refused(bench: Apo, scripted: ScriptedServer) -> None:
    path = bench.folder / "data" / "liar" / "train.jsonl"
    path.write_text(path.read_text().replace('"No"', '"Maybe"'))
    shown = bench(*ONE)
    assert shown.code == 2
    assert "train.jsonl" in shown.err
    assert "must be labelled Yes and No" in shown.err
    assert len(scripted.log) == 0


def test_an_endpoint_that_dies_leaves_a_row_without_figures_and_3(bench: Apo, scripted: ScriptedServer) -> None:
    def dying(request: dict[str, Any]) -> str | Reply:
        return script(request) if len(scripted.log) < 150 else Reply(status=401, body=b"{}")

    scripted.script = dying
    shown = bench(*COMMAND)
    assert shown.code == 3
    (line,) = [line for line in shown.out.splitlines() if line.startswith("liar") and "apo" in line and ":" not in line]
    assert "endpoint" in line
    assert "--resume" in shown.err
    scripted.script = script
    assert bench(*ONE, "--resume").code == 0


@pytest.mark.parametrize("algorithm", ["monte-carlo", "phrase-rl"])
def test_optimize_takes_each_algorithm(apo: Apo, scripted: ScriptedServer, algorithm: str) -> None:
    command = ("optimize", "tickets.prompt", "--algorithm", algorithm, "--max-calls", "500", "--json")
    first = apo(*command)
    assert first.code == 0, first.err
    asked = len(scripted.log)
    assert asked == sum(first.object["calls"].values()) <= 500
    assert first.object["calls"]["gradient"] == first.object["calls"]["edit"] == 0
    again = apo(*command)
    assert len(scripted.log) == asked
    assert again.object["best"] == first.object["best"]
    assert not parse_prompt(first.object["best"]["prompt"]).problems
    person = apo(*command[:-1], "--resume")
    if first.object["best"] != first.object["start"]:
        assert any(word in person.out for word in ("rewritten by", "hrases"))
