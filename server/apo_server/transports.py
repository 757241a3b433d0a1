"""How an editor reaches the server: standard input and output, a socket, or a web socket. Each serves one editor.

Nothing here waits for an editor that does not read, and one that is gone ends the stream of its messages.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import queue
import re
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from apo_server.framing import LONGEST_BODY, Frames

if TYPE_CHECKING:
    from websockets.asyncio.server import ServerConnection

_CHUNK = 64 * 1024
# How many chunks are read ahead of the answers.
_AHEAD = 64
# An editor that leaves so much unread is not there any more.
_MOST_UNREAD = 256 * 1024 * 1024
# How long the last words may take to be read, in seconds.
_FAREWELL = 2.0
# Any page in a browser can reach the ports of this machine. It begins with a line of HTTP, or names its origin.
_HTTP = re.compile(rb"[A-Z]{3,7} [^\r\n]* HTTP/")
_LOCAL_PAGES = re.compile(r"https?://(localhost|127\.0\.0\.1|\[::1\])(:\d+)?")


class Writer(Protocol):
    """Takes what is said to the editor, at once and in order."""

    def write(self, data: bytes) -> None:
        """Say something."""

    def close(self) -> None:
        """Nothing more will be said."""


@dataclass(frozen=True, slots=True)
class Line:
    """A line to one editor. ``framed`` says that what is written needs headers."""

    bodies: AsyncIterator[bytes]
    writer: Writer
    framed: bool = True


class CannotListen(Exception):
    """An address cannot be listened on; the message says why."""


# Serves one editor until it leaves or is gone.
Serve = Callable[[Line], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Address:
    """Where to listen. Port 0 is any that is free."""

    host: str
    port: int

    @staticmethod
    def parse(text: str) -> Address:
        """Read ``[HOST:]PORT``; without a host nothing but this machine can connect.

        Raises:
            ValueError: it is no such thing.
        """
        host, _, port = text.rpartition(":")
        if not (port.isascii() and port.isdigit() and int(port) < 65536):
            raise ValueError(text)
        return Address(host.strip("[]") or "127.0.0.1", int(port))

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


async def over_pipes(serve: Serve, requests: int, replies: int) -> None:
    """Serve the editor at the other ends of two file descriptors."""
    inbox = _Inbox(requests)
    writer = _PipeWriter(replies, on_loss=inbox.end)
    try:
        await serve(Line(_bodies(inbox.chunk), writer))
    finally:
        writer.close()
        with contextlib.suppress(asyncio.TimeoutError):
            await asyncio.wait_for(writer.ended.wait(), _FAREWELL)


async def over_tcp(serve: Serve, address: Address, listening: Callable[[Address], None]) -> None:
    """Serve the first client of a socket that speaks; once it does, no other can connect.

    ``listening`` is told the address as soon as clients can connect.

    Raises:
        CannotListen: the address is taken, or not of this machine.
    """
    first: asyncio.Future[tuple[bytes, asyncio.StreamReader, asyncio.StreamWriter]]
    first = asyncio.get_running_loop().create_future()

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        beginning = await _chunk(reader)
        if first.done() or not beginning or _HTTP.match(beginning):
            writer.close()
        else:
            first.set_result((beginning, reader, writer))

    with _listening():
        listener = await asyncio.start_server(connected, address.host, address.port)
    listening(Address(*listener.sockets[0].getsockname()[:2]))
    beginning, reader, stream = await first
    listener.close()
    try:
        await serve(Line(_bodies(lambda: _chunk(reader), beginning), _SocketWriter(stream)))
    finally:
        stream.close()
        with contextlib.suppress(OSError, asyncio.TimeoutError):
            await asyncio.wait_for(stream.wait_closed(), _FAREWELL)


async def over_websocket(serve: Serve, address: Address, listening: Callable[[Address], None]) -> None:
    """Serve the first client of a web socket; once it is there, no other can connect.

    Pages of other machines are refused: whatever page the user happens to read could connect.

    Raises:
        CannotListen: the address is taken, or not of this machine.
    """
    from websockets.asyncio.server import serve as listen

    loop = asyncio.get_running_loop()
    first: asyncio.Future[ServerConnection] = loop.create_future()
    over: asyncio.Future[None] = loop.create_future()

    async def connected(connection: ServerConnection) -> None:
        # The connection lives as long as this function runs.
        if not first.done():
            first.set_result(connection)
            await over

    with _listening():
        listener = await listen(
            connected,
            address.host,
            address.port,
            origins=[None, _LOCAL_PAGES],
            compression=None,
            max_size=LONGEST_BODY,
            close_timeout=_FAREWELL,
        )
    listening(Address(*next(iter(listener.sockets)).getsockname()[:2]))
    connection = await first
    listener.close(close_connections=False)
    writer = _WebSocketWriter(connection)
    try:
        await serve(Line(_messages(connection), writer, framed=False))
    finally:
        writer.close()
        await asyncio.wait([writer.sending], timeout=_FAREWELL)
        over.set_result(None)
        await connection.close()


@contextlib.contextmanager
def _listening() -> Iterator[None]:
    try:
        yield
    except (OSError, UnicodeError) as error:
        raise CannotListen(getattr(error, "strerror", None) or str(error)) from None


async def _bodies(chunk: Callable[[], Awaitable[bytes]], beginning: bytes = b"") -> AsyncIterator[bytes]:
    frames = Frames()
    for body in frames.feed(beginning):
        yield body
    while given := await chunk():
        for body in frames.feed(given):
            yield body


async def _chunk(reader: asyncio.StreamReader) -> bytes:
    try:
        return await reader.read(_CHUNK)
    except OSError:
        return b""


async def _messages(connection: ServerConnection) -> AsyncIterator[bytes]:
    from websockets.exceptions import ConnectionClosed

    with contextlib.suppress(ConnectionClosed):
        while True:
            yield await connection.recv(decode=False)


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
                chunk = os.read(self._descriptor, _CHUNK)
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
        if self._given - self._written > _MOST_UNREAD:
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


class _SocketWriter:
    def __init__(self, stream: asyncio.StreamWriter) -> None:
        self._stream = stream

    def write(self, data: bytes) -> None:
        transport = self._stream.transport
        if transport.is_closing():
            return
        self._stream.write(data)
        if transport.get_write_buffer_size() > _MOST_UNREAD:
            transport.abort()

    def close(self) -> None:
        self._stream.close()


class _WebSocketWriter:
    """Sends in order; as text, which is what pages expect."""

    def __init__(self, connection: ServerConnection) -> None:
        self._connection = connection
        self._waiting: asyncio.Queue[bytes | None] = asyncio.Queue()
        self._unread = 0
        self.sending = asyncio.ensure_future(self._send())

    def write(self, data: bytes) -> None:
        if self.sending.done():
            return
        self._unread += len(data)
        self._waiting.put_nowait(data)
        if self._unread > _MOST_UNREAD:
            self._connection.transport.abort()

    def close(self) -> None:
        self._waiting.put_nowait(None)

    async def _send(self) -> None:
        from websockets.exceptions import ConnectionClosed

        with contextlib.suppress(ConnectionClosed):
            while (data := await self._waiting.get()) is not None:
                await self._connection.send(data, text=True)
                self._unread -= len(data)
