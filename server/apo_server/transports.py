"""How an editor reaches the server: what every way has in common, and standard input and output.

Nothing here waits for an editor that does not read, and one that is gone ends the stream of its messages.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import queue
import threading
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from typing import Protocol

from apo_server.framing import Frames

CHUNK = 64 * 1024
# How many chunks are read ahead of the answers.
_AHEAD = 64
# An editor that leaves so much unread is not there any more.
MOST_UNREAD = 256 * 1024 * 1024
# How long the last words may take to be read, in seconds.
FAREWELL = 2.0


class Writer(Protocol):
    """Takes what is said to the editor, at once and in order."""

    def write(self, data: bytes) -> None:
        """Say something."""

    def close(self) -> None:
        """Nothing more will be said."""


@dataclass(frozen=True, slots=True)
class Line:
    """A line to one editor. ``framed`` says that what is written needs headers.

    ``authenticated`` says that the peer is who the user meant: it started this process, or knows the token.
    """

    bodies: AsyncIterator[bytes]
    writer: Writer
    authenticated: bool
    framed: bool = True


# Serves one editor until it leaves or is gone.
Serve = Callable[[Line], Awaitable[None]]


async def over_pipes(serve: Serve, requests: int, replies: int) -> None:
    """Serve the editor at the other ends of two file descriptors."""
    inbox = _Inbox(requests)
    writer = _PipeWriter(replies, on_loss=inbox.end)
    try:
        await serve(Line(_bodies(inbox), writer, authenticated=True))
    finally:
        writer.close()
        with contextlib.suppress(asyncio.TimeoutError):
            await asyncio.wait_for(writer.ended.wait(), FAREWELL)


async def _bodies(inbox: _Inbox) -> AsyncIterator[bytes]:
    frames = Frames(recovers=True)
    while chunk := await inbox.chunk():
        for body in frames.feed(chunk):
            yield body


class _Inbox:
    """Reads a file descriptor in a thread, a little ahead. The end of the process ends it in the middle of a read."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._loop = asyncio.get_running_loop()
        self._chunks: asyncio.Queue[bytes] = asyncio.Queue()
        self._room = threading.Semaphore(_AHEAD)
        threading.Thread(target=self._read, name="editor-in", daemon=True).start()

    async def chunk(self) -> bytes:
        """What was read next; nothing at the end."""
        chunk = await self._chunks.get()
        self._room.release()
        return chunk

    def end(self) -> None:
        """Nothing more is wanted, whatever may still come."""
        self._put(b"")

    def _read(self) -> None:
        while self._room.acquire():
            # Not through a file object: its lock would be held when the process ends.
            try:
                chunk = os.read(self._descriptor, CHUNK)
            except OSError:
                chunk = b""
            self._put(chunk)
            if not chunk:
                return

    def _put(self, chunk: bytes) -> None:
        # The loop is closed when the server has ended meanwhile.
        with contextlib.suppress(RuntimeError):
            self._loop.call_soon_threadsafe(self._chunks.put_nowait, chunk)


class _PipeWriter:
    """Writes to a file descriptor in a thread: an editor that writes and does not read must still be read from."""

    def __init__(self, descriptor: int, *, on_loss: Callable[[], None]) -> None:
        self._descriptor = descriptor
        self._on_loss = on_loss
        self._waiting: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
        self._given = self._written = 0
        self._lost = False
        self._loop = asyncio.get_running_loop()
        self.ended = asyncio.Event()
        threading.Thread(target=self._write, name="editor-out", daemon=True).start()

    def write(self, data: bytes) -> None:
        """Say something."""
        if self._lost:
            return
        self._given += len(data)
        self._waiting.put(data)
        if self._given - self._written > MOST_UNREAD:
            self._lose()

    def close(self) -> None:
        """Nothing more will be said."""
        self._waiting.put(None)

    def _write(self) -> None:
        try:
            while (data := self._waiting.get()) is not None:
                rest = memoryview(data)
                while rest:
                    rest = rest[os.write(self._descriptor, rest) :]
                self._written += len(data)
        except OSError:
            self._lose()
        # The loop is closed when the server has ended meanwhile.
        with contextlib.suppress(RuntimeError):
            self._loop.call_soon_threadsafe(self.ended.set)

    def _lose(self) -> None:
        self._lost = True
        self._on_loss()
