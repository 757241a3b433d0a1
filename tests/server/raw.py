"""A client that says what no client would: bytes to a server process, and what comes back."""

from __future__ import annotations

import asyncio
import contextlib
import json
import sys
import time
from collections.abc import Callable, Mapping
from typing import Any

from apo_server.framing import Frames

Message = dict[str, Any]
HELLO: Message = {
    "id": 0,
    "method": "initialize",
    "params": {"processId": None, "rootUri": None, "capabilities": {}},
}
READY: Message = {"method": "initialized", "params": {}}
SHUTDOWN: Message = {"id": "bye", "method": "shutdown"}
EXIT: Message = {"method": "exit"}


def framed(*messages: Mapping[str, Any]) -> bytes:
    """Proper messages."""
    bodies = [json.dumps({"jsonrpc": "2.0", **message}).encode() for message in messages]
    return b"".join(b"Content-Length: %d\r\n\r\n%s" % (len(body), body) for body in bodies)


def opened(uri: str, text: str) -> Message:
    item = {"uri": uri, "languageId": "dotprompt", "version": 1, "text": text}
    return {"method": "textDocument/didOpen", "params": {"textDocument": item}}


def changed(uri: str, version: int, text: str) -> Message:
    params = {"textDocument": {"uri": uri, "version": version}, "contentChanges": [{"text": text}]}
    return {"method": "textDocument/didChange", "params": params}


def hover(number: Any, uri: str = "file:///none.prompt") -> Message:
    params = {"textDocument": {"uri": uri}, "position": {"line": 0, "character": 0}}
    return {"id": number, "method": "textDocument/hover", "params": params}


class Raw:
    """One line to a server."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self._frames = Frames()
        self._ready: list[Message] = []
        self.heard: list[Message] = []

    @staticmethod
    async def start(
        *arguments: str, environ: Mapping[str, str] | None = None, stderr: int | None = asyncio.subprocess.PIPE
    ) -> tuple[Raw, asyncio.subprocess.Process]:
        """A server process, and the line to it over standard input and output."""
        pipe = asyncio.subprocess.PIPE
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "apo_server", *arguments),
            stdin=pipe,
            stdout=pipe,
            stderr=stderr,
            env=dict(environ) if environ is not None else None,
        )
        assert process.stdin and process.stdout
        return Raw(process.stdout, process.stdin), process

    async def say(self, *messages: Mapping[str, Any]) -> None:
        await self.shout(framed(*messages))

    async def shout(self, given: bytes) -> None:
        """Send bytes as they are."""
        self._writer.write(given)
        await self._writer.drain()

    async def greet(self, hello: Message = HELLO) -> Message:
        """Introduce the client; what the server says of itself."""
        await self.say(hello)
        answer = await self.answer(HELLO["id"])
        await self.say(READY)
        return answer

    async def hear(self, seconds: float = 15) -> Message | None:
        """The next message; None at the end."""
        while not self._ready:
            chunk = await asyncio.wait_for(self._reader.read(65536), seconds)
            if not chunk:
                return None
            for body in self._frames.feed(chunk):
                self._ready.append(json.loads(body))
        self.heard.append(self._ready.pop(0))
        return self.heard[-1]

    async def answer(self, number: Any, seconds: float = 15) -> Message:
        """The answer to a request; what comes before it is heard too."""
        while (message := await self.hear(seconds)) is not None:
            if message.get("id") == number and "method" not in message:
                return message
        raise AssertionError(f"no answer to {number}; heard {self.heard}")

    async def leave(self) -> None:
        """Say goodbye as one should."""
        await self.say(SHUTDOWN)
        answer = await self.answer(SHUTDOWN["id"])
        assert answer.get("result", 0) is None, answer
        await self.say(EXIT)

    def hang_up(self) -> None:
        """Be gone."""
        with contextlib.suppress(RuntimeError):
            self._writer.close()


async def ending(process: asyncio.subprocess.Process, seconds: float = 10) -> tuple[int, bytes, bytes]:
    """How a server ends, by itself: its exit code, and what was left on standard output and standard error."""

    async def rest(stream: asyncio.StreamReader | None) -> bytes:
        return await stream.read() if stream is not None else b""

    left = asyncio.gather(process.wait(), rest(process.stdout), rest(process.stderr))
    ended, out, err = await asyncio.wait_for(left, seconds)
    return ended, out, err


async def code(process: asyncio.subprocess.Process) -> int:
    """The exit code with which a server ends, by itself."""
    return (await ending(process))[0]


async def until(found: Callable[[], object], seconds: float = 15) -> None:
    """Wait until ``found`` gives something true."""
    deadline = time.monotonic() + seconds
    while not found():
        assert time.monotonic() < deadline, "it never came"
        await asyncio.sleep(0.02)
