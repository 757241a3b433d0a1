"""The editor's line is the editor's: whoever else connects to a socket is closed, unheard, and the editor is served.

Each attack is made on a real socket, and ends with the editor, who comes last and must be the only one that is heard.
"""

from __future__ import annotations

import asyncio
import json
import socket
import struct
import time
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
import pytest_asyncio

from tests.attacks.door import EVIL, closing, door, web_answer, web_door
from tests.attacks.strangers import STRANGERS
from tests.server.raw import EXIT, HELLO, READY, SHUTDOWN, Raw, ending, framed, hover, opened, until
from tests.server.sockets import Listen, listening, tcp


@pytest.mark.parametrize("given", STRANGERS.values(), ids=STRANGERS.keys())
async def test_a_stranger_is_closed_unheard_and_unanswered(given: bytes) -> None:
    async with door() as opened_door:
        assert await opened_door.attack(given) == b""
        await opened_door.expect_served()


@pytest.mark.parametrize(
    "name", ["POST with a length in its Referer", "a TLS hello", "two lengths", "an empty line first"]
)
async def test_a_stranger_that_sends_byte_by_byte_is_closed_too(name: str) -> None:
    async with door() as opened_door:
        reader, writer = await opened_door.connect()
        sock = writer.get_extra_info("socket")
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for byte in STRANGERS[name][:400]:
            if writer.transport.is_closing():
                break
            writer.write(bytes([byte]))
            await asyncio.sleep(0)
        assert await closing(reader) == b""
        await opened_door.expect_served()
        writer.close()


def body(value: object) -> bytes:
    raw = value if isinstance(value, bytes) else json.dumps(value).encode()
    return b"Content-Length: %d\r\n\r\n%b" % (len(raw), raw)


def first(**changes: Any) -> bytes:
    """A first message with members changed, or left out where they are ``...``."""
    return body({key: value for key, value in ({"jsonrpc": "2.0", **HELLO} | changes).items() if value is not ...})


# Frames, of which the first is not an `initialize` request.
IMPOSTORS = {
    "a notification": framed({"method": "initialized", "params": {}}),
    "initialize as a notification": first(id=...),
    "initialize with the id null": first(id=None),
    "initialize with the id true": first(id=True),
    "initialize with a fraction as its id": first(id=1.5),
    "initialize with an object as its id": first(id={"a": 1}),
    "initialize in a batch": body([{"jsonrpc": "2.0", **HELLO}]),
    "initialize of another version": first(jsonrpc="1.0"),
    "initialize without a version": first(jsonrpc=...),
    "a method that is a list": first(method=["initialize"]),
    "an answer": body({"jsonrpc": "2.0", "id": 1, "result": {}}),
    "exit": framed(EXIT),
    "an empty body": body(b""),
    "a number": body(b"1"),
    "a text": body("initialize"),
    "not JSON": body(b"POST / HTTP/1.1"),
    "a byte order mark": body(b"\xef\xbb\xbf" + json.dumps({"jsonrpc": "2.0", **HELLO}).encode()),
    "UTF-16": body(json.dumps({"jsonrpc": "2.0", **HELLO}).encode("utf-16")),
    "not UTF-8": body(json.dumps({"jsonrpc": "2.0", **HELLO, "x": "?"}).encode().replace(b"?", b"\xff")),
    "two messages in one frame": body(json.dumps({"jsonrpc": "2.0", **HELLO}).encode() * 2),
    "a body that is cut off by its length": b"Content-Length: 5\r\n\r\n" + json.dumps(HELLO).encode(),
    "JSON that nests deeper than any reader": body(b"[" * 200_000),
    "an id of 5,000 digits": body(
        b'{"jsonrpc":"2.0","method":"initialize","params":{"capabilities":{}},"id":' + b"9" * 5000 + b"}"
    ),
}
# The same, but requests: their clients are told that they are not served.
REQUESTS = {
    "a hover": framed(hover(7)),
    "a command": framed({"id": 7, "method": "workspace/executeCommand", "params": {"command": "apo.evaluate"}}),
    "shutdown": framed(SHUTDOWN),
    "initialize in other letters": first(method="Initialize"),
    "initialize with a NUL": first(method="initialize\0"),
    "initialize without parameters": first(params=...),
    "initialize with a list of parameters": first(params=[{"capabilities": {}}]),
    "initialize without capabilities": first(params={"processId": None}),
    "initialize with capabilities that are none": first(params={"capabilities": "all"}),
}


