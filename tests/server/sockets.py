"""Servers that listen, with and without a token."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

from tests.server.raw import HELLO, Message, Raw

TOKEN = "correct-horse-battery-staple"
Listen = Callable[..., Awaitable[tuple[asyncio.subprocess.Process, str, int]]]


def token_file(folder: Path, content: str = f"{TOKEN}\n", mode: int = 0o600) -> Path:
    """A file that holds the token, for its owner alone."""
    path = folder / "token"
    path.write_text(content, encoding="utf-8")
    path.chmod(mode)
    return path


def hello(token: object = TOKEN, **options: object) -> Message:
    """The first message of an editor that shows a token."""
    return {**HELLO, "params": {**HELLO["params"], "initializationOptions": {**options, "token": token}}}


@asynccontextmanager
async def listening() -> AsyncIterator[Listen]:
    """Starts servers that listen, and tells where; none outlives the context."""
    started: list[asyncio.subprocess.Process] = []

    async def begin(
        *arguments: str, environ: Mapping[str, str] | None = None
    ) -> tuple[asyncio.subprocess.Process, str, int]:
        pipe = asyncio.subprocess.PIPE
        command = (sys.executable, "-m", "apo_server", *arguments)
        process = await asyncio.create_subprocess_exec(
            *command, stdin=pipe, stdout=pipe, stderr=pipe, env=dict(environ) if environ else None
        )
        started.append(process)
        assert process.stderr
        line = (await asyncio.wait_for(process.stderr.readline(), 20)).decode().strip()
        beginning = f"apo-language-server: listening on {arguments[0].removeprefix('--')}://"
        assert line.startswith(beginning), line
        host, _, port = line.removeprefix(beginning).rpartition(":")
        return process, host, int(port)

    yield begin
    for process in started:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def tcp(host: str, port: int) -> Raw:
    return Raw(*await asyncio.open_connection(host, port))
