"""`apo optimize` as a process: result, diff, verdict, writing back, going on."""

from __future__ import annotations

import shlex
import signal
import subprocess
import time
from pathlib import Path

import pytest

from apo_engine import parse_prompt
from tests.cli.conftest import APO, Apo, Finished
from tests.scripted import Reply, ScriptedServer
from tests.scripted.world import World

KEYS = ("run", "experiment", "start", "best", "holdout", "calls", "cached", "tokens", "usd", "seconds", "stopped",
        "verdict", "metric", "judged", "discarded", "warnings", "suspicions")  # fmt: skip


def test_the_object_has_exactly_the_promised_keys(adopted: Finished) -> None:
    found = adopted.outcome.object
    assert tuple(found) == KEYS
    assert set(found["start"]) == set(found["best"]) == {"prompt", "score", "n"}
    assert set(found["holdout"]) == {
        "start", "best", "difference", "interval", "p", "n", "confidence", "earlier_looks", "prompt_looks",
    }  # fmt: skip
    assert set(found["judged"]) == {"start", "best"}
    assert set(found["calls"]) == {"task", "gradient", "edit", "paraphrase", "judge"}
    assert set(found["tokens"]) == {"input", "output"}
    assert found["verdict"] == "adopt"


def test_its_figures_agree(adopted: Finished) -> None:
    found = adopted.outcome.object
    assert found["start"]["prompt"] == (adopted.apo.folder / "tickets.prompt").read_text()
    assert not parse_prompt(found["best"]["prompt"]).problems
    held = found["holdout"]
    assert held["difference"] == pytest.approx(held["best"] - held["start"])
    low, high = held["interval"]
    assert 0 < low < held["difference"] < high
    assert held["p"] < 0.05
    assert held["n"] == 72
    assert sum(found["calls"].values()) <= 1000
    assert sum(found["calls"].values()) - found["cached"] == adopted.requests


def test_stdout_is_the_object_alone_and_people_read_stderr(adopted: Finished) -> None:
    err = adopted.outcome.err
    for word in ("At most 1,000 calls of openai/scripted", "nothing is sent", "Round 1", "explains", "Now leading",
                 "Opening the hold-out", "Write it: apo optimize tickets.prompt --resume --write"):  # fmt: skip
        assert word in err


def test_the_same_again_makes_no_request_and_finds_the_same(adopted: Finished, again: Apo) -> None:
    before = len(adopted.server.log)
    found = again("optimize", "tickets.prompt", "--json").object
    assert len(adopted.server.log) == before
    assert found["cached"] == sum(found["calls"].values())
    first = adopted.outcome.object
    for key in set(KEYS) - {"run", "cached", "usd", "seconds"}:
        assert found[key] == first[key]


def test_resume_prints_a_finished_run_as_it_was(adopted: Finished, again: Apo) -> None:
    shown = again("optimize", "tickets.prompt", "--resume", "--json")
    assert shown.code == 0
    assert shown.object == adopted.outcome.object
    assert "nothing was asked again" in shown.err


def test_a_person_reads_diff_verdict_credit_and_cost(again: Apo) -> None:
    shown = again("optimize", "tickets.prompt", "--resume")
    assert shown.code == 0
    assert "--- tickets.prompt\n+++ tickets.prompt (optimized)\n@@" in shown.out
    assert "\n+Tickets about " in shown.out
    for word in ("Adopt it: +", "on 72 unseen rows", "95 % interval +", "he wording was rewritten by openai/scripted.",
                 "so this is not the result", "p = ", " task, ", "tokens in"):  # fmt: skip
        assert word in shown.out.replace("p < ", "p = ")
    assert "\x1b" not in shown.out + shown.err


def test_nothing_is_written_unasked(again: Apo) -> None:
    before = (again.folder / "tickets.prompt").read_bytes()
    again("optimize", "tickets.prompt", "--resume")
    assert (again.folder / "tickets.prompt").read_bytes() == before


