"""Clients that send nonsense, flood, stay silent or vanish: the server goes on, or ends in order."""

from __future__ import annotations

import asyncio
import os
import random
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any, get_args

import pytest
import pytest_asyncio
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from lsprotocol import types

from tests.scripted import ScriptedServer
from tests.scripted.world import World
from tests.server.conftest import StartEditor
from tests.server.editor import environment
from tests.server.nonsense import NONSENSE
from tests.server.profiles import profile
from tests.server.raw import EXIT, HELLO, READY, SHUTDOWN, Raw, changed, code, ending, framed, hover, opened, until

URI = "file:///tmp/none/a.prompt"
BROKEN = "---\ninput: {schema: {text: string}}\n---\n{{txet}}\n"
Started = tuple[Raw, asyncio.subprocess.Process]


@pytest_asyncio.fixture
async def begin() -> AsyncIterator[Callable[..., Awaitable[Started]]]:
    """Starts servers with a line to each; none outlives its test."""
    started: list[asyncio.subprocess.Process] = []

    async def start(*arguments: str, **more: Any) -> Started:
        client, process = await Raw.start(*arguments, **more)
        started.append(process)
        return client, process

    yield start
    for process in started:
        if process.returncode is None:
            process.kill()
            await process.wait()


Begin = Callable[..., Awaitable[Started]]


async def healthy(client: Raw, process: asyncio.subprocess.Process) -> None:
    """The server answers, shows what is wrong with a prompt, pops nothing up, and ends in order."""
    uri = "file:///tmp/none/health.prompt"
    await client.say(opened(uri, BROKEN), hover("health", uri))
    assert "result" in await client.answer("health")
    while not _diagnostics(client, uri):
        assert await client.hear() is not None
    await client.leave()
    ended, _, err = await ending(process)
    assert ended == 0
    assert b"Traceback" not in err
    assert [said for said in client.heard if said.get("method") == "window/showMessage"] == []


def _diagnostics(client: Raw, uri: str) -> list[Any]:
    shown = [m["params"] for m in client.heard if m.get("method") == "textDocument/publishDiagnostics"]
    return [found for params in shown if params["uri"] == uri for found in params["diagnostics"]]


@pytest.mark.parametrize("given", NONSENSE.values(), ids=NONSENSE.keys())
async def test_nonsense_leaves_the_server_healthy(begin: Begin, given: bytes) -> None:
    client, process = await begin()
    await client.greet()
    await client.shout(given)
    await client.shout(b"\r\n")
    await client.say(hover("after"))
    await client.answer("after")
    told = [message for message in client.heard if message.get("method") == "window/showMessage"]
    assert all("'apo" in message["params"]["message"] for message in told), "only a setting may be complained about"
    client.heard.clear()
    await healthy(client, process)


@given(st.lists(st.binary(max_size=80), max_size=8))
@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
async def test_no_bytes_bring_the_server_down(pieces: list[bytes]) -> None:
    client, process = await Raw.start()
    await client.greet()
    for piece in pieces:
        await client.shout(piece)
    await client.shout(b"\r\n\r\n")
    # A header that the noise began may swallow what follows it.
    await client.say(*({"method": "$/nothing", "params": {"words": "x" * 200}} for _ in range(3)))
    await healthy(client, process)


async def test_unknown_requests_are_refused_and_unknown_commands_too(begin: Begin) -> None:
    client, process = await begin()
    await client.greet()
    await client.say({"id": 1, "method": "no/such", "params": {}}, {"id": "two", "method": "$/none"})
    assert (await client.answer(1))["error"]["code"] == types.ErrorCodes.MethodNotFound
    assert (await client.answer("two"))["error"]["code"] == types.ErrorCodes.MethodNotFound
    await client.say({"id": 3, "method": "workspace/executeCommand", "params": {"command": "rm -rf"}})
    assert (await client.answer(3))["error"]["code"] == types.ErrorCodes.InvalidParams
    await healthy(client, process)


async def test_requests_with_wrong_parameters_are_answered(begin: Begin) -> None:
    client, process = await begin()
    answer = await client.greet()
    offered = [
        method
        for method, (request, *_) in types.METHOD_TO_TYPES.items()
        if method.startswith("textDocument/") and request in get_args(types.REQUESTS)
    ]
    assert len(offered) > 20, answer
    wrong = (None, 3, [], {}, "x", {"textDocument": 3}, {"textDocument": {"uri": None}, "position": {"line": -1}})
    number = 0
    for method in (*offered, "workspace/executeCommand", "codeAction/resolve", "completionItem/resolve"):
        for params in wrong:
            number += 1
            await client.say({"id": number, "method": method, "params": params})
            answer = await client.answer(number)
            assert ("error" in answer) is ("result" not in answer)
    client.heard.clear()
    await healthy(client, process)


async def test_before_initialize_requests_are_refused_and_notifications_ignored(begin: Begin) -> None:
    client, process = await begin()
    await client.say(hover(1), opened(URI, BROKEN), {"id": 2, "method": "no/such"}, {"id": 3, "method": "shutdown"})
    for number in (1, 2, 3):
        assert (await client.answer(number))["error"]["code"] == types.ErrorCodes.ServerNotInitialized
    await client.greet()
    assert _diagnostics(client, URI) == []
    await healthy(client, process)


