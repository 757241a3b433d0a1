"""A client at work: a world's prompt is open, and every message of the server is to be seen."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

from tests.server.raw import HELLO, READY, Message, Raw, opened


class Desk:
    """A world's prompt, and the line of a client to a server that has it open."""

    def __init__(self, prompt: Path, environ: dict[str, str]) -> None:
        self.prompt = prompt
        self.uri = prompt.as_uri()
        self.environ = environ
        self.client: Raw
        self.process: asyncio.subprocess.Process

    async def start(self, *arguments: str, **capabilities: Any) -> Raw:
        """Open the prompt as a client with these capabilities, which answers nothing by itself."""
        self.client, self.process = await Raw.start(*arguments, environ=self.environ)
        await self.client.say({**HELLO, "params": {**HELLO["params"], "capabilities": capabilities}}, READY)
        await self.client.answer(HELLO["id"])
        await self.client.say(opened(self.uri, self.prompt.read_text("utf-8")))
        return self.client

    async def command(self, number: int, name: str) -> None:
        params = {"command": name, "arguments": [self.uri]}
        await self.client.say({"id": number, "method": "workspace/executeCommand", "params": params})

    async def lens(self, beginning: str) -> str:
        """The lens that begins so, once it is there."""
        for number in range(1000, 1400):
            params = {"textDocument": {"uri": self.uri}}
            await self.client.say({"id": number, "method": "textDocument/codeLens", "params": params})
            titles = [lens["command"]["title"] for lens in (await self.client.answer(number))["result"] or ()]
            for title in titles:
                if title.startswith(beginning):
                    return str(title)
            await asyncio.sleep(0.05)
        raise AssertionError(f"no lens {beginning!r}")

    async def asked(self, method: str) -> Message:
        """The server's request of a method, once it comes."""
        while True:
            for message in self.client.heard:
                if message.get("method") == method:
                    return message
            assert await self.client.hear() is not None

    def said(self, method: str) -> list[Message]:
        return [message for message in self.client.heard if message.get("method") == method]

    def engine(self) -> Path:
        """The engine process, in the list of processes."""
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text()
        return Path(f"/proc/{children.split()[0]}")
