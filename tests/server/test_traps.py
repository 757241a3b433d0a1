"""What the protocol's library does of itself, and what the server does instead: each was reproduced once.

Some traps of positions are laid in test_positions.py, test_documents.py and test_profiles.py.
"""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import threading
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import pytest_asyncio
from lsprotocol import types

from apo_server.transports import Line, over_pipes
from apo_server.wiring import create_server
from tests.scripted import ScriptedServer
from tests.scripted.world import World
from tests.server.conftest import StartEditor
from tests.server.desk import Desk
from tests.server.editor import environment
from tests.server.profiles import ALL, profile
from tests.server.raw import EXIT, HELLO, READY, SHUTDOWN, Message, Raw, changed, code, ending, framed, hover, opened
from tests.server.raw import until as eventually
from tests.server.sockets import hello, token_file

URI = "file:///tmp/none/a.prompt"
BROKEN = "---\ninput: {schema: {text: string}}\n---\n{{text}} {{txet}}\n"


@pytest_asyncio.fixture
async def desk(tmp_path: Path, scripted: ScriptedServer, world: World) -> AsyncIterator[Desk]:
    folder = tmp_path / "desk"
    folder.mkdir()
    desk = Desk(world.write(folder), environment(tmp_path / "cache", scripted.base_url))
    yield desk
    if hasattr(desk, "process") and desk.process.returncode is None:
        desk.process.kill()
        await desk.process.wait()


async def ends_well(desk: Desk, *, quietly: bool = False) -> None:
    await desk.client.leave()
    ended, _, err = await ending(desk.process)
    assert ended == 0
    assert desk.said("window/showMessage") == []
    assert not quietly or b"pygls" not in err


@pytest.mark.parametrize("name", ALL)
async def test_lines_end_where_editors_end_them(start: StartEditor, name: str) -> None:
    """Splitting with `str.splitlines` puts every edit behind U+2028, a form feed and others on a wrong line."""
    editor = await start(name)
    text = BROKEN.replace("{{text}}", "one\u2028\u2029two\x85\f\v\x1c {{text}}")
    uri = editor.open("new.prompt", text)
    (found,) = await editor.until(lambda: editor.diagnostics(uri, "variable-undefined"))
    assert editor.marked(uri, found).strip("{}") == "txet"
    assert found.range.start.line == 3
    editor.replace(uri, "{{txet}}", "{{text}}\n")
    await editor.until(lambda: not editor.diagnostics(uri))


@pytest.mark.parametrize("name", ALL)
async def test_an_empty_document_has_positions(start: StartEditor, name: str) -> None:
    """The position codec fails on a document without lines."""
    editor = await start(name)
    uri = editor.open("new.prompt", "")
    beginning = types.Position(0, 0)
    assert await editor.hover(uri, beginning) is None
    assert isinstance(await editor.actions(uri, types.Range(beginning, beginning)), list)
    editor.write(uri, BROKEN)
    await editor.until(lambda: editor.diagnostics(uri))
    editor.write(uri, "")
    await editor.until(lambda: not editor.diagnostics(uri))
    assert editor.messages() == []


@pytest.mark.parametrize(("words", "exit_code"), [((SHUTDOWN, EXIT), 0), ((EXIT,), 1)])
async def test_exit_in_the_middle_of_work_is_quick_and_quiet(
    desk: Desk, scripted: ScriptedServer, words: tuple[Message, ...], exit_code: int
) -> None:
    """A handler in a thread at `exit` brought megabytes of error reports, and a process that hung on writing them."""
    scripted.latency = 30
    await desk.start()
    await desk.command(1, "apo.evaluate")
    await eventually(lambda: len(scripted.log))
    engine = await asyncio.to_thread(desk.engine)
    await desk.client.say(*words)
    if SHUTDOWN in words:
        # The client does not wait for the answer before it says `exit`.
        assert (await desk.client.answer(SHUTDOWN["id"])).get("result", 0) is None
    ended, _, err = await ending(desk.process, 5)
    assert ended == exit_code
    assert len(err) < 500
    assert b"Error" not in err
    await eventually(lambda: not engine.exists(), 5)


