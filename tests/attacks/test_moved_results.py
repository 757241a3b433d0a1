"""Attacks on results that go along with a prompt: who may move them, and that a score stays beside its rows."""

from __future__ import annotations

import asyncio
import json
import shutil
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from apo_server.knowledge import Knowledge, KnowledgeStore, Score, rows_beside
from tests.scripted import ScriptedServer
from tests.scripted.world import World
from tests.server.editor import environment
from tests.server.raw import HELLO, Message, Raw, ending, opened
from tests.server.sockets import Listen, listening, tcp

CAPABILITIES = {"workspace": {"fileOperations": {"didRename": True}}}


@pytest_asyncio.fixture
async def listen() -> AsyncIterator[Listen]:
    async with listening() as begin:
        yield begin


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    """Two folders with one prompt and its rows, and one with the same prompt and other rows."""
    folder = tmp_path / "work"
    for name in ("a", "same", "other"):
        (folder / name).mkdir(parents=True)
        World(20).write(folder / name)
    World(30).write(folder / "other")
    return folder


@pytest.fixture
def known(workspace: Path, tmp_path: Path) -> Knowledge:
    """What the user's own run measured of a/tickets.prompt."""
    prompt = workspace / "a" / "tickets.prompt"
    rows = rows_beside(prompt.parent, ["tickets.jsonl"], ())
    known = Knowledge(
        prompt.read_text("utf-8"), Score("label", 0.97, (0.9, 0.99), 200, "open"), last_job="evaluate", rows=rows
    )
    KnowledgeStore(tmp_path / "cache").save(prompt, known)
    return known


def hello(folder: Path, **options: Any) -> Message:
    folders = [{"uri": folder.as_uri(), "name": "work"}]
    params = {
        "processId": None,
        "rootUri": None,
        "capabilities": CAPABILITIES,
        "workspaceFolders": folders,
        "initializationOptions": {"background": "off", **options},
    }
    return {**HELLO, "params": params}


def renamed(old: str, new: str) -> Message:
    return {"method": "workspace/didRenameFiles", "params": {"files": [{"oldUri": old, "newUri": new}]}}


async def lenses(client: Raw, prompt: Path) -> str:
    """The lenses of a prompt that is opened, once everything before has been dealt with."""
    await client.say(opened(prompt.as_uri(), await asyncio.to_thread(prompt.read_text, "utf-8")))
    for number in range(101, 104):
        params = {"command": "apo.testConnection"}
        await client.say({"id": number, "method": "workspace/executeCommand", "params": params})
        await client.answer(number)
    asked = {"textDocument": {"uri": prompt.as_uri()}}
    await client.say({"id": 100, "method": "textDocument/codeLens", "params": asked})
    return json.dumps((await client.answer(100))["result"])


@pytest.mark.parametrize("way", ["no token", "untrusted"])
async def test_who_may_not_run_prompts_moves_no_results(
    listen: Listen, workspace: Path, tmp_path: Path, scripted: ScriptedServer, known: Knowledge, way: str
) -> None:
    environ = environment(tmp_path / "cache", scripted.base_url)
    if way == "no token":
        process, host, port = await listen("--tcp", "0", environ=environ)
        client = await tcp(host, port)
    else:
        client, process = await Raw.start(environ=environ)
    await client.greet(hello(workspace, trusted=way == "no token"))
    old = workspace / "a" / "tickets.prompt"
    old.unlink()
    new = workspace / "same" / "tickets.prompt"
    await client.say(renamed(old.as_uri(), new.as_uri()), renamed("file:///", "file:///nowhere"))
    assert "acc" not in await lenses(client, new)
    await client.leave()
    await ending(process)
    assert KnowledgeStore(tmp_path / "cache").load(old, known.text) == known


@pytest.mark.parametrize(
    ("old", "new", "gone"),
    [
        ("a/tickets.prompt", "same/tickets.prompt", False),
        ("a/tickets.prompt", "none/tickets.prompt", True),
        ("a/tickets.prompt", "../outside/tickets.prompt", True),
        ("a/tickets.prompt", "other/tickets.prompt", True),
        ("a", "other", True),
        ("a", "none", True),
        ("/", "/nowhere", False),
    ],
    ids=[
        "not-gone",
        "not-there",
        "outside",
        "other-rows",
        "a-folder-of-other-rows",
        "a-folder-not-there",
        "everything",
    ],
)
async def test_results_go_along_with_no_prompt_that_is_not_the_same(
    workspace: Path, tmp_path: Path, scripted: ScriptedServer, known: Knowledge, *, old: str, new: str, gone: bool
) -> None:
    (tmp_path / "outside").mkdir()
    for name in ("tickets.prompt", "tickets.jsonl"):
        shutil.copy(workspace / "a" / name, tmp_path / "outside" / name)
    prompt, client, process = await _told(workspace, tmp_path, scripted, old, new, gone=gone)
    shown = workspace / new if (workspace / new).suffix else workspace / new / "tickets.prompt"
    if shown.exists() and "outside" not in new:
        assert "acc" not in await lenses(client, shown)
    await client.leave()
    await ending(process)
    assert KnowledgeStore(tmp_path / "cache").load(prompt, known.text) == known


@pytest.mark.parametrize(("old", "new"), [("a/tickets.prompt", "same/tickets.prompt"), ("a", "same")])
async def test_results_go_along_with_a_prompt_that_was_renamed(
    workspace: Path, tmp_path: Path, scripted: ScriptedServer, known: Knowledge, old: str, new: str
) -> None:
    prompt, client, process = await _told(workspace, tmp_path, scripted, old, new, gone=True)
    assert "acc 97" in await lenses(client, workspace / "same" / "tickets.prompt")
    await client.leave()
    await ending(process)
    assert KnowledgeStore(tmp_path / "cache").load(prompt, known.text) is None


async def _told(
    workspace: Path, tmp_path: Path, scripted: ScriptedServer, old: str, new: str, *, gone: bool
) -> tuple[Path, Raw, asyncio.subprocess.Process]:
    """A trusted editor that says that something was renamed, and the prompt that something is known of."""
    client, process = await Raw.start(environ=environment(tmp_path / "cache", scripted.base_url))
    await client.greet(hello(workspace))
    if gone:
        shutil.rmtree(workspace / "a")
    await client.say(renamed(Path(workspace, old).as_uri(), Path(workspace, new).as_uri()))
    return workspace / "a" / "tickets.prompt", client, process
