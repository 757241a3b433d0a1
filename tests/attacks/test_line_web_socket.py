"""The editor's line over a web socket: pages of other machines, other names of this one, and messages of all kinds."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from tests.attacks.door import EVIL, Door, closing, web_answer, web_door
from tests.attacks.strangers import STRANGERS, upgrade
from tests.server.raw import EXIT, HELLO, READY, until
from tests.server.sockets import TOKEN, hello


@pytest.fixture
def no_penalty(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("apo_server.admission._PENALTY", 0.01)


PAGES = {
    "of another machine": "https://evil.example",
    "without an origin of its own": "null",
    "of a file": "file://",
    "of a name that begins like this machine": "http://localhost.evil.example",
    "of a name that ends like this machine": "http://evil-localhost",
    "of an address that begins like this machine": "http://127.0.0.1.evil.example",
    "with a user": "http://localhost@evil.example",
    "of this machine and another": "http://localhost https://evil.example",
    "of a browser's extension": "chrome-extension://abcdefghijklmnop",
    "of no name": "",
    "of another loopback address": "http://127.0.0.2",
    "with a path": "http://localhost/evil",
}
REBOUND = {
    "another name": "evil.example:8765",
    "a name that begins like this machine": "localhost.evil.example",
    "a name that begins like its address": "127.0.0.1.evil.example",
    "a user": "localhost@evil.example",
    "a name behind a slash": "evil.example/localhost",
    "a dot at the end": "localhost.",
    "an address of the network": "192.168.1.5",
    "the address of any": "0.0.0.0",
    "none": None,
    "an empty one": "",
    "two": "localhost\r\nHost: evil.example",
}
TARGETS = {
    "a path": "/lsp",
    "two slashes": "//",
    "dots": "/../",
    "an address of its own": "http://127.0.0.1/",
    "another machine's address": "http://evil.example/",
    "a fragment": "/#",
}
SHOWN = {
    "wrong": "/?token=wrong",
    "empty": "/?token=",
    "its beginning": f"/?token={TOKEN[:-1]}",
    "twice": f"/?token={TOKEN}&token={TOKEN}",
    "once right, once wrong": f"/?token={TOKEN}&token=x",
    "escaped twice": "/?token=" + TOKEN.replace("-", "%252D"),
}


async def _http_status(opened_door: Door, given: bytes) -> int:
    answer = await opened_door.attack(given)
    assert TOKEN.encode() not in answer
    return int(answer.split(b" ", 2)[1])


@pytest.mark.parametrize("origin", PAGES.values(), ids=PAGES.keys())
@pytest.mark.parametrize("secret", [None, TOKEN], ids=["no token", "token"])
async def test_a_page_cannot_open_a_web_socket_even_if_it_knows_the_token(origin: str, secret: str | None) -> None:
    async with web_door(secret) as opened_door:
        given = upgrade(f"Origin: {origin}", target=f"/?token={TOKEN}")
        assert await _http_status(opened_door, given) == 403
        assert await web_answer(opened_door, path=f"/?token={TOKEN}") == "served"


async def test_a_page_cannot_name_two_origins() -> None:
    async with web_door() as opened_door:
        given = upgrade("Origin: http://localhost", "Origin: https://evil.example")
        assert await _http_status(opened_door, given) == 403


@pytest.mark.parametrize("host", REBOUND.values(), ids=REBOUND.keys())
async def test_a_name_that_was_pointed_at_this_machine_opens_no_web_socket(host: str | None) -> None:
    async with web_door() as opened_door:
        assert await _http_status(opened_door, upgrade(host=host)) == 403
        assert await web_answer(opened_door) == "served"


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST:1", "127.0.0.1:80", "[::1]:8765", "127.0.0.2"])
async def test_this_machine_may_be_named_in_several_ways(host: str) -> None:
    async with web_door() as opened_door:
        reader, writer = await opened_door.connect()
        writer.write(upgrade("Origin: http://localhost:3000", host=host))
        assert (await reader.readline()).startswith(b"HTTP/1.1 101 ")
        writer.close()


@pytest.mark.parametrize("target", TARGETS.values(), ids=TARGETS.keys())
async def test_a_web_socket_is_at_its_root_alone(target: str) -> None:
    async with web_door() as opened_door:
        assert await _http_status(opened_door, upgrade(target=target)) == 403
        assert await web_answer(opened_door) == "served"


@pytest.mark.usefixtures("no_penalty")
@pytest.mark.parametrize("target", SHOWN.values(), ids=SHOWN.keys())
async def test_what_is_not_the_token_in_an_address_is_refused(target: str) -> None:
    async with web_door(TOKEN) as opened_door:
        assert await _http_status(opened_door, upgrade(target=target)) == 401
        assert await web_answer(opened_door, path=f"/?a=b&token={TOKEN}") == "served"


@pytest.mark.usefixtures("no_penalty")
@pytest.mark.parametrize(
    "given",
    [
        {"Authorization": f"Bearer {TOKEN}"},
        {"Cookie": f"token={TOKEN}"},
        {"Sec-WebSocket-Protocol": TOKEN},
        {"X-Path": f"/?token={TOKEN}"},
    ],
    ids=lambda given: next(iter(given)),
)
async def test_a_token_in_a_header_is_none(given: dict[str, str]) -> None:
    async with web_door(TOKEN) as opened_door:
        async with connect(f"ws://127.0.0.1:{opened_door.port}/", additional_headers=given) as client:
            await client.send(json.dumps({"jsonrpc": "2.0", **HELLO}))
            said = json.loads(await client.recv())
            assert said["error"]["code"] == -32803
            with pytest.raises(ConnectionClosed):
                await client.recv()
        assert await web_answer(opened_door, hello()) == "served"


Attack = Callable[[Any], Awaitable[None]]


async def _fragments(client: Any) -> None:
    async def pieces() -> AsyncIterator[str]:
        for _ in range(300):
            yield "[" * 1000

    await client.send(pieces())


async def _raw(client: Any, given: bytes) -> None:
    client.transport.write(given)


IN_A_WEB_SOCKET: dict[str, Attack] = {
    "a message too long": lambda client: client.send("[" * 300_000),
    "a message too long, in fragments": _fragments,
    "a message with headers": lambda client: client.send(EVIL.decode()),
    "a batch": lambda client: client.send(json.dumps([{"jsonrpc": "2.0", **HELLO}])),
    "a notification": lambda client: client.send(json.dumps({"jsonrpc": "2.0", **READY})),
    "exit": lambda client: client.send(json.dumps({"jsonrpc": "2.0", **EXIT})),
    "bytes": lambda client: client.send(bytes(range(256))),
    "an empty message": lambda client: client.send(""),
    "text that is not UTF-8": lambda client: client.send(b"\xff\xfe", text=True),
    "a frame that is not masked": lambda client: _raw(client, b"\x81\x02{}"),
    "a compressed frame that nobody agreed to": lambda client: _raw(client, b"\xc1\x82\0\0\0\0{}"),
    "an unknown kind of frame": lambda client: _raw(client, b"\x83\x82\0\0\0\0{}"),
    "a ping of 1,000 bytes": lambda client: _raw(client, b"\x89\xfe\x03\xe8\0\0\0\0" + bytes(1000)),
    "a frame of 2^63 bytes": lambda client: _raw(client, b"\x81\xff\x7f" + b"\xff" * 7 + bytes(4)),
    "HTTP": lambda client: _raw(client, STRANGERS["GET"]),
}


@pytest.mark.parametrize("attack", IN_A_WEB_SOCKET.values(), ids=IN_A_WEB_SOCKET.keys())
async def test_who_does_not_begin_with_initialize_in_a_web_socket_is_closed(attack: Attack) -> None:
    async with web_door() as opened_door:
        client = await connect(f"ws://127.0.0.1:{opened_door.port}", compression=None)
        with pytest.raises(ConnectionClosed):
            await attack(client)
            await asyncio.wait_for(client.recv(), 5)
        assert await web_answer(opened_door) == "served"


async def test_compression_is_not_agreed_to() -> None:
    async with web_door() as opened_door:
        reader, writer = await opened_door.connect()
        writer.write(upgrade("Sec-WebSocket-Extensions: permessage-deflate; server_max_window_bits=15"))
        head = await reader.readuntil(b"\r\n\r\n")
        assert b"101" in head
        assert b"deflate" not in head
        writer.close()


STREAMS = {
    name: given
    for name, given in STRANGERS.items()
    if name not in ("a web socket's upgrade", "a first message of 200 MB", "a line without end")
}


@pytest.mark.parametrize("given", STREAMS.values(), ids=STREAMS.keys())
async def test_a_stranger_of_a_web_socket_is_not_let_in(given: bytes) -> None:
    async with web_door() as opened_door:
        reader, writer = await opened_door.connect()
        writer.write(given)
        writer.write_eof()
        assert b" 101 " not in await closing(reader)
        assert await web_answer(opened_door) == "served"
        writer.close()


async def test_who_opens_a_web_socket_and_waits_is_closed_after_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("apo_server.web_socket.PATIENCE", 0.3)
    async with web_door() as opened_door:
        silent = await connect(f"ws://127.0.0.1:{opened_door.port}")
        half = await opened_door.connect()
        half[1].write(upgrade()[:-2])
        with pytest.raises(ConnectionClosed):
            await asyncio.wait_for(silent.recv(), 5)
        await closing(half[0])
        half[1].close()
        assert await web_answer(opened_door) == "served"


async def test_who_begins_a_message_and_never_ends_it_does_not_keep_the_editor_waiting() -> None:
    async with web_door() as opened_door:
        slow = await connect(f"ws://127.0.0.1:{opened_door.port}")
        await _raw(slow, b'\x01\x82\0\0\0\0{"')
        assert await web_answer(opened_door) == "served"
        with pytest.raises(ConnectionClosed):
            await asyncio.wait_for(slow.recv(), 5)


async def test_an_editor_of_a_web_socket_may_send_in_fragments_and_large_messages_later() -> None:
    async with web_door() as opened_door:
        whole = json.dumps({"jsonrpc": "2.0", **HELLO})
        async with connect(f"ws://127.0.0.1:{opened_door.port}") as client:
            await client.send([whole[:9], whole[9:30], whole[30:]])
            assert json.loads(await client.recv())["result"] == "served"
            await client.send(json.dumps({"method": "x" * 2_000_000}))
            await until(lambda: len(opened_door.heard) == 2)