async def test_busy_threads_do_not_stop_the_reading_or_the_writing() -> None:
    """Standard input is read in the pool that handlers use: when that is busy, nothing is read."""
    loop = asyncio.get_running_loop()
    pool, free = ThreadPoolExecutor(1), threading.Event()
    loop.set_default_executor(pool)
    loop.run_in_executor(None, free.wait)
    (requests, to_server), (from_server, replies) = os.pipe(), os.pipe()

    async def serve(line: Line) -> None:
        async for body in line.bodies:
            line.writer.write(body)

    os.write(to_server, framed(hover(1)))
    os.close(to_server)
    try:
        await asyncio.wait_for(over_pipes(serve, requests, replies), 5)
        assert b"textDocument/hover" in os.read(from_server, 1000)
    finally:
        free.set()
        pool.shutdown()
        for descriptor in (requests, replies, from_server):
            os.close(descriptor)


async def test_what_takes_long_can_be_cancelled_and_holds_nothing_up(desk: Desk) -> None:
    """A cancellation is not even read before a handler that is no coroutine returns."""
    client = await desk.start(window={"showDocument": {"support": True}})
    await desk.command(1, "apo.gradients")
    await desk.lens("acc ")
    await desk.command(2, "apo.showCandidates")
    await desk.asked("window/showDocument")
    await client.say(hover(3, desk.uri))
    await client.answer(3)
    await client.say(hover(2, desk.uri))
    assert (await client.answer(2))["error"]["code"] == types.ErrorCodes.InvalidRequest, "this id is under way"
    await client.say({"method": "$/cancelRequest", "params": {"id": 2}})
    assert (await client.answer(2))["error"]["code"] == types.LSPErrorCodes.RequestCancelled
    # One that is answered already, and one that never was.
    await client.say(*({"method": "$/cancelRequest", "params": {"id": number}} for number in (2, 3, 99, "x")))
    await ends_well(desk, quietly=True)


async def test_an_answer_that_comes_too_late_is_left_out(desk: Desk) -> None:
    """An answer to a request that was given up popped up a message, and so did one to no request."""
    client = await desk.start(window={"workDoneProgress": True})
    await desk.command(1, "apo.evaluate")
    created = await desk.asked("window/workDoneProgress/create")
    await desk.lens("acc ")
    answer = {"id": created["id"], "result": None}
    await client.say(answer, answer, {"id": "none", "result": None}, {"id": 5, "error": {"code": 1, "message": "no"}})
    await client.say(hover(2, desk.uri))
    await client.answer(2)
    assert desk.said("$/progress") == []
    await ends_well(desk, quietly=True)


async def test_a_request_that_was_given_up_may_still_be_answered(caplog: pytest.LogCaptureFixture) -> None:
    """Its future is cancelled by then, and takes no result."""
    protocol = create_server("0").protocol
    said: list[bytes] = []
    protocol.set_writer(Listener(said))
    asked = protocol.send_request("workspace/codeLens/refresh")
    asked.cancel()
    number = json.loads(said[0].partition(b"\r\n\r\n")[2])["id"]
    protocol.take(json.dumps({"jsonrpc": "2.0", "id": number, "result": None}).encode())
    assert caplog.messages == []
    assert protocol._request_futures == {}
    assert protocol._result_types == {}


def test_an_answer_that_cannot_be_written_down_is_an_error() -> None:
    """It was logged, and the client waited for ever."""
    server = create_server("0")
    said: list[bytes] = []
    server.protocol.set_writer(Listener(said))
    server.feature("x/y")(lambda _: object())
    for message in (HELLO, {"id": 7, "method": "x/y"}):
        server.protocol.take(json.dumps({"jsonrpc": "2.0", **message}).encode())
    answer = json.loads(said[-1].partition(b"\r\n\r\n")[2])
    assert answer["id"] == 7
    assert answer["error"]["code"] == types.ErrorCodes.InternalError


class Listener:
    """Hears what is said to a client."""

    def __init__(self, heard: list[bytes]) -> None:
        self.write = heard.append

    def close(self) -> None:
        pass


async def test_a_shutdown_with_questions_open_is_answered(desk: Desk) -> None:
    """Cancelling what is open answers it, which changed the books while they were gone through."""
    await desk.start(window={"showDocument": {"support": True}, "workDoneProgress": True})
    await desk.command(1, "apo.gradients")
    await desk.lens("acc ")
    for number in range(2, 6):
        await desk.command(number, "apo.showCandidates")
    await eventually_asked(desk, "window/showDocument", 4)
    await ends_well(desk)


async def eventually_asked(desk: Desk, method: str, times: int) -> None:
    while len(desk.said(method)) < times:
        assert await desk.client.hear() is not None


