"""Faults of the endpoint change nothing but the time a command takes, as long as trying again can help."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.faults.conftest import Reference
from tests.faults.trial import WORLD, attempt, decided, go_away
from tests.scripted import Reply, ScriptedServer, not_found, unauthorized
from tests.scripted.faults import FINAL, HARMLESS, PASSING, SLOW, UNWILLING, Faulty
from tests.scripted.reply import failure


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


@pytest.mark.parametrize("command", ["evaluate", pytest.param("optimize", marks=pytest.mark.thorough)])
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
    trial = attempt(tmp_path, WORLD.script, "optimize", latency=0.02, meanwhile=go_away)
    assert trial.outcome.code == 0, trial.outcome.err
    assert decided("optimize", trial.outcome) == reference("optimize")
    assert trial.requests < sum(trial.outcome.object["calls"].values()) + 40


def test_an_endpoint_that_is_not_there_is_given_up_in_order(tmp_path: Path) -> None:
    trial = attempt(tmp_path, WORLD.script, "optimize", meanwhile=ScriptedServer.leave)
    assert (trial.outcome.code, trial.requests) == (3, 0)
    assert "Check that the server runs" in trial.outcome.err


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
    assert resumed.outcome.object["experiment"] == broken.outcome.object["experiment"]
    assert resumed.outcome.object["run"] > broken.outcome.object["run"], "runs are never overwritten"
    assert decided("optimize", resumed.outcome) == reference("optimize")


@pytest.mark.parametrize("kind", UNWILLING)
def test_what_a_model_or_a_filter_refuses_costs_those_rows_alone_and_is_not_asked_again(
    kind: str, tmp_path: Path
) -> None:
    script = Faulty(WORLD.script, UNWILLING[kind], share=0.2)
    trial = attempt(tmp_path, script, "evaluate")
    assert trial.outcome.code == 0, trial.outcome.err
    assert trial.requests == trial.outcome.object["n"] == 42
    assert trial.outcome.object["invalid"] == script.injected > 3


@pytest.mark.parametrize("share", [0.05, 0.2])
def test_a_search_under_all_faults_at_once_chooses_the_same_prompt(
    share: float, tmp_path: Path, reference: Reference
) -> None:
    script = Faulty(WORLD.script, *PASSING.values(), *HARMLESS.values(), share=share)
    trial = attempt(tmp_path, script, "optimize")
    assert trial.outcome.code == 0, trial.outcome.err
    assert decided("optimize", trial.outcome) == reference("optimize")
    assert script.injected > share * trial.requests / 2
