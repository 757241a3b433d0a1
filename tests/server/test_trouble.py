"""When something goes wrong: it is said once, where it belongs, and everything else goes on."""

from __future__ import annotations

import asyncio
import json
import os
import signal
from pathlib import Path

import pytest
from lsprotocol import types

from tests.scripted import ScriptedServer, not_found, unauthorized
from tests.scripted.world import SEED, World, kind_of
from tests.server.conftest import StartEditor
from tests.server.editor import Editor

FIRST_LINE = SEED.splitlines()[0]


async def test_a_killed_engine_process_is_said_once_and_the_next_run_works(
    start: StartEditor, scripted: ScriptedServer, world: World
) -> None:
    scripted.latency = 1.0
    editor = await start()
    uri = editor.open("tickets.prompt")
    editor.save(uri)
    await editor.until(lambda: len(scripted.log))
    os.kill(_engine_of(editor), signal.SIGKILL)
    await editor.until(editor.finished, 5)
    assert editor.messages() == ["APO: The engine process ended unexpectedly (signal 9). The next run starts it again."]
    assert (await editor.lenses(uri))[-1] == "Optimize"
    scripted.latency = 0.0
    assert await editor.run(uri)
    assert len(editor.messages()) == 1


def _engine_of(editor: Editor) -> int:
    """The process id of the server's only child."""
    children = Path(f"/proc/{editor.server.pid}/task/{editor.server.pid}/children").read_text().split()
    (child,) = children
    return int(child)


async def test_no_process_outlives_a_server_that_is_killed(start: StartEditor, scripted: ScriptedServer) -> None:
    scripted.latency = 30
    editor = await start()
    uri = editor.open("tickets.prompt")
    editor.save(uri)
    await editor.until(lambda: len(scripted.log))
    engine = _engine_of(editor)
    editor.server.kill()
    await editor.server.wait()
    await editor.until(lambda: not Path(f"/proc/{engine}/cmdline").exists() or _is_zombie(engine), 5)


def _is_zombie(pid: int) -> bool:
    return ") Z " in Path(f"/proc/{pid}/stat").read_text()


async def test_the_server_ends_in_the_middle_of_a_run(start: StartEditor, scripted: ScriptedServer) -> None:
    scripted.latency = 30
    editor = await start()
    uri = editor.open("tickets.prompt")
    editor.save(uri)
    await editor.until(lambda: len(scripted.log))
    await editor.stop()


async def test_what_keeps_a_run_from_beginning_is_shown_where_it_is(start: StartEditor, workspace: Path) -> None:
    (workspace / "tickets.jsonl").unlink()
    editor = await start()
    uri = editor.open("tickets.prompt")
    editor.save(uri)
    (problem,) = await editor.until(lambda: editor.diagnostics(uri))
    assert problem.severity is types.DiagnosticSeverity.Error
    assert "tickets.jsonl" in problem.message
    assert editor.marked(uri, problem).strip() == "tickets.jsonl"
    assert editor.messages() == [], "a save is no question; the mark is enough"
    await editor.command("apo.evaluate", uri)
    await editor.until(editor.messages)
    assert "tickets.prompt:4:15" in editor.messages()[0]


@pytest.mark.parametrize(
    ("written", "named", "words"),
    [
        ("model: some/thing", "some/thing", "names no model that can be opened"),
        ("model: openai/other", "openai/other", "knows no model 'other'"),
        ("model: openai/scripted\napo.optimizer: {model: some/thing}", "some/thing", "names no model"),
        ("model: openai/scripted\napo.optimizer: some/thing", "some/thing", "names no model"),
    ],
)
async def test_a_model_that_nobody_knows_is_marked_where_it_is_named(
    start: StartEditor, scripted: ScriptedServer, workspace: Path, written: str, named: str, words: str
) -> None:
    scripted.script = lambda _: not_found("other")
    prompt = workspace / "tickets.prompt"
    prompt.write_text(prompt.read_text("utf-8").replace("model: openai/scripted", written), "utf-8")
    editor = await start(options={"consent": True})
    uri = editor.open("tickets.prompt")
    await editor.command("apo.evaluate", uri)
    (problem,) = await editor.until(lambda: editor.diagnostics(uri))
    assert words in problem.message
    assert editor.marked(uri, problem) == named
    assert editor.messages()[0].startswith(f"APO: {prompt}:")


