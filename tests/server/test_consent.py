"""Leave to send rows: asked once, in plain words, and remembered where no workspace can write it."""

from __future__ import annotations

import asyncio
from pathlib import Path

import msgspec

from apo_engine.search.candidate import Candidate
from apo_engine.search.events import Destination, Estimate, FileRows, RowCounts, RunStarted
from apo_server.consent import ALLOW, NOT_NOW, Consent
from apo_server.consent_scope import question
from tests.scripted import ScriptedServer
from tests.server.conftest import StartEditor

ROWS = RowCounts(60, 45, 0)
TASK = Destination("task", "openai/gpt-4.1-mini", "api.openai.com", ROWS, encrypted=True)
OPTIMIZER = Destination("optimizer", "openai/gpt-4.1", "api.openai.com", RowCounts(60, 0, 0), encrypted=True)
JUDGE = Destination("judge", "far/strict", "judge.example:8443", ROWS, encrypted=True)
STARTED = RunStarted(
    run="r",
    job="gradients",
    prompt=Candidate("s", "text", "seed"),
    task_model="openai/gpt-4.1-mini",
    optimizer_model="openai/gpt-4.1",
    metric="label",
    labels=("a", "b"),
    rows=RowCounts(60, 45, 45),
    estimate=Estimate(1000, 40_000, 0.1234),
    seed=0,
    destinations=(TASK, OPTIMIZER),
    files=(FileRows("/w/tickets.jsonl", 105, 45, ("text",)),),
    file="/w/a.prompt",
    fingerprint="f1",
    rows_fingerprint="r1",
)
SEALED = msgspec.structs.replace(TASK, rows=RowCounts(60, 45, 45))
SEARCH = msgspec.structs.replace(STARTED, job="optimize", destinations=(SEALED, OPTIMIZER), fingerprint="f2")


class User:
    """Answers questions, and counts them. ``may`` asks for a run, which begins if it may."""

    def __init__(self, cache: Path, answer: str | None) -> None:
        self.answer = answer
        self.questions: list[str] = []
        self.consent = Consent(self.ask, {"APO_CACHE_DIR": str(cache)})

    async def ask(self, question: str, answers: tuple[str, ...]) -> str | None:
        assert answers == (ALLOW, NOT_NOW)
        self.questions.append(question)
        await asyncio.sleep(0.01)
        return self.answer

    async def may(
        self, workspace: str = "file:///w", run: RunStarted = STARTED, *, asked: bool = False, begins: bool = True
    ) -> bool:
        may = await self.consent.to_send(workspace, run, asked=asked)
        if may and begins:
            self.consent.begun(workspace, run)
        return may


def test_the_question_says_what_leaves_where_to_at_what_cost_and_what_a_yes_covers() -> None:
    assert question("file:///w", STARTED) == (
        "Send a.prompt and 105 rows of tickets.jsonl (45 more stay on this machine) to api.openai.com? "
        "At api.openai.com, openai/gpt-4.1-mini answers 105 rows, by prompts that may quote 60 rows with their "
        "expected answers, and openai/gpt-4.1 writes critiques and rewrites from at most 60 rows and their expected "
        "answers (encrypted). "
        "At most 1,000 calls, about $0.12. "
        "A yes covers later runs in this workspace: up to 210 rows of tickets.jsonl with the columns 'text', "
        "no sealed rows, up to 2,000 calls and about $0.25 a run, to the same hosts and roles."
    )


def test_the_question_names_every_file_host_and_notice() -> None:
    files = (FileRows("/w/train.csv", 105, 0, ("a", "b")), FileRows("/w/sub/test.csv", 1, 0, ("a",)))
    plain = msgspec.structs.replace(JUDGE, encrypted=False, proxy="proxy.example:3128")
    run = msgspec.structs.replace(
        SEARCH,
        estimate=Estimate(9, 9, None),
        files=files,
        destinations=(SEALED, plain),
        notices=("Answers are stored there.",),
    )
    assert question("file:///w", run) == (
        "Send a.prompt and 105 rows of train.csv and 1 row of sub/test.csv to api.openai.com and judge.example:8443? "
        "At api.openai.com, openai/gpt-4.1-mini answers 150 rows, 45 sealed ones for the verdict among them, "
        "by prompts that may quote 60 rows with their expected answers (encrypted). "
        "At judge.example:8443, far/strict grades the answers to 105 rows by the expected ones "
        "(not encrypted, and the proxy proxy.example:3128 can read it; an https:// address would be safe). "
        "At most 9 calls, at an unknown price. Answers are stored there. "
        "A yes covers later runs in this workspace: up to 210 rows of train.csv with the columns 'a', 'b' and "
        "up to 2 rows of sub/test.csv with the columns 'a', sealed rows too, up to 18 calls a run at an unknown "
        "price, to the same hosts, roles and parameters."
    )


