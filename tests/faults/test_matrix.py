"""Faults of the endpoint change nothing but the time a command takes, as long as trying again can help."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.cli.conftest import Outcome, make_apo
from tests.faults.conftest import Reference
from tests.faults.trial import WORLD, attempt, decided
from tests.scripted import Reply, ScriptedServer, not_found, unauthorized
from tests.scripted.faults import FINAL, HARMLESS, PASSING, SLOW, Faulty
from tests.scripted.reply import content_filtered, failure


def until(true: Callable[[], bool], seconds: float = 20) -> None:
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end
        time.sleep(0.005)


@pytest.mark.parametrize("kind", [*PASSING, *HARMLESS])
def test_every_fifth_request_may_fail_and_the_scores_are_the_same(
    kind: str, tmp_path: Path, reference: Reference
) -> None:
    script = Faulty(WORLD.script, {**PASSING, **HARMLESS}[kind], share=0.2)
    trial = attempt(tmp_path, script, "evaluate")
    assert trial.outcome.code == 0, trial.outcome.err
    assert decided("evaluate", trial.outcome) == reference("evaluate")
    assert script.injected > 3


@pytest.mark.parametrize("kind", SLOW)
def test_answers_that_never_or_slowly_come_are_asked_for_again(kind: str, tmp_path: Path, reference: Reference) -> None:
    script = Faulty(WORLD.script, SLOW[kind], share=0.1)
    trial = attempt(tmp_path, script, "evaluate", hurried=True)
    assert trial.outcome.code == 0, trial.outcome.err
    assert decided("evaluate", trial.outcome) == reference("evaluate")
    assert script.injected > 1


#: What is said of that which no second attempt can mend.
SAID = {
    "400": "refused the request",
    "401": "OPENAI_API_KEY",
    "402": "credit",
    "403": "does not allow",
    "404": "knows no model",
}


@pytest.mark.parametrize("command", ["evaluate", "optimize"])
@pytest.mark.parametrize("kind", FINAL)
def test_what_no_second_attempt_can_mend_fails_at_once_and_once(kind: str, command: str, tmp_path: Path) -> None:
    trial = attempt(tmp_path, Faulty(WORLD.script, FINAL[kind], share=1), command)
    assert trial.outcome.code == 3
    assert trial.requests == 1
    assert SAID[kind] in trial.outcome.err


@pytest.mark.parametrize("kind", ["HTML", "wrong schema", "empty choices"])
def test_who_speaks_another_language_is_soon_given_up(kind: str, tmp_path: Path) -> None:
    trial = attempt(tmp_path, lambda request: PASSING[kind](Reply("")), "evaluate")
    assert trial.outcome.code == 3
    assert trial.requests == 4


def test_an_endpoint_that_goes_away_for_a_while_costs_that_while(tmp_path: Path, reference: Reference) -> None:
    WORLD.write(tmp_path)
    with ScriptedServer(WORLD.script, latency=0.02) as server:
        search = make_apo(tmp_path, server).start("optimize", "tickets.prompt", "--json")
        until(lambda: len(server.log) > 100)
        server.leave()
        time.sleep(3)
        server.come_back()
        out, err = search.communicate(timeout=60)
        assert len(server.log) < server.log.answered + 40
    assert search.returncode == 0, err
    assert decided("optimize", Outcome(0, out, err)) == reference("optimize")


@pytest.mark.parametrize("gone", [unauthorized(), not_found(), failure(400, "No")], ids=["401", "404", "400"])
def test_a_search_that_is_refused_in_the_middle_stops_in_order_and_can_be_resumed(
    gone: Reply, tmp_path: Path, reference: Reference
) -> None:
    asked = 0

    def script(request: dict[str, Any]) -> str | Reply:
        nonlocal asked
        asked += 1
        return WORLD.script(request) if asked <= 150 else gone

    broken = attempt(tmp_path, script, "optimize", "--concurrency", "8")
    assert broken.outcome.code == 3
    assert broken.outcome.object["stopped"] == "endpoint"
    assert "--resume" in broken.outcome.err
    assert broken.requests <= 150 + 8 + 1, "no wave goes after the refusal"
    resumed = attempt(tmp_path, WORLD.script, "optimize", "--concurrency", "8", "--resume", port=broken.port)
    assert resumed.outcome.code == 0, resumed.outcome.err
    assert resumed.outcome.object["run"] == broken.outcome.object["run"]
    assert decided("optimize", resumed.outcome) == reference("optimize")


def test_a_filter_on_some_rows_costs_those_rows_alone(tmp_path: Path) -> None:
    def script(request: dict[str, Any]) -> str | Reply:
        return content_filtered() if "#0001" in json.dumps(request) else WORLD.script(request)

    trial = attempt(tmp_path, script, "evaluate")
    assert trial.outcome.code == 0, trial.outcome.err
    assert trial.outcome.object["n"] == 42


@pytest.mark.parametrize("share", [0.05, 0.5])
def test_a_search_under_all_faults_at_once_chooses_the_same_prompt(
    share: float, tmp_path: Path, reference: Reference
) -> None:
    script = Faulty(WORLD.script, *PASSING.values(), *HARMLESS.values(), share=share)
    trial = attempt(tmp_path, script, "optimize")
    assert trial.outcome.code == 0, trial.outcome.err
    assert decided("optimize", trial.outcome) == reference("optimize")
    assert script.injected > share * trial.requests / 2