async def test_changes_of_documents_that_are_not_open_are_no_trouble(desk: Desk) -> None:
    """They popped up a KeyError."""
    client = await desk.start()
    closed = {"method": "textDocument/didClose", "params": {"textDocument": {"uri": URI}}}
    saved = {"method": "textDocument/didSave", "params": {"textDocument": {"uri": URI}}}
    await client.say(changed(URI, 2, "x"), closed, saved, changed(URI, 3, "y"), hover(1, URI))
    assert (await client.answer(1))["result"] is None
    await ends_well(desk)


async def test_the_token_of_a_run_that_has_ended_cancels_nothing(desk: Desk, scripted: ScriptedServer) -> None:
    """Tokens were never put away: cancelling an old one would have ended the run that came after."""
    client = await desk.start(window={"workDoneProgress": True})
    await desk.command(1, "apo.evaluate")
    created = await desk.asked("window/workDoneProgress/create")
    await client.say({"id": created["id"], "result": None})
    await desk.lens("acc ")
    scripted.latency = 1.0
    await desk.command(2, "apo.gradients")
    await desk.lens("Cancel")
    await client.say({"method": "window/workDoneProgress/cancel", "params": {"token": created["params"]["token"]}})
    await client.say({"method": "window/workDoneProgress/cancel", "params": {"token": "none"}})
    await asyncio.sleep(0.3)
    await desk.lens("Cancel")
    await desk.command(3, "apo.cancel")
    await desk.lens("acc ")
    await ends_well(desk)


async def test_what_is_said_to_the_client_is_not_logged(desk: Desk) -> None:
    """Every outgoing message was logged with its content at level `info`."""
    client = await desk.start("--log-level", "info")
    await client.say(opened(URI, "Hello {{secretword}} {{#if\n"), hover(1, URI))
    while "secretword" not in json.dumps(desk.said("textDocument/publishDiagnostics")):
        await client.say(changed(URI, 2, "---\ninput: {schema: {text: string}}\n---\n{{text}} {{secretword}}\n"))
        assert await client.hear() is not None
    await client.say({"id": 2, "method": "workspace/executeCommand", "params": {"command": "secretword"}})
    await client.say({"id": 3, "method": "textDocument/hover", "params": {"textDocument": "secretword"}})
    await client.say({"method": "secretword", "params": ["secretword"]})
    await client.answer(3)
    await client.leave()
    ended, _, err = await ending(desk.process)
    assert ended == 0
    assert b"secretword" not in err


async def test_changes_are_taken_in_order_and_results_belong_to_the_latest(start: StartEditor) -> None:
    """Changes that are handled side by side overtake one another; each of these is about the outcome of the last."""
    editor = await start("helix")
    uri = editor.open("new.prompt", BROKEN)
    for number in range(150):
        editor.replace(uri, "{{txet", "\n{{txet" if number % 2 else "😀{{txet")
        if not number % 10:
            await asyncio.sleep(0.01)
    line = editor.texts[uri].count("\n") - 1

    def arrived() -> list[types.Diagnostic]:
        return [d for d in editor.diagnostics(uri, "variable-undefined") if d.range.start.line == line]

    (found,) = await editor.until(arrived)
    assert editor.marked(uri, found).strip("{}") == "txet"
    versions = [params.version for params in editor.published if params.uri == uri]
    assert versions == sorted(version for version in versions if version is not None)
    await editor.until(lambda: editor.published[-1].version == editor.versions[uri])


async def test_everything_is_written_from_one_thread(desk: Desk, tmp_path: Path) -> None:
    """Writing to a socket from worker threads mixes messages; asyncio's debug mode notices."""
    pipe = asyncio.subprocess.PIPE
    environ = {**desk.environ, "PYTHONASYNCIODEBUG": "1"}
    desk.process = process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "apo_server", "--tcp", "0", "--token-file", str(token_file(tmp_path))),
        *("--log-level", "info"),
        stdout=pipe,
        stderr=pipe,
        env=environ,
    )
    assert process.stderr
    address = (await asyncio.wait_for(process.stderr.readline(), 20)).decode().strip()
    desk.client = client = Raw(*await asyncio.open_connection("127.0.0.1", int(address.rpartition(":")[2])))
    await client.greet(hello())
    await client.say(opened(desk.uri, desk.prompt.read_text("utf-8")))
    await desk.command(1, "apo.gradients")
    for number in range(2, 200):
        await client.say(hover(number, desk.uri))
        assert "result" in await client.answer(number)
    await desk.lens("acc ")
    await client.leave()
    ended, _, err = await ending(process)
    assert ended == 0
    assert b"thread" not in err
    assert b"RuntimeError" not in err