async def test_a_judge_elsewhere_needs_leave_of_its_own(tmp_path: Path) -> None:
    user = User(tmp_path, ALLOW)
    assert await user.may()
    judged = msgspec.structs.replace(STARTED, destinations=(TASK, OPTIMIZER, JUDGE), fingerprint="f3")
    assert await user.may(run=judged)
    assert len(user.questions) == 2
    assert "judge.example:8443" in user.questions[1]


async def test_a_yes_is_remembered_for_the_user(tmp_path: Path) -> None:
    first = User(tmp_path, ALLOW)
    assert await first.may()
    assert await first.may()
    assert len(first.questions) == 1
    later = User(tmp_path, None)
    assert await later.may()
    assert later.questions == []


async def test_a_yes_is_remembered_once_a_run_has_begun_as_it_was_asked_about(tmp_path: Path) -> None:
    user = User(tmp_path, ALLOW)
    assert await user.may(begins=False)
    assert await user.may(begins=False), "it holds for the same run all the same"
    assert len(user.questions) == 1
    assert not await User(tmp_path, None).may()


async def test_another_workspace_is_asked_about(tmp_path: Path) -> None:
    user = User(tmp_path, ALLOW)
    await user.may("file:///w")
    await user.may("file:///other")
    assert len(user.questions) == 2


async def test_a_yes_to_the_open_rows_is_none_to_the_sealed_ones(tmp_path: Path) -> None:
    user = User(tmp_path, ALLOW)
    assert await user.may()
    assert await user.may(run=SEARCH, asked=True)
    assert len(user.questions) == 2
    later = User(tmp_path, NOT_NOW)
    assert await later.may()
    assert await later.may(run=SEARCH)
    assert later.questions == []
    assert later.consent.revoke("file:///w")
    assert not await later.may(run=SEARCH, asked=True)
    assert not await later.may(asked=True)


async def test_a_no_is_not_asked_again_for_background_work_whatever_the_rows_are(tmp_path: Path) -> None:
    user = User(tmp_path, NOT_NOW)
    assert not await user.may()
    assert not await user.may()
    more = (FileRows("/w/tickets.jsonl", 106, 45, ("text",)),)
    assert not await user.may(run=msgspec.structs.replace(STARTED, files=more, fingerprint="f4"))
    assert len(user.questions) == 1
    user.answer = ALLOW
    assert await user.may(asked=True)


async def test_what_is_taken_back_is_forgotten_for_one_workspace_alone(tmp_path: Path) -> None:
    user = User(tmp_path, ALLOW)
    (rows,) = STARTED.files
    beside = msgspec.structs.replace(STARTED, files=(msgspec.structs.replace(rows, path="/other/rows.jsonl"),))
    await user.may("file:///w")
    await user.may("file:///other", run=beside)
    assert user.consent.revoke("file:///w")
    assert not user.consent.revoke("file:///w"), "there is nothing left to take back"
    assert await user.may("file:///other", run=beside)
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
    others = [msgspec.structs.replace(STARTED, file=f"/w/{name}.prompt", fingerprint=name) for name in "bc"]
    assert await asyncio.gather(user.may(), *(user.may(run=run) for run in others)) == [True, True, True]
    assert len(user.questions) == 1


async def test_a_cancelled_job_leaves_the_question_open_for_the_next(tmp_path: Path) -> None:
    user = User(tmp_path, ALLOW)
    job = asyncio.ensure_future(user.may())
    await asyncio.sleep(0)
    job.cancel()
    assert await user.may()
    assert len(user.questions) == 1


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
