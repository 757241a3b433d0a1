"""Ways to the server: pipes, sockets, web sockets; one editor each, and nothing left over when it is gone."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from apo_server.listening import Address
from tests.scripted import ScriptedServer
from tests.scripted.world import World
from tests.server.editor import environment
from tests.server.raw import EXIT, HELLO, READY, SHUTDOWN, Raw, code, ending, framed, hover, opened, until
from tests.server.sockets import Listen, hello, listening, tcp, token_file

BROKEN = "---\ninput: {schema: {text: string}}\n---\n{{txet}}\n"
URI = "file:///tmp/none/a.prompt"


@pytest_asyncio.fixture
async def listen() -> AsyncIterator[Listen]:
    """Starts servers that listen, and tells where; none outlives its test."""
    async with listening() as begin:
        yield begin


async def quiet_end(process: asyncio.subprocess.Process, *closed: str) -> int:
    """The exit code of a server that has written nothing but its address, and why it has closed connections."""
    ended, out, err = await ending(process)
    assert out == b""
    prefix = "WARNING apo_server.admission: A connection is closed: "
    assert err.decode().splitlines() == [f"{prefix}{reason}." for reason in closed]
    return ended


@pytest.mark.parametrize("given", ["0", "localhost:0", "127.0.0.1:0"])
async def test_a_socket_serves_one_editor_and_ends_with_it(listen: Listen, given: str) -> None:
    process, host, port = await listen("--tcp", given)
    assert host in ("127.0.0.1", "[::1]")
    client = await tcp(host.strip("[]"), port)
    assert (await client.greet())["result"]["serverInfo"]["name"] == "apo-language-server"
    await client.say(opened(URI, BROKEN))
    while (message := await client.hear()) and message.get("method") != "textDocument/publishDiagnostics":
        pass
    assert message and message["params"]["diagnostics"]
    await client.leave()
    assert await client.hear() is None
    assert await quiet_end(process) == 0


async def test_a_second_client_of_a_socket_is_not_let_in(listen: Listen) -> None:
    process, host, port = await listen("--tcp", "0")
    first = await tcp(host, port)
    await first.greet()
    with pytest.raises(OSError):
        await tcp(host, port)
    await first.say(hover(7))
    assert "result" in await first.answer(7)
    await first.leave()
    assert await quiet_end(process) == 0


async def test_who_connects_and_says_nothing_keeps_nobody_out(listen: Listen) -> None:
    process, host, port = await listen("--tcp", "0")
    silent = await tcp(host, port)
    passing = await tcp(host, port)
    passing.hang_up()
    client = await tcp(host, port)
    await client.greet()
    await client.leave()
    assert await quiet_end(process) == 0
    silent.hang_up()


async def test_a_page_in_a_browser_cannot_speak_to_a_socket(listen: Listen) -> None:
    process, host, port = await listen("--tcp", "0")
    page = await tcp(host, port)
    await page.shout(b"POST / HTTP/1.1\r\nHost: 127.0.0.1\r\n" + framed(HELLO))
    assert await page.hear() is None
    client = await tcp(host, port)
    await client.greet()
    await client.leave()
    reason = "it did not begin with an LSP message (a header line is malformed)"
    assert await quiet_end(process, reason) == 0


async def test_a_dropped_connection_ends_the_server(listen: Listen) -> None:
    process, host, port = await listen("--tcp", "0")
    client = await tcp(host, port)
    await client.greet()
    await client.shout(b"Content-Length: 400\r\n\r\n{")
    client.hang_up()
    assert await quiet_end(process) == 0


async def test_a_dropped_connection_ends_the_engine_process_too(
    listen: Listen, tmp_path: Path, scripted: ScriptedServer, world: World
) -> None:
    scripted.latency = 30
    prompt = world.write(tmp_path)
    environ = environment(tmp_path / "cache", scripted.base_url)
    process, host, port = await listen("--tcp", "0", "--token-file", str(token_file(tmp_path)), environ=environ)
    client = await tcp(host, port)
    await client.greet(hello())
    await client.say(opened(prompt.as_uri(), prompt.read_text("utf-8")))
    await client.say({"id": 5, "method": "workspace/executeCommand", "params": order(prompt.as_uri())})
    await until(lambda: len(scripted.log))
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children")
    engine = Path(f"/proc/{(await asyncio.to_thread(children.read_text)).split()[0]}")
    client.hang_up()
    await code(process)
    await until(lambda: not engine.exists())


def order(uri: str) -> dict[str, object]:
    return {"command": "apo.evaluate", "arguments": [uri]}


async def test_exit_without_shutdown_is_a_failure_over_a_socket(listen: Listen) -> None:
    process, host, port = await listen("--tcp", "0")
    client = await tcp(host, port)
    await client.greet()
    await client.say(EXIT)
    while await client.hear() is not None:
        pass
    assert await quiet_end(process) == 1


async def test_a_web_socket_serves_one_editor_in_text_and_ends_with_it(listen: Listen) -> None:
    process, host, port = await listen("--ws", "0")
    async with connect(f"ws://{host}:{port}") as page:
        for message in (HELLO, READY, opened(URI, BROKEN)):
            await page.send(json.dumps({"jsonrpc": "2.0", **message}))
        heard: list[dict[str, object]] = []
        while not heard or heard[-1].get("method") != "textDocument/publishDiagnostics":
            said = await asyncio.wait_for(page.recv(), 15)
            assert isinstance(said, str)
            heard.append(json.loads(said))
        assert heard[0]["id"] == HELLO["id"]
        with pytest.raises(OSError):
            await connect(f"ws://{host}:{port}")
        await page.send(b"no json")
        for message in (SHUTDOWN, EXIT):
            await page.send(json.dumps({"jsonrpc": "2.0", **message}))
        rest = [json.loads(said) async for said in page]
        assert SHUTDOWN["id"] in {message.get("id") for message in rest}
    assert await code(process) == 0


async def test_a_dropped_web_socket_ends_the_server(listen: Listen) -> None:
    process, host, port = await listen("--ws", "0")
    async with connect(f"ws://{host}:{port}") as page:
        await page.send(json.dumps({"jsonrpc": "2.0", **HELLO}))
        await page.recv()
        page.transport.abort()
    assert await quiet_end(process) == 0


async def test_pages_of_other_machines_cannot_connect(listen: Listen) -> None:
    process, host, port = await listen("--ws", "0")
    for origin in ("https://evil.example", "http://localhost.evil.example", "null"):
        with pytest.raises(InvalidStatus):
            await connect(f"ws://{host}:{port}", origin=origin)  # type: ignore[arg-type]
    async with connect(f"ws://{host}:{port}", origin="http://localhost:8080") as page:  # type: ignore[arg-type]
        await page.send(json.dumps({"jsonrpc": "2.0", **HELLO}))
        assert json.loads(await page.recv())["id"] == HELLO["id"]
    assert await quiet_end(process, "its Origin header does not name a page of this machine") == 0


async def test_pipes_are_the_default_and_an_editor_that_is_gone_ends_the_server() -> None:
    for arguments in ((), ("--stdio",)):
        client, process = await Raw.start(*arguments)
        await client.greet()
        client.hang_up()
        assert await quiet_end(process) == 0


async def test_an_editor_that_stops_reading_alone_is_noticed() -> None:
    """Its end of the replies is closed, and it goes on sending requests."""
    read_end, write_end = os.pipe()
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "apo_server"), stdin=asyncio.subprocess.PIPE, stdout=write_end
    )
    os.close(write_end)
    os.close(read_end)
    assert process.stdin
    process.stdin.write(framed(HELLO))
    assert await code(process) == 0
    process.stdin.close()


@pytest.mark.parametrize(
    "arguments", [["--tcp", "x"], ["--tcp", "70000"], ["--ws", "host:"], ["--tcp", "0", "--stdio"]]
)
def test_a_command_line_that_makes_no_sense_is_refused(arguments: list[str]) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "apo_server", *arguments], capture_output=True, text=True, timeout=30, check=False
    )
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    assert "error: argument" in done.stderr


@pytest.mark.parametrize("way", ["--tcp", "--ws"])
async def test_an_address_that_is_taken_is_named_with_a_remedy(way: str) -> None:
    holder = await asyncio.start_server(lambda *_: None, "127.0.0.1", 0)
    port = holder.sockets[0].getsockname()[1]
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "apo_server", way, str(port)), stderr=asyncio.subprocess.PIPE
    )
    ended, _, err = await ending(process)
    said = err.decode()
    assert ended == 2
    assert said.startswith(f"apo-language-server: Cannot listen on 127.0.0.1:{port}: ")
    assert said.endswith("Choose another port, or 0 for any.\n")
    assert said.count("\n") == 1
    holder.close()


def test_addresses_are_of_this_machine_unless_a_host_is_named() -> None:
    assert Address.parse("8765") == Address("127.0.0.1", 8765)
    assert Address.parse("0.0.0.0:1") == Address("0.0.0.0", 1)
    assert Address.parse("[::1]:2") == Address("::1", 2)
    assert str(Address.parse("[::1]:2")) == "[::1]:2"