async def test_a_second_initialize_is_refused(begin: Begin) -> None:
    client, process = await begin()
    await client.greet()
    await client.say({**HELLO, "id": 5})
    assert (await client.answer(5))["error"]["code"] == types.ErrorCodes.InvalidRequest
    await healthy(client, process)


async def test_an_initialize_that_cannot_be_read_may_be_put_again(begin: Begin) -> None:
    client, process = await begin()
    await client.say({"id": 1, "method": "initialize", "params": {"capabilities": 5}})
    assert "error" in await client.answer(1)
    await client.greet()
    await healthy(client, process)


async def test_after_shutdown_requests_are_refused_and_exit_ends_the_server(begin: Begin) -> None:
    client, process = await begin()
    await client.greet()
    await client.say(SHUTDOWN, hover(1), opened(URI, BROKEN), {"id": 2, "method": "shutdown"})
    assert (await client.answer(SHUTDOWN["id"])).get("result", 0) is None
    for number in (1, 2):
        assert (await client.answer(number))["error"]["code"] == types.ErrorCodes.InvalidRequest
    await client.say(EXIT)
    assert await code(process) == 0
    assert _diagnostics(client, URI) == []


async def test_exit_as_the_very_first_word_ends_the_server(begin: Begin) -> None:
    client, process = await begin()
    await client.say(EXIT)
    assert await code(process) == 1


async def test_answers_of_the_wrong_kind_hold_nothing_up(begin: Begin) -> None:
    """The server asks for the settings; whatever comes back instead is no reason to wait."""
    client, process = await begin()
    can = {"workspace": {"configuration": True}, "window": {"workDoneProgress": True}}
    await client.say({**HELLO, "params": {**HELLO["params"], "capabilities": can}}, READY)
    asked = 0
    while asked < 1:
        message = await client.hear()
        assert message is not None
        if message.get("method") == "workspace/configuration":
            asked += 1
            await client.say({"id": message["id"], "result": {"not": "a list"}})
            await client.say({"id": message["id"], "result": [None]})
    await healthy(client, process)


async def test_a_flood_of_changes_ends_with_what_is_true(begin: Begin) -> None:
    """The client writes 2,000 changes at once and reads nothing meanwhile: neither side may wait for the other."""
    client, process = await begin()
    await client.greet()
    text = "\n".join(f"Line {number} says something about {{{{text}}}}." for number in range(100))
    await client.say(opened(URI, BROKEN))
    begun = time.monotonic()
    flood = framed(*(changed(URI, number, f"{BROKEN}{number}\n{text}") for number in range(2, 2002)))
    await asyncio.wait_for(client.shout(flood), 60)
    await client.say(changed(URI, 2002, BROKEN.replace("txet", "tetx")), hover("end", URI))
    await client.answer("end", 60)
    while "tetx" not in "".join(found["message"] for found in _diagnostics(client, URI)):
        assert await client.hear() is not None
    assert time.monotonic() - begun < 60
    client.heard.clear()
    await healthy(client, process)


async def test_a_client_that_does_not_read_is_still_read_from(begin: Begin) -> None:
    """Answers of more than any pipe holds pile up; then they are all there."""
    client, process = await begin()
    await client.greet()
    unknown = {"method": "no/such/" + "x" * 3000}
    await asyncio.wait_for(client.shout(framed(*({"id": n, **unknown} for n in range(1, 3001)))), 30)
    answers = [await client.answer(number) for number in range(1, 3001)]
    assert all(answer["error"]["code"] == types.ErrorCodes.MethodNotFound for answer in answers)
    await healthy(client, process)


async def test_standard_error_that_nobody_reads_stops_nothing(begin: Begin) -> None:
    read_end, write_end = os.pipe()
    client, process = await begin("--log-level", "info", stderr=write_end)
    os.close(write_end)
    await client.greet()
    await client.say(*({"method": f"no/such/{number}" + "x" * 100} for number in range(5000)))
    await healthy(client, process)
    os.close(read_end)


@pytest.mark.parametrize("name", ["vscode-1.139", "neovim-0.7"])
async def test_a_client_that_answers_nothing_is_served_all_the_same(
    begin: Begin, name: str, tmp_path: Path, scripted: ScriptedServer, world: World
) -> None:
    """It says that it can do everything, and answers no question, no registration and no refresh."""
    prompt = world.write(tmp_path)
    uri = prompt.as_uri()
    client, process = await begin(environ=environment(tmp_path / "cache", scripted.base_url))
    said = profile(name).raw
    await client.say({**HELLO, "params": {**HELLO["params"], "capabilities": said}}, READY)
    await client.answer(HELLO["id"])
    await client.say(opened(uri, prompt.read_text("utf-8")))
    saved = {"method": "textDocument/didSave", "params": {"textDocument": {"uri": uri}}}
    await client.say(saved)
    number = 0
    while True:
        number += 1
        await client.say({"id": number, "method": "textDocument/codeLens", "params": {"textDocument": {"uri": uri}}})
        lenses = (await client.answer(number))["result"] or []
        if any(lens["command"]["title"].startswith("acc ") for lens in lenses):
            break
        assert number < 400
        await asyncio.sleep(0.05)
    asked = [message for message in client.heard if "method" in message and "id" in message]
    assert asked or name == "neovim-0.7", "there was something to answer"
    await client.leave()
    assert await code(process) == 0


