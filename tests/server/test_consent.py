"""Leave to send rows: asked once, in plain words, and remembered where no workspace can write it."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import msgspec

from apo_engine.search.candidate import Candidate
from apo_engine.search.events import Estimate, FileRows, RowCounts, RunStarted
from apo_server.consent import ALLOW, NOT_NOW, Consent, destination, words
from tests.scripted import ScriptedServer
from tests.server.conftest import StartEditor

STARTED = RunStarted(
    run="r",
    job="gradients",
    prompt=Candidate("s", "text", "seed"),
    task_model="openai/gpt-4.1-mini",
    optimizer_model="openai/gpt-4.1",
    local=False,
    metric="label",
    labels=("a", "b"),
    rows=RowCounts(60, 45, 45),
    estimate=Estimate(1000, 40_000, 0.1234),
    seed=0,
    remote_models=("openai/gpt-4.1-mini", "openai/gpt-4.1"),
    files=(FileRows("/w/tickets.jsonl", 105, 45),),
)


class User:
    """Answers questions, and counts them."""

    def __init__(self, cache: Path, answer: str | None) -> None:
        self.answer = answer
        self.questions: list[str] = []
        self.consent = Consent(self.ask, {"APO_CACHE_DIR": str(cache)})

    async def ask(self, question: str, answers: tuple[str, ...]) -> str | None:
        assert answers == (ALLOW, NOT_NOW)
        self.questions.append(question)
        await asyncio.sleep(0.01)
        return self.answer

    async def may(self, workspace: str = "file:///w", *, asked: bool = False, model: str = "openai/x") -> bool:
        started = msgspec.structs.replace(STARTED, remote_models=(model,))
        return await self.consent.to_send(workspace, "a.prompt", started, asked=asked)


ROWS = "105 rows of tickets.jsonl (45 more stay on this machine)"


def test_the_question_says_what_leaves_where_to_and_what_it_may_cost() -> None:
    assert words("a.prompt", STARTED, "api.openai.com") == (
        f"Send a.prompt and {ROWS} to api.openai.com (openai/gpt-4.1-mini, openai/gpt-4.1)? "
        "At most 1,000 calls, about $0.12."
    )
    files = (FileRows("/w/train.csv", 105, 0), FileRows("/w/test.csv", 1, 0))
    unpriced = msgspec.structs.replace(STARTED, estimate=Estimate(9, 9, None), files=files)
    assert words("a.prompt", unpriced, "h") == (
        "Send a.prompt and 105 rows of train.csv and 1 row of test.csv to h (openai/gpt-4.1-mini, openai/gpt-4.1)? "
        "At most 9 calls, at a price that is not known."
    )


def test_a_judge_is_named_for_it_reads_the_rows_too() -> None:
    judged = msgspec.structs.replace(STARTED, judge_model="far/strict", remote_models=("far/strict",))
    assert words("a.prompt", judged, "h") == (
        f"Send a.prompt and {ROWS} to h (far/strict), where far/strict grades the answers? "
        "At most 1,000 calls, about $0.12."
    )


async def test_a_judge_elsewhere_needs_leave_of_its_own(tmp_path: Path) -> None:
    user = User(tmp_path, ALLOW)
    assert await user.may(model="openai/x")
    judged = msgspec.structs.replace(STARTED, remote_models=("openai/x", "elsewhere/judge"))
    assert await user.consent.to_send("file:///w", "a.prompt", judged, asked=False)
    assert len(user.questions) == 2
    assert "elsewhere" in user.questions[1]


async def test_a_yes_is_remembered_for_the_user(tmp_path: Path) -> None:
    first = User(tmp_path, ALLOW)
    assert await first.may()
    assert await first.may()
    assert len(first.questions) == 1
    later = User(tmp_path, None)
    assert await later.may()
    assert later.questions == []


async def test_another_workspace_and_another_host_are_asked_about(tmp_path: Path) -> None:
    user = User(tmp_path, ALLOW)
    await user.may("file:///w")
    await user.may("file:///other")
    await user.may("file:///w", model="elsewhere/x")
    assert len(user.questions) == 3


async def test_a_yes_to_the_open_rows_is_none_to_the_sealed_ones(tmp_path: Path) -> None:
    user = User(tmp_path, ALLOW)
    assert await user.may()
    search = msgspec.structs.replace(STARTED, job="optimize")
    assert await user.consent.to_send("file:///w", "a.prompt", search, asked=True)
    assert len(user.questions) == 2
    later = User(tmp_path, NOT_NOW)
    assert await later.may()
    assert await later.consent.to_send("file:///w", "a.prompt", search, asked=False)
    assert later.questions == []
    assert later.consent.revoke("file:///w")
    assert not await later.consent.to_send("file:///w", "a.prompt", search, asked=True)
    assert not await later.may(asked=True)


async def test_a_no_is_not_asked_again_for_background_work(tmp_path: Path) -> None:
    user = User(tmp_path, NOT_NOW)
    assert not await user.may()
    assert not await user.may()
    assert len(user.questions) == 1
    user.answer = ALLOW
    assert await user.may(asked=True)


async def test_what_is_taken_back_is_forgotten_for_one_workspace_alone(tmp_path: Path) -> None:
    user = User(tmp_path, ALLOW)
    await user.may("file:///w")
    await user.may("file:///other")
    assert user.consent.revoke("file:///w")
    assert not user.consent.revoke("file:///w"), "there is nothing left to take back"
    assert await user.may("file:///other")
    assert not await user.may("file:///w"), "background work does not ask at once for what was just taken back"
    assert len(user.questions) == 2
    assert await user.may("file:///w", asked=True)
    assert await user.may("file:///w"), "a new yes holds for the background again"
    assert len(user.questions) == 3


async def test_no_answer_is_no_consent(tmp_path: Path) -> None:
    assert not await User(tmp_path, None).may(asked=True)
    assert not (tmp_path / "consent.json").exists()


async def test_prompts_of_one_workspace_share_one_question(tmp_path: Path) -> None:
    user = User(tmp_path, ALLOW)
    assert await asyncio.gather(user.may(), user.may(), user.may()) == [True, True, True]
    assert len(user.questions) == 1


async def test_a_cancelled_job_leaves_the_question_open_for_the_next(tmp_path: Path) -> None:
    user = User(tmp_path, ALLOW)
    job = asyncio.ensure_future(user.may())
    await asyncio.sleep(0)
    job.cancel()
    assert await user.may()
    assert len(user.questions) == 1


async def test_a_damaged_memory_asks_again(tmp_path: Path) -> None:
    (tmp_path / "consent.json").write_text(json.dumps({"all": True}))
    user = User(tmp_path, ALLOW)
    assert await user.may()
    assert len(user.questions) == 1


def test_the_destination_names_each_host_once() -> None:
    assert destination(STARTED, {}) == "api.openai.com"
    assert destination(STARTED, {"OPENAI_BASE_URL": "https://user:secret@llm.example:8443/v1"}) == "llm.example"
    judged = msgspec.structs.replace(STARTED, remote_models=(*STARTED.remote_models, "elsewhere/judge"))
    assert destination(judged, {}) == "api.openai.com and the endpoint 'elsewhere'"


async def test_a_save_asks_once_and_a_yes_can_be_taken_back(start: StartEditor, scripted: ScriptedServer) -> None:
    remote = {"OPENAI_BASE_URL": scripted.base_url.replace("127.0.0.1", "0.0.0.0")}
    editor = await start(options={"background": "evaluate"}, environ=remote)
    uri = editor.open("tickets.prompt")
    editor.answer = NOT_NOW
    editor.save(uri)
    await editor.until(lambda: editor.questions)
    assert editor.questions[0].message.startswith(
        "APO: Send tickets.prompt and 105 rows of tickets.jsonl (45 more stay on this machine) to 0.0.0.0"
    )
    assert [item.title for item in editor.questions[0].actions or ()] == [ALLOW, NOT_NOW]
    editor.save(uri)
    await asyncio.sleep(1)
    assert (len(editor.questions), len(scripted.log)) == (1, 0), "background work does not ask again"

    editor.answer = ALLOW
    await editor.command("apo.evaluate", uri)
    assert await editor.lens(uri, "acc ")
    await editor.stop()
    later = await start(options={"background": "evaluate"}, environ=remote)
    later.open("tickets.prompt")
    later.replace(uri, "help desk", "service desk")
    later.save(uri)
    await later.until(lambda: len(scripted.log) > 105)
    assert later.questions == [], "a yes is remembered"
    await later.until_idle(uri)

    await later.command("apo.revokeConsent", uri)
    sent = len(scripted.log)
    later.replace(uri, "service desk", "front desk")
    later.save(uri)
    await asyncio.sleep(1.5)
    assert len(scripted.log) == sent