def test_write_puts_the_winner_into_the_file(adopted: Finished, again: Apo) -> None:
    shown = again("optimize", "tickets.prompt", "--resume", "--write")
    assert shown.code == 0
    assert "Written to tickets.prompt." in shown.err
    assert (again.folder / "tickets.prompt").read_text() == adopted.outcome.object["best"]["prompt"]
    assert sorted(path.name for path in again.folder.glob("*tickets.prompt*")) == ["tickets.prompt"]


def test_write_keeps_byte_order_mark_and_line_ends(apo: Apo, scripted: ScriptedServer) -> None:
    world = World(120, guess=0.1)
    world.write(apo.folder)
    scripted.script = world.script
    path = apo.folder / "tickets.prompt"
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes().replace(b"\n", b"\r\n"))
    shown = apo("optimize", "tickets.prompt", "--max-calls", "700", "--write", "--force", "--json")
    assert shown.code == 0, shown.err
    written = path.read_bytes()
    assert written == b"\xef\xbb\xbf" + shown.object["best"]["prompt"].encode()
    assert shown.object["best"]["prompt"] != shown.object["start"]["prompt"]
    assert written.count(b"\n") == written.count(b"\r\n")


def test_a_keep_is_not_written_but_by_force(apo: Apo) -> None:
    # 18 sealed rows are too few to prove a gain of a rule or two.
    before = (apo.folder / "tickets.prompt").read_bytes()
    shown = apo("optimize", "tickets.prompt", "--rounds", "1", "--write", "--json")
    found = shown.object
    assert shown.code == 0
    assert found["verdict"] == "keep"
    assert found["best"]["prompt"].encode() != before
    assert (apo.folder / "tickets.prompt").read_bytes() == before
    assert "the winner was not written" in shown.err
    forced = apo("optimize", "tickets.prompt", "--rounds", "1", "--resume", "--write", "--force")
    assert forced.code == 0
    assert "Keep your prompt: " in forced.out
    assert (apo.folder / "tickets.prompt").read_text() == found["best"]["prompt"]


def test_the_command_that_is_told_goes_on_with_this_very_run(apo: Apo, scripted: ScriptedServer) -> None:
    before = (apo.folder / "tickets.prompt").read_text()
    shown = apo("optimize", "tickets.prompt", "--rounds", "1", "--max-calls", "180", "--seed", "3")
    told = shlex.split(next(line for line in shown.err.splitlines() if "--resume" in line).split(": ")[-1])
    sent = len(scripted.log)
    assert told[:3] == ["apo", "optimize", "tickets.prompt"]
    assert apo(*told[1:]).code == 0
    assert len(scripted.log) == sent
    assert (apo.folder / "tickets.prompt").read_text() != before


def test_fail_unless_better(apo: Apo, again: Apo) -> None:
    assert again("optimize", "tickets.prompt", "--resume", "--fail-unless-better").code == 0
    assert apo("optimize", "tickets.prompt", "--rounds", "1", "--fail-unless-better").code == 1
    assert apo("optimize", "tickets.prompt", "--rounds", "1", "--resume").code == 0


def test_an_edit_made_meanwhile_is_never_lost(apo: Apo, scripted: ScriptedServer) -> None:
    path = apo.folder / "tickets.prompt"
    world = World(60)
    edited = path.read_text() + "My own new line.\n"

    def script(request: dict[str, object]) -> str:
        path.write_text(edited)
        return world.script(request)

    scripted.script = script
    shown = apo("optimize", "tickets.prompt", "--rounds", "1", "--write", "--force")
    assert shown.code == 2
    assert "tickets.prompt:1:1: error: The file was changed while the search ran" in shown.err
    assert path.read_text() == edited


def test_no_failure_no_search(apo: Apo, scripted: ScriptedServer) -> None:
    scripted.script = World(60, guess=1.0, ceiling=1.0, wording=0.0).script
    shown = apo("optimize", "tickets.prompt", "--json")
    assert shown.code == 0
    assert shown.object["holdout"] is None
    assert shown.object["stopped"] == "no-failures"
    assert shown.object["best"] == shown.object["start"]
    assert "Keep your prompt" in shown.err
    person = apo("optimize", "tickets.prompt")
    assert "Nothing better was found. Keep your prompt." in person.out
    assert "@@" not in person.out


