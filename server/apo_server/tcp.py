"""The way over a socket: serves the first client that is the editor."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass

from apo_server.admission import LONGEST_INITIALIZE, PATIENCE, Admission, Refused
from apo_server.framing import LONGEST_BODY, BrokenFrame, Frames
from apo_server.listening import Address, resolve_hosts, translate_errors
from apo_server.token_file import Token
from apo_server.transports import CHUNK, FAREWELL, MOST_UNREAD, Line, Serve

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Client:
    """A client and the frames that it sends."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    frames: Frames

    async def chunks(self) -> AsyncIterator[Iterator[bytes]]:
        """The bodies that arrive, chunk by chunk, until the client is gone."""
        while chunk := await self._chunk():
            yield self.frames.feed(chunk)

    async def _chunk(self) -> bytes:
        try:
            return await self.reader.read(CHUNK)
        except OSError:
            return b""


@dataclass(frozen=True, slots=True)
class _Editor:
    """The client that was admitted, its first message, and what came with it."""

    client: _Client
    initialize: bytes
    more: Iterator[bytes]

    async def bodies(self) -> AsyncIterator[bytes]:
        """Every message of the editor. A frame that is broken ends them."""
        yield self.initialize
        try:
            for body in self.more:
                yield body
            async for bodies in self.client.chunks():
                for body in bodies:
                    yield body
        except BrokenFrame as error:
            _log.error("The connection is closed: %s.", error)


async def over_tcp(serve: Serve, address: Address, token: Token | None, listening: Callable[[Address], None]) -> None:
    """Serve the first client of a socket that is the editor (`Admission`); once it is there, no other can connect.

    ``listening`` is told the address as soon as clients can connect.

    Raises:
        CannotListen: the address is taken, or not of this machine; or other machines can reach it without a token.
    """
    hosts = await resolve_hosts(address, has_token=token is not None)
    admission = Admission(token)
    first: asyncio.Future[_Editor] = asyncio.get_running_loop().create_future()

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        transport = writer.transport
        admission.enter(transport)
        try:
            editor = await _admit_client(_Client(reader, writer, Frames(LONGEST_INITIALIZE)), admission)
        finally:
            admission.leave(transport)
        if editor is None or first.done():
            writer.close()
        else:
            first.set_result(editor)

    with translate_errors(address):
        listener = await asyncio.start_server(connected, hosts, address.port)
    listening(Address(*listener.sockets[0].getsockname()[:2]))
    editor = await first
    listener.close()
    admission.end()
    client = editor.client
    client.frames.longest_body = LONGEST_BODY
    try:
        await serve(Line(editor.bodies(), _SocketWriter(client.writer), authenticated=admission.authenticates))
    finally:
        client.writer.close()
        with contextlib.suppress(OSError, asyncio.TimeoutError):
            await asyncio.wait_for(client.writer.wait_closed(), FAREWELL)


async def _admit_client(client: _Client, admission: Admission) -> _Editor | None:
    """The client as the editor; None if it is not. It is told why, where it speaks the protocol."""
    try:
        async with asyncio.timeout(PATIENCE):
            return await _read_initialize(client, admission)
    except TimeoutError:
        admission.report(f"it sent no initialize request within {PATIENCE:g} seconds")
    except Refused as refused:
        await admission.refuse(client.writer.transport, refused)
        if refused.answer:
            client.writer.write(b"Content-Length: %d\r\n\r\n%b" % (len(refused.answer), refused.answer))
    return None


async def _read_initialize(client: _Client, admission: Admission) -> _Editor | None:
    """The client as the editor; None if it is gone.

    Raises:
        Refused: it is not the editor.
    """
    try:
        async for bodies in client.chunks():
            for body in bodies:
                return _Editor(client, admission.admit(body), bodies)
    except BrokenFrame as error:
        raise Refused(f"it did not begin with an LSP message ({error})") from None
    return None


class _SocketWriter:
    def __init__(self, stream: asyncio.StreamWriter) -> None:
        self._stream = stream

    def write(self, data: bytes) -> None:
        transport = self._stream.transport
        if transport.is_closing():
            return
        self._stream.write(data)
        if transport.get_write_buffer_size() > MOST_UNREAD:
            transport.abort()

    def close(self) -> None:
        self._stream.close()