@pytest.mark.parametrize("given", IMPOSTORS.values(), ids=IMPOSTORS.keys())
async def test_an_impostor_is_closed_unheard_and_unanswered(given: bytes) -> None:
    async with door() as opened_door:
        assert await opened_door.attack(given + EVIL) == b""
        await opened_door.expect_served()


@pytest.mark.parametrize("depth", range(900, 1000, 33))
async def test_initialize_that_nests_as_deep_as_can_be_read_costs_a_place_at_most(depth: int) -> None:
    deep = b"[" * depth + b"]" * depth
    async with door() as opened_door:
        given = first(params={"capabilities": {"experimental": "?"}}).partition(b"\r\n\r\n")[2]
        answer = await opened_door.attack(body(given.replace(b'"?"', deep)) + b"\r\n")
        if b"served" not in answer:
            await opened_door.expect_served()


@pytest.mark.parametrize("given", REQUESTS.values(), ids=REQUESTS.keys())
async def test_a_request_before_initialize_is_answered_with_an_error_and_closed(given: bytes) -> None:
    async with door() as opened_door:
        answer = await opened_door.attack(given)
        assert json.loads(answer.partition(b"\r\n\r\n")[2])["error"]["code"] in (-32002, -32602)
        await opened_door.expect_served()


async def test_the_editor_is_admitted_however_its_bytes_arrive_and_nothing_of_them_is_lost() -> None:
    async with door() as opened_door:
        reader, writer = await opened_door.connect()
        large = {"method": "textDocument/didOpen", "params": {"text": "x" * 600_000}}
        for byte in framed(HELLO)[:-1]:
            writer.write(bytes([byte]))
            await asyncio.sleep(0)
        writer.write(framed(HELLO)[-1:] + framed(READY, large, {"method": "last"}))
        await until(lambda: len(opened_door.heard) == 4)
        assert [message["method"] for message in opened_door.heard] == [
            *("initialize", "initialized", "textDocument/didOpen", "last"),
        ]
        assert b'"served"' in await reader.read(4096)
        writer.close()


@pytest.mark.parametrize("given", [b"\r\n", b"GET / HTTP/1.1\r\n\r\n", b"Content-Length: 2\n\n{}"])
async def test_a_frame_that_breaks_later_ends_the_connection(given: bytes) -> None:
    async with door() as opened_door:
        assert b'"served"' in await opened_door.attack(framed(HELLO) + given + EVIL)
        assert [message["method"] for message in opened_door.heard] == ["initialize"]


# Clients that take their time, or their leave.


@pytest.mark.parametrize("given", [b"", b"Content-Le", b"Content-Length: 90\r\n", framed(HELLO)[:-1]])
async def test_who_waits_does_not_keep_the_editor_waiting_and_is_closed_when_it_is_there(given: bytes) -> None:
    async with door() as opened_door:
        reader, writer = await opened_door.connect()
        writer.write(given)
        await asyncio.sleep(0.02)
        begun = time.monotonic()
        await opened_door.expect_served()
        assert time.monotonic() - begun < 2
        assert await closing(reader) == b""
        writer.close()


async def test_who_sends_a_byte_now_and_then_is_closed_after_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("apo_server.tcp.PATIENCE", 0.5)
    async with door() as opened_door:
        reader, writer = await opened_door.connect()
        begun = time.monotonic()
        for byte in framed(HELLO):
            if reader.at_eof() or writer.transport.is_closing():
                break
            writer.write(bytes([byte]))
            await asyncio.sleep(0.05)
        assert await closing(reader) == b""
        assert time.monotonic() - begun < 3
        await opened_door.expect_served()
        writer.close()