def test_the_optimizer_model_writes_and_the_task_model_answers(apo: Apo, scripted: ScriptedServer) -> None:
    shown = apo("optimize", "tickets.prompt", "--optimizer-model", "openai/clever", "--rounds", "1")
    asked = {body["model"] for body in scripted.log.bodies}
    assert asked == {"scripted", "clever"}
    assert "openai/scripted and openai/clever" in shown.err
    assert "rewritten by openai/clever" in shown.out


def test_a_weak_critic_is_called_weak_and_credited_with_nothing(apo: Apo, scripted: ScriptedServer) -> None:
    world = World(60)
    script = world.script

    def weak(request: dict[str, object]) -> str | Reply:
        answer = script(request)
        return "Hmm, hard to say." if "critiques" in answer else answer

    scripted.script = weak
    shown = apo("optimize", "tickets.prompt", "--rounds", "1")
    assert "too weak" in shown.err
    assert "rewritten by" not in shown.out
    assert "the wording was not improved by a model" in shown.out or "Nothing better was found" in shown.out


def interrupted(process: subprocess.Popen[str], after: str) -> tuple[str, str, float]:
    """Interrupt a process once it has written ``after`` on stderr; what it said, and how long it took to end."""
    assert process.stderr is not None
    said = ""
    for line in process.stderr:
        said += line
        if after in line:
            break
    process.send_signal(signal.SIGINT)
    began = time.monotonic()
    out, err = process.communicate(timeout=30)
    return out, said + err, time.monotonic() - began


def test_an_interrupted_search_ends_at_once_and_goes_on_without_paying_twice(
    apo: Apo, scripted: ScriptedServer
) -> None:
    scripted.latency = 0.02
    out, err, took = interrupted(apo.start("optimize", "tickets.prompt", "--json", "--concurrency", "4"), "comparing")
    assert took < 2
    assert '"stopped": "cancelled"' in out
    assert "--resume" in err
    assert "Traceback" not in err
    answered = scripted.log.answered
    resumed = apo("optimize", "tickets.prompt", "--json", "--resume")
    assert resumed.code == 0
    assert resumed.object["stopped"] != "cancelled"
    calls = sum(resumed.object["calls"].values())
    assert scripted.log.answered - answered == calls - resumed.object["cached"]
    assert resumed.object["cached"] >= answered


def test_its_exit_code_is_130(apo: Apo, scripted: ScriptedServer) -> None:
    scripted.latency = 0.02
    for command in ("evaluate", "gradients", "optimize"):
        process = apo.start(command, "tickets.prompt", "--fresh", "--concurrency", "2")
        _, err, took = interrupted(process, "Round 1: " if command == "optimize" else "Scoring your prompt")
        assert process.returncode == 130, err
        assert took < 2
        assert "Stopped" in err
        assert "Traceback" not in err


def test_an_endpoint_that_dies_leaves_a_result_so_far_and_3(apo: Apo, scripted: ScriptedServer) -> None:
    world = World(60)
    limit = 150

    def script(request: dict[str, object]) -> str | Reply:
        return world.script(request) if len(scripted.log) <= limit else Reply(status=401, body=b"{}")

    scripted.script = script
    shown = apo("optimize", "tickets.prompt", "--json")
    assert shown.code == 3
    assert shown.object["stopped"] == "endpoint"
    assert shown.object["holdout"] is None
    assert "(401)" in shown.err


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no device that is always full")
@pytest.mark.parametrize("how", [(), ("--json",)])
def test_a_result_that_cannot_be_written_out_is_no_success(again: Apo, how: tuple[str, ...]) -> None:
    with Path("/dev/full").open("w") as full:
        command = [APO, "optimize", "tickets.prompt", "--resume", *how]
        done = subprocess.run(
            command, cwd=again.folder, env=again.environ, stdout=full, stderr=subprocess.PIPE, check=False
        )
    assert done.returncode in (70, 74)
    assert b"No space left on device" in done.stderr
