"""A socket as the server opens it, in this process: what it admits is recorded instead of served."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from websockets.asyncio.client import connect

from apo_server.listening import Address
from apo_server.tcp import over_tcp
from apo_server.token_file import Token
from apo_server.transports import Line
from apo_server.web_socket import over_websocket
from tests.server.raw import HELLO, Message, framed

EDITOR: Message = {**HELLO, "id": "the editor"}
#: What is done to an editor that was deceived: a prompt of its own is opened and run.
EVIL = framed(
    HELLO,
    {"method": "initialized", "params": {}},
    {"id": 2, "method": "workspace/executeCommand", "params": {"command": "apo.evaluate", "arguments": ["file:///x"]}},
)


class Door:
    """The messages that were let through, and how to get at them."""

    def __init__(self) -> None:
        self.heard: list[Any] = []
        self.lines: list[Line] = []
        self.port = 0
        self.ended = asyncio.Event()

    async def serve(self, line: Line) -> None:
        """Record what the editor says, and answer its first message."""
        self.lines.append(line)
        async for body in line.bodies:
            self.heard.append(json.loads(body))
            answer = json.dumps({"jsonrpc": "2.0", "id": self.heard[-1].get("id"), "result": "served"}).encode()
            line.writer.write(b"Content-Length: %d\r\n\r\n%b" % (len(answer), answer) if line.framed else answer)
        self.ended.set()

    async def connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """A bare connection."""
        return await asyncio.open_connection("127.0.0.1", self.port, limit=2**20)

    async def attack(self, given: bytes, seconds: float = 5) -> bytes:
        """Send bytes; the connection must be closed. What was answered."""
        reader, writer = await self.connect()
        with contextlib.suppress(OSError):
            writer.write(given)
            await writer.drain()
        answer = await closing(reader, seconds)
        writer.close()
        return answer

    async def expect_served(self, *, hello: Message = EDITOR, seconds: float = 5) -> None:
        """The editor connects now: it must be served, and nobody before it must have been heard."""
        reader, writer = await self.connect()
        writer.write(framed(hello))
        answer = await asyncio.wait_for(reader.read(4096), seconds)
        assert b'"served"' in answer, answer
        assert [message["id"] for message in self.heard] == [hello["id"]]
        writer.close()


async def closing(reader: asyncio.StreamReader, seconds: float = 5) -> bytes:
    """What comes until the connection is closed, in peace or not."""
    heard = b""
    # A timeout is an OSError too, and must not pass for the end.
    with contextlib.suppress(ConnectionError):
        while chunk := await asyncio.wait_for(reader.read(65536), seconds):
            heard += chunk
    return heard


@asynccontextmanager
async def door(secret: str | None = None, way: Callable[..., Any] = over_tcp) -> AsyncIterator[Door]:
    """An open door on a port of its own; with a secret, only for those who know it."""
    opened, listening = Door(), asyncio.get_running_loop().create_future()
    token = Token(secret.encode()) if secret is not None else None
    task = asyncio.ensure_future(way(opened.serve, Address("127.0.0.1", 0), token, listening.set_result))
    opened.port = (await listening).port
    try:
        yield opened
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


def web_door(secret: str | None = None) -> contextlib.AbstractAsyncContextManager[Door]:
    """The same on a web socket."""
    return door(secret, over_websocket)


async def web_answer(opened_door: Door, message: Message = EDITOR, path: str = "/") -> object:
    """What the editor is answered, over a web socket."""
    async with connect(f"ws://127.0.0.1:{opened_door.port}{path}") as client:
        await client.send(json.dumps({"jsonrpc": "2.0", **message}))
        result = json.loads(await client.recv())["result"]
        assert [heard["id"] for heard in opened_door.heard] == [message["id"]]
        return result