async def test_a_model_that_nobody_knows_in_the_settings_is_told_alone(start: StartEditor, workspace: Path) -> None:
    prompt = workspace / "tickets.prompt"
    prompt.write_text(prompt.read_text("utf-8").replace("model: openai/scripted\n", ""), "utf-8")
    editor = await start(options={"model": "some/thing"})
    uri = editor.open("tickets.prompt")
    await editor.command("apo.evaluate", uri)
    await editor.until(editor.messages)
    assert editor.messages()[0].startswith("APO: 'some/thing' names no model")
    assert editor.diagnostics(uri) == []


async def test_an_endpoint_that_refuses_is_told_once_for_all_saves(
    start: StartEditor, scripted: ScriptedServer
) -> None:
    scripted.script = lambda _: unauthorized()
    editor = await start()
    uri = editor.open("tickets.prompt")
    for _ in range(3):
        await editor.run(uri)
    assert len(editor.messages()) == 1
    assert "OPENAI_API_KEY" in editor.messages()[0]
    assert "sk-" not in editor.messages()[0]


async def test_an_untrusted_workspace_is_only_checked(start: StartEditor, scripted: ScriptedServer) -> None:
    editor = await start(options={"trusted": False})
    uri = editor.open("tickets.prompt")
    editor.save(uri)
    await editor.command("apo.optimize", uri)
    await editor.until(editor.messages)
    assert "not trusted" in editor.messages()[0]
    assert await editor.lenses(uri) == []
    await asyncio.sleep(0.6)
    assert len(scripted.log) == 0


async def test_a_prompt_that_is_no_file_yet_is_not_run(start: StartEditor) -> None:
    editor = await start()
    uri = "untitled:Untitled-1"
    text = "---\napo.examples: rows.jsonl\n---\n{{text}}\n"
    item = types.TextDocumentItem(uri, "dotprompt", 1, text)
    editor.client.text_document_did_open(types.DidOpenTextDocumentParams(item))
    await editor.command("apo.evaluate", uri)
    await editor.until(editor.messages)
    assert editor.messages() == ["APO: Save the prompt to a file first."]


async def test_no_word_of_the_prompt_reaches_the_log(
    start: StartEditor, capfd: pytest.CaptureFixture[str], world: World
) -> None:
    editor = await start(arguments=["--log-level", "info"])
    uri = editor.open("tickets.prompt")
    await editor.run(uri)
    for body in (
        {"jsonrpc": "2.0", "method": "textDocument/didOpen", "params": {"textDocument": {"text": FIRST_LINE}}},
        {"jsonrpc": "2.0", "id": 77, "method": "textDocument/hover", "params": {"textDocument": FIRST_LINE}},
        {"jsonrpc": "2.0", "method": "apo/unknown", "params": {"text": FIRST_LINE}},
    ):
        editor.send_raw(json.dumps(body).encode())
    editor.send_raw(f'{{"jsonrpc": "2.0", "method": "{FIRST_LINE}", '.encode())
    assert await editor.lenses(uri)
    await editor.stop()
    logged = capfd.readouterr().err
    assert FIRST_LINE not in logged
    assert world.rows[0].text not in logged
    assert "sk-scripted" not in logged


async def test_too_few_unseen_rows_are_told_once_for_all_saves(start: StartEditor) -> None:
    editor = await start(options={"background": "optimize", "budget": {"calls": 300}})
    uri = editor.open("tickets.prompt")
    for number in range(2):
        await editor.run(uri)
        editor.replace(uri, "Answer with", f"Now{number} Answer with")
    few = [message for message in editor.messages() if "told from chance" in message]
    assert few == [
        "APO: tickets.prompt: With 30 unseen rows, only a gain of about 45 points can reliably be told from chance. To "
        "tell 15 points, label about 310 rows, of which about 95 stay unseen. That takes a cap of about 1,000 calls, "
        "in place of 300."
    ]
    await editor.command("apo.optimize", uri)
    await editor.until(lambda: len([m for m in editor.messages() if "told from chance" in m]) == 2)


async def test_what_every_round_of_a_run_notes_is_told_once_for_the_run(
    start: StartEditor, world: World, scripted: ScriptedServer
) -> None:
    scripted.script = lambda request: "I cannot." if kind_of(request) == "edit" else world.script(request)
    editor = await start(options={"background": "off", "budget": {"calls": 600}})
    uri = editor.open("tickets.prompt")
    for number in (1, 2):
        await editor.command("apo.optimize", uri)
        await editor.until(lambda number=number: len(editor.progress()) == number and editor.finished(), 60)
        told = [message for message in editor.messages() if "could be used" in message]
        assert len(told) == number
    logged = [message.message for message in editor.client.log_messages if "could be used" in message.message]
    assert len(logged) > 2, "more than one round had this to say"