@pytest.mark.parametrize("make", [door, web_door])
async def test_two_hundred_idle_connections_keep_nobody_out(make: Callable[[], Any]) -> None:
    async with make() as opened_door:
        idle = [await opened_door.connect() for _ in range(200)]
        await asyncio.sleep(0.05)
        still = [writer for reader, writer in idle if not reader.at_eof() and reader.exception() is None]
        assert len(still) <= 64, "so many are looked at, and no more"
        if make is door:
            await opened_door.expect_served()
        else:
            assert await web_answer(opened_door) == "served"
        for _, writer in idle:
            writer.close()


async def test_fifty_clients_that_send_without_end_keep_nobody_out() -> None:
    async with door() as opened_door:
        flood = [await opened_door.connect() for _ in range(50)]
        for _, writer in flood:
            writer.write(b"Content-Length: 262144\r\n\r\n" + b"[" * 200_000)
        await opened_door.expect_served()
        for _, writer in flood:
            writer.close()


async def test_who_connects_and_leaves_is_forgotten() -> None:
    async with door() as opened_door:
        for _ in range(100):
            _, writer = await opened_door.connect()
            writer.close()
        await opened_door.expect_served()


async def test_who_resets_the_connection_is_forgotten() -> None:
    async with door() as opened_door:
        for given in (b"", b"Content-Length: 5\r\n", b"POST / HTTP/1.1\r\n"):
            with socket.create_connection(("127.0.0.1", opened_door.port)) as client:
                client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                client.sendall(given)
                await asyncio.sleep(0.02)
        await opened_door.expect_served()


@pytest.mark.parametrize("given", [b"", framed(HELLO)[:-5], STRANGERS["GET"]])
async def test_who_closes_its_own_half_is_closed(given: bytes) -> None:
    async with door() as opened_door:
        reader, writer = await opened_door.connect()
        writer.write(given)
        writer.write_eof()
        assert await closing(reader) == b""
        await opened_door.expect_served()
        writer.close()


async def test_of_two_editors_at_once_one_is_served_and_the_other_closed() -> None:
    async with door() as opened_door:
        pair = [await opened_door.connect() for _ in range(2)]
        for number, (_, writer) in enumerate(pair):
            writer.write(framed({**HELLO, "id": number}))
        await until(lambda: opened_door.heard)
        served = opened_door.heard[0]["id"]
        assert b"served" in await pair[served][0].read(4096)
        assert await closing(pair[1 - served][0]) == b""
        for _, writer in pair:
            writer.close()
        assert len(opened_door.heard) == 1


# The server as a process.


@pytest_asyncio.fixture
async def listen() -> AsyncIterator[Listen]:
    async with listening() as begin:
        yield begin


async def test_the_real_server_refuses_a_browser_and_serves_the_editor(listen: Listen) -> None:
    process, host, port = await listen("--tcp", "0")
    for name in ("POST whose address fills the first packets", "POST with frames as its body", "a TLS hello"):
        reader, writer = await asyncio.open_connection(host, port)
        writer.write(STRANGERS[name])
        assert await closing(reader) == b""
        writer.close()
    client = await tcp(host, port)
    await client.greet()
    await client.leave()
    ended, _, err = await ending(process)
    assert ended == 0
    assert err.count(b"A connection is closed: it did not begin with an LSP message") == 2


# Standard input and output: the peer is the editor, and must still not be made to say what it did not.


async def test_a_document_cannot_forge_a_header_for_an_editor_that_counts_wrongly() -> None:
    client, process = await Raw.start()
    await client.greet()
    forged = framed({"method": "exit"}).decode()
    honest = framed(opened("file:///none/a.prompt", f"{forged}\n{forged}"))
    await client.shout(honest.replace(b"Content-Length: ", b"Content-Length: 9\r\n\r\n{", 1))
    await client.shout(b"X: content-length: 2\r\n\r\n{}" + b"\r\n")
    await client.say(hover("after"))
    assert "result" in await client.answer("after"), "it is there"
    await client.leave()
    ended, _, err = await ending(process)
    assert ended == 0
    assert b"The editor's input is not valid" in err


async def test_two_initialize_requests_in_one_packet_are_one() -> None:
    client, process = await Raw.start()
    await client.say(HELLO, {**HELLO, "id": "again"}, READY)
    assert (await client.answer("again"))["error"]["code"] == -32600
    await client.leave()
    assert (await ending(process))[0] == 0