async def test_shutdown_ends_the_servers_own_tasks_and_the_engine(desk: Desk, scripted: ScriptedServer) -> None:
    """The library's shutdown cancels open requests alone."""
    scripted.latency = 30
    await desk.start()
    await desk.command(1, "apo.evaluate")
    await eventually(lambda: len(scripted.log))
    engine = await asyncio.to_thread(desk.engine)
    await desk.client.say(SHUTDOWN)
    await desk.client.answer(SHUTDOWN["id"], 8)
    assert not engine.exists()
    await desk.client.say(EXIT)
    assert await code(desk.process) == 0


async def test_after_a_shutdown_nothing_is_said_but_answers(desk: Desk) -> None:
    """What was about to be shown is not; a client that is leaving takes no notifications."""
    client = await desk.start()
    await client.say(*(opened(f"{URI}{number}.prompt", BROKEN) for number in range(20)), SHUTDOWN, hover(1))
    await client.answer(SHUTDOWN["id"])
    client.heard.clear()
    assert (await client.answer(1))["error"]["code"] == types.ErrorCodes.InvalidRequest
    await asyncio.sleep(0.3)
    await client.say(EXIT)
    while await client.hear() is not None:
        pass
    assert [message for message in client.heard if "method" in message] == []
    assert await code(desk.process) == 0


async def test_nothing_is_advertised_that_would_not_be_answered(desk: Desk) -> None:
    """What needs a registration of its own, such as the content of virtual documents, is not promised without one."""
    desk.client, desk.process = await Raw.start(environ=desk.environ)
    said = {**HELLO["params"], "capabilities": profile("vscode-1.139").raw}
    await desk.client.say({**HELLO, "params": said}, READY)
    offered = (await desk.client.answer(HELLO["id"]))["result"]["capabilities"]
    assert "textDocumentContent" not in offered.get("workspace", {})
    assert "notebookDocumentSync" not in offered
    await desk.client.say(opened(desk.uri, desk.prompt.read_text("utf-8")))
    place = {"line": 1, "character": 1}
    params = {
        "textDocument": {"uri": desk.uri},
        "position": place,
        "range": {"start": place, "end": place},
        "context": {"diagnostics": [], "includeDeclaration": True, "triggerKind": 1},
        "positions": [place],
        "newName": "text",
    }
    methods = {
        "hover": "hover",
        "codeLens": "codeLens",
        "codeAction": "codeAction",
        "completion": "completion",
        "definition": "definition",
        "references": "references",
        "documentSymbol": "documentSymbol",
        "documentLink": "documentLink",
        "documentHighlight": "documentHighlight",
        "foldingRange": "foldingRange",
        "selectionRange": "selectionRange",
        "inlayHint": "inlayHint",
        "semanticTokens": "semanticTokens/full",
        "diagnostic": "diagnostic",
    }
    for name, method in methods.items():
        await desk.client.say({"id": name, "method": f"textDocument/{method}", "params": params})
        answer = await desk.client.answer(name)
        assert ("result" in answer) is (f"{name}Provider" in offered), answer
    await ends_well(desk)


def test_nothing_heavy_is_loaded_before_the_first_answer() -> None:
    """The SDK, tiktoken and the template library take longer to load than all the rest."""
    heavy = (
        "openai",
        "tiktoken",
        "dotpromptz",
        "ruamel",
        "rapidfuzz",
        "rich",
        "genai_prices",
        "xllamacpp",
        "websockets",
    )
    loaded = (
        f"import apo_server.main, apo_server.wiring, sys; print([name for name in {heavy!r} if name in sys.modules])"
    )
    shown = subprocess.run([sys.executable, "-c", loaded], capture_output=True, text=True, check=True)
    assert shown.stdout.strip() == "[]"


async def test_tokens_are_estimated_where_their_table_is_not_on_this_machine(
    desk: Desk, tmp_path: Path, scripted: ScriptedServer
) -> None:
    """tiktoken would download the table, and fail or hang without a network."""
    nowhere = "http://127.0.0.1:9"
    desk.environ |= {"HTTPS_PROXY": nowhere, "TIKTOKEN_CACHE_DIR": str(tmp_path / "ranks"), "NO_PROXY": "127.0.0.1"}
    await desk.start(window={"workDoneProgress": True})
    await desk.command(1, "apo.evaluate")
    await desk.lens("acc ")
    await ends_well(desk)
