"""A withdrawal ends consent in the folder that it names and in all that lies in it; it is never said of another one."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import pytest
from lsprotocol import types

from apo_engine.search.events import CustomMetric, FileRows, ModelFile
from apo_server.addresses import is_held_by, path_of
from apo_server.consent import ALLOW
from apo_server.consent_file import ConsentFile
from apo_server.consent_scope import needed_scope
from tests.attacks.plans import started
from tests.attacks.test_consent import User
from tests.scripted import ScriptedServer
from tests.scripted.world import World
from tests.server.editor import Editor, environment

NESTED = "file:///w/packages/inner"
CODE = CustomMetric("q:score", "/w/q.py", "d", ("q.py",))
MODEL = ModelFile("m", "/w/m.gguf", "0" * 64)
NO_FILES_HERE = [
    "file://elsewhere/w",
    "file://127.0.0.1/w",
    "file://localhost:80/w",
    "file://%6C/w",
    "untitled:Untitled-1",
    "/w",
    "w",
    "",
    "{}",
    "http://localhost/w",
    "file:w",
    "file://[",
]


@pytest.mark.parametrize(
    ("workspace", "folder", "held"),
    [
        (NESTED, "file:///w", True),
        (NESTED, "file:///", True),
        (NESTED, NESTED, True),
        ("file:///w", NESTED, False),
        ("file:///wide", "file:///w", False),
        ("file:///other", "file:///w", False),
        ("file:///w/a%2Fb", "file:///w/a", True),
        ("untitled:a", "file:///", False),
        ("untitled:a", "untitled:a", True),
    ],
)
def test_a_folder_holds_what_lies_in_it(workspace: str, folder: str, held: bool) -> None:
    assert is_held_by(workspace, folder) is held


async def test_a_withdrawal_ends_what_is_remembered_of_nested_workspaces(tmp_path: Path) -> None:
    one, two = User(tmp_path), User(tmp_path)
    beside = started(files=(FileRows("/wide/t.jsonl", 100, 0, ("text",)),))
    for workspace in ("file:///w", NESTED, "file:///wide"):
        assert await one.may(beside if workspace == "file:///wide" else started(), workspace)
        assert await one.consent.to_run(workspace, "a.prompt", CODE, asked=True)
        assert await one.consent.to_load(workspace, "a.prompt", MODEL, asked=True)
    assert two.consent.revoke("file:///w")
    left = ConsentFile(tmp_path).read()
    assert {grant.workspace for grant in left.grants} == {"file:///wide"}
    assert {workspace for workspace, _ in left.code} == {"file:///wide"}
    assert not one.consent.holds(NESTED, started(), needed_scope(NESTED, started()))
    asked = len(one.questions)
    one.answer = None
    assert not await one.may(started(), NESTED)
    assert not await one.consent.to_run(NESTED, "a.prompt", CODE, asked=True)
    assert len(one.questions) == asked + 2


async def test_a_withdrawal_ends_what_is_agreed_to_in_memory_and_what_is_asked(tmp_path: Path) -> None:
    one, two = User(tmp_path), User(tmp_path)
    assert await one.may(started(), NESTED, begins=False)
    mark = one.consent.withdrawals().mark(NESTED)
    two.consent.revoke("file:///w")
    assert one.consent.withdrawals().mark(NESTED) != mark, "which ends the runs of every server"
    assert not one.consent.waits(NESTED, started())
    for user in (one, two):
        one.during = lambda user=user: user.consent.revoke("file:///w/packages")  # type: ignore[misc]
        assert not await one.may(started(), NESTED)
        assert not await one.consent.to_run(NESTED, "a.prompt", CODE, asked=True)
    assert ConsentFile(tmp_path).read().grants == ()


async def test_a_withdrawal_ends_consent_of_another_workspace_to_the_files_of_the_folder(tmp_path: Path) -> None:
    """A link in a workspace leads to the folder: its rows are agreed to there."""
    scope = needed_scope("file:///elsewhere", started())
    for begins in (True, False):
        one, two = User(tmp_path), User(tmp_path)
        assert await one.may(started(), scope.workspace, begins=begins)
        before = one.consent.withdrawals()
        assert two.consent.revoke("file:///w") is begins
        assert one.consent.withdrawals().mark(scope.workspace) == before.mark(scope.workspace)
        assert one.consent.withdrawals().mark(scope.workspace, scope.paths) != before.mark(
            scope.workspace, scope.paths
        ), "which ends the runs of every server"
        assert not one.consent.waits(scope.workspace, started())
        one.consent.begun(scope.workspace, started())
        assert ConsentFile(tmp_path).read().grants == ()
        later = User(tmp_path, None)
        assert not await later.may(started(), "file:///elsewhere")
        assert len(later.questions) == 1


async def test_a_withdrawal_in_a_nested_workspace_leaves_the_outer_one(tmp_path: Path) -> None:
    user = User(tmp_path)
    assert await user.may(started(), "file:///w")
    user.consent.revoke(NESTED)
    assert user.consent.holds("file:///w", started(), needed_scope("file:///w", started()))


@pytest.mark.skipif(os.name == "nt", reason="the authority is a server there")
@pytest.mark.parametrize("uri", NO_FILES_HERE)
def test_what_is_elsewhere_has_no_path_here(uri: str) -> None:
    assert path_of(uri) is None


# In an editor.


async def opened(folder: Path, cache: Path, scripted: ScriptedServer, *folders: Path) -> Editor:
    environ = environment(cache, scripted.base_url.replace("127.0.0.1", "0.0.0.0"))
    editor = await Editor.start(folder, environ, options={"background": "off"})
    editor.answer = ALLOW
    if folders:
        added = types.WorkspaceFoldersChangeEvent(
            [types.WorkspaceFolder(one.as_uri(), one.name) for one in folders], []
        )
        editor.client.workspace_did_change_workspace_folders(types.DidChangeWorkspaceFoldersParams(added))
    return editor


def world(folder: Path, scripted: ScriptedServer) -> None:
    folder.mkdir(parents=True)
    made = World(60)
    made.write(folder)
    scripted.script = made.script


async def test_a_withdrawal_elsewhere_while_a_question_is_open_ends_its_answer(tmp_path: Path) -> None:
    """The folder withdrawn holds the rows, and not the workspace that sends them."""
    one, two = User(tmp_path), User(tmp_path)
    one.during = lambda: two.consent.revoke("file:///w")
    assert not await one.may(started(), "file:///elsewhere")
    assert ConsentFile(tmp_path).read().grants == ()


@pytest.mark.parametrize("same_server", [True, False])
async def test_a_withdrawal_for_the_folder_of_the_rows_cancels_what_is_being_sent(
    tmp_path: Path, scripted: ScriptedServer, same_server: bool
) -> None:
    workspace, data = tmp_path / "workspace", tmp_path / "data"
    world(workspace, scripted)
    data.mkdir()
    (workspace / "tickets.jsonl").rename(data / "tickets.jsonl")
    prompt = workspace / "tickets.prompt"
    prompt.write_text(prompt.read_text("utf-8").replace(": tickets.jsonl", ": ../data/tickets.jsonl"), "utf-8")
    scripted.latency = 0.8
    editor = await opened(workspace, tmp_path / "cache", scripted, data)
    other = editor if same_server else await opened(data, tmp_path / "cache", scripted)
    uri = editor.open("tickets.prompt")
    await editor.command("apo.optimize", uri)
    await editor.until(lambda: len(scripted.log) > 5)
    await other.command("apo.revokeConsent", data.as_uri())
    await asyncio.sleep(0.1)
    sent, answered = len(scripted.every), scripted.log.answered
    await editor.until_idle(uri)
    await asyncio.sleep(1)
    assert len(scripted.every) == sent
    if same_server:
        assert scripted.log.answered == answered, "the requests under way were cancelled"
    assert ConsentFile(tmp_path / "cache").read().grants == ()
    for one in {editor, other}:
        await one.stop()


@pytest.mark.parametrize("same_server", [True, False])
async def test_a_withdrawal_for_a_folder_ends_the_runs_in_a_nested_workspace(
    tmp_path: Path, scripted: ScriptedServer, same_server: bool
) -> None:
    inner = tmp_path / "outer" / "packages" / "inner"
    world(inner, scripted)
    scripted.latency = 0.2
    editor = await opened(inner, tmp_path / "cache", scripted)
    other = editor if same_server else await opened(tmp_path / "outer", tmp_path / "cache", scripted)
    uri = editor.open("tickets.prompt")
    await editor.command("apo.optimize", uri)
    await editor.until(lambda: len(scripted.log) > 10)
    await other.command("apo.revokeConsent", (tmp_path / "outer").as_uri())
    await asyncio.sleep(0.1)
    sent = len(scripted.every)
    await editor.until_idle(uri)
    await asyncio.sleep(0.5)
    assert len(scripted.every) == sent
    assert ConsentFile(tmp_path / "cache").read().grants == ()
    editor.answer = None
    asked = len(editor.questions)
    await editor.command("apo.evaluate", uri)
    await editor.until(lambda: len(editor.questions) > asked)
    assert len(scripted.every) == sent
    for one in {editor, other}:
        await one.stop()


@pytest.mark.skipif(os.name == "nt", reason="the authority is a server there")
@pytest.mark.parametrize("uri", ["file://elsewhere{}", "tickets.prompt", "untitled:Untitled-1", "{}"])
async def test_an_address_that_cannot_be_placed_is_refused(tmp_path: Path, scripted: ScriptedServer, uri: str) -> None:
    folder = tmp_path / "repository"
    world(folder, scripted)
    editor = await opened(folder, tmp_path / "cache", scripted)
    prompt = editor.open("tickets.prompt")
    await editor.command("apo.evaluate", prompt)
    await editor.lens(prompt, "acc ")
    await editor.command("apo.revokeConsent", uri.format(folder))
    await editor.until(lambda: any("no consent was withdrawn" in one for one in editor.messages()))
    assert not any("taken back" in one or "take back" in one for one in editor.messages())
    assert len(ConsentFile(tmp_path / "cache").read().grants) == 1
    await editor.stop()


@pytest.mark.skipif(os.name == "nt", reason="the authority is a server there")
async def test_a_prompt_of_another_machine_is_not_run_as_one_of_this(tmp_path: Path, scripted: ScriptedServer) -> None:
    folder = tmp_path / "repository"
    world(folder, scripted)
    editor = await opened(folder, tmp_path / "cache", scripted)
    uri = f"file://elsewhere{folder}/tickets.prompt"
    item = types.TextDocumentItem(uri, "dotprompt", 1, (folder / "tickets.prompt").read_text("utf-8"))
    editor.client.text_document_did_open(types.DidOpenTextDocumentParams(item))
    await editor.command("apo.evaluate", uri)
    await editor.until(lambda: any("lies on another machine" in one for one in editor.messages()))
    assert (scripted.every, editor.questions) == ([], [])
    await editor.stop()