async def test_a_client_that_never_answers_the_question_sends_nothing(
    begin: Begin, tmp_path: Path, scripted: ScriptedServer, world: World
) -> None:
    prompt = world.write(tmp_path)
    environ = environment(tmp_path / "cache", scripted.base_url.replace("127.0.0.1", "0.0.0.0"))
    client, process = await begin(environ=environ)
    await client.greet()
    await client.say(opened(prompt.as_uri(), prompt.read_text("utf-8")))
    run = {"command": "apo.evaluate", "arguments": [prompt.as_uri()]}
    await client.say({"id": 1, "method": "workspace/executeCommand", "params": run})
    while (message := await client.hear()) and message.get("method") != "window/showMessageRequest":
        pass
    await client.say(hover(2))
    await client.answer(2)
    await client.leave()
    assert await code(process) == 0
    assert len(scripted.log) == 0


async def test_a_client_that_vanishes_in_the_middle_of_a_run_leaves_no_process(
    begin: Begin, tmp_path: Path, scripted: ScriptedServer, world: World
) -> None:
    scripted.latency = 30
    prompt = world.write(tmp_path)
    client, process = await begin(environ=environment(tmp_path / "cache", scripted.base_url))
    await client.greet()
    await client.say(opened(prompt.as_uri(), prompt.read_text("utf-8")))
    run = {"command": "apo.evaluate", "arguments": [prompt.as_uri()]}
    await client.say({"id": 1, "method": "workspace/executeCommand", "params": run})
    await until(lambda: len(scripted.log))
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children")
    engine = Path(f"/proc/{(await asyncio.to_thread(children.read_text)).split()[0]}")
    client.hang_up()
    begun = time.monotonic()
    assert await code(process) == 0
    await until(lambda: not engine.exists())
    assert time.monotonic() - begun < 5


async def test_messages_in_any_order_leave_the_server_healthy(begin: Begin) -> None:
    chance = random.Random(7)
    client, process = await begin()
    await client.greet()
    names = [f"file:///tmp/none/{name}.prompt" for name in "abc"]

    def message(number: int) -> dict[str, Any]:
        uri = chance.choice(names)
        named = {"textDocument": {"uri": uri}}
        lens = {"id": number, "method": "textDocument/codeLens", "params": named}
        closed = {"method": "textDocument/didClose", "params": named}
        saved = {"method": "textDocument/didSave", "params": named}
        stop = {"method": "$/cancelRequest", "params": {"id": chance.randrange(number + 5)}}
        command = {"command": chance.choice(["apo.cancel", "apo.ignoreCritique"]), "arguments": [uri, {}, None]}
        order = {"id": number, "method": "workspace/executeCommand", "params": command}
        edit = changed(uri, chance.randrange(9), chance.choice(["", "{{", "---\n", BROKEN]))
        return chance.choice([lens, closed, saved, stop, order, edit, opened(uri, BROKEN), hover(number, uri)])

    for start in range(0, 600, 20):
        await client.say(*(message(number) for number in range(start, start + 20)))
    await healthy(client, process)


async def test_files_that_never_end_are_not_read(begin: Begin, tmp_path: Path) -> None:
    """A workspace holds pipes where files are expected: reading one waits for somebody to write to it."""
    os.mkfifo(tmp_path / "_tone.prompt")
    os.mkfifo(tmp_path / "rows.jsonl")
    client, process = await begin()
    await client.greet()
    uri = (tmp_path / "a.prompt").as_uri()
    await client.say(opened(uri, "---\napo.examples: rows.jsonl\n---\n{{> tone}} {{text}}\n"), hover(1, uri))
    await client.answer(1)
    await client.say({"method": "textDocument/didSave", "params": {"textDocument": {"uri": uri}}})
    await asyncio.sleep(0.5)
    await healthy(client, process)


async def test_an_editor_that_misbehaves_keeps_its_diagnostics(start: StartEditor) -> None:
    editor = await start()
    uri = editor.open("new.prompt", BROKEN)
    (found,) = await editor.until(lambda: editor.diagnostics(uri, "variable-undefined"))
    for noise in (b"{", b"[]", b'{"jsonrpc": "2.0", "id": {}, "method": "x"}'):
        editor.send_raw(noise)
    editor.replace(uri, "{{txet}}", "😀 {{txet}}")
    shown = editor.diagnostics
    moved = await editor.until(lambda: [d for d in shown(uri, "variable-undefined") if d.range != found.range])
    assert editor.marked(uri, moved[0]) in ("txet", "{{txet}}")
    assert editor.messages() == []
