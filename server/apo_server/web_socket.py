"""The way over a web socket: serves the first client that is the editor. A message holds one body, without headers."""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from functools import partial
from http import HTTPStatus
from typing import Any
from urllib.parse import unquote, urlsplit

from websockets.asyncio.server import ServerConnection
from websockets.asyncio.server import serve as listen
from websockets.exceptions import ConnectionClosed
from websockets.frames import CloseCode
from websockets.http11 import Request, Response

from apo_server.admission import LONGEST_INITIALIZE, PATIENCE, Admission, Refused
from apo_server.framing import LONGEST_BODY
from apo_server.listening import Address, is_loopback, resolve_hosts, translate_errors
from apo_server.token_file import Token
from apo_server.transports import FAREWELL, MOST_UNREAD, Line, Serve

_LOCAL_PAGES = re.compile(r"https?://(localhost|127\.0\.0\.1|\[::1\])(:\d+)?")
# Messages that are read ahead of the answers.
_AHEAD = 2


async def over_websocket(
    serve: Serve, address: Address, token: Token | None, listening: Callable[[Address], None]
) -> None:
    """Serve the first client of a web socket that is the editor (`Admission`); once it is there, no other can connect.

    Pages of other machines are refused: whatever page the user happens to read could connect.

    Raises:
        CannotListen: the address is taken, or not of this machine; or other machines can reach it without a token.
    """
    hosts = await resolve_hosts(address, has_token=token is not None)
    admission = Admission(token)
    first: asyncio.Future[tuple[_Connection, bytes]] = asyncio.get_running_loop().create_future()
    over = asyncio.Event()

    async def connected(connection: ServerConnection) -> None:
        assert isinstance(connection, _Connection)
        initialize = await _admit_client(connection, admission)
        # The connection lives as long as this function runs.
        if initialize is not None and not first.done():
            admission.leave(connection.transport)
            first.set_result((connection, initialize))
            await over.wait()

    with translate_errors(address):
        listener = await listen(
            connected,
            hosts,  # type: ignore[arg-type]  # passed on to asyncio, which takes several
            address.port,
            process_request=partial(_check_request, admission),
            create_connection=partial(_Connection, admission),  # type: ignore[arg-type]
            compression=None,
            max_size=LONGEST_INITIALIZE,
            max_queue=_AHEAD,
            open_timeout=PATIENCE,
            close_timeout=FAREWELL,
        )
    listening(Address(*next(iter(listener.sockets)).getsockname()[:2]))
    connection, initialize = await first
    listener.close(close_connections=False)
    admission.end()
    connection.protocol.max_message_size = LONGEST_BODY
    writer = _WebSocketWriter(connection)
    bodies = _bodies(initialize, connection)
    try:
        await serve(Line(bodies, writer, authenticated=admission.authenticates, framed=False))
    finally:
        writer.close()
        await asyncio.wait([writer.sending], timeout=FAREWELL)
        over.set()
        await connection.close()


class _Connection(ServerConnection):
    """A connection that is looked at from its first byte on. ``authenticated``: its address shows the token."""

    def __init__(self, admission: Admission, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._admission = admission
        self.authenticated = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take a place among those that are looked at."""
        super().connection_made(transport)
        self._admission.enter(self.transport)

    def connection_lost(self, exc: Exception | None) -> None:
        """Give the place back."""
        self._admission.leave(self.transport)
        super().connection_lost(exc)


@dataclass(frozen=True, slots=True)
class _Target:
    """The parts of a request that say who sent it, and to whom."""

    path: str
    tokens: tuple[str, ...]
    hosts: tuple[str, ...]
    origins: tuple[str, ...]

    @staticmethod
    def of(request: Request) -> _Target:
        path, _, query = request.path.partition("?")
        tokens = (part.removeprefix("token=") for part in query.split("&") if part.startswith("token="))
        headers = request.headers
        return _Target(path, tuple(map(unquote, tokens)), *(tuple(headers.get_all(n)) for n in ("Host", "Origin")))


async def _check_request(admission: Admission, connection: ServerConnection, request: Request) -> Response | None:
    """The answer to a request that is refused; None for one that may open a web socket."""
    assert isinstance(connection, _Connection)
    try:
        _check_target(admission, connection, _Target.of(request))
    except Refused as refused:
        await admission.refuse(connection.transport, refused)
        status = HTTPStatus.UNAUTHORIZED if refused.guessed else HTTPStatus.FORBIDDEN
        return connection.respond(status, f"The connection is refused: {refused}.\n")
    return None


def _check_target(admission: Admission, connection: _Connection, target: _Target) -> None:
    if target.path != "/":
        raise Refused("its address has a path; the server is at /")
    if len(target.origins) > 1 or not all(map(_LOCAL_PAGES.fullmatch, target.origins)):
        raise Refused("its Origin header does not name a page of this machine")
    # A name that somebody has pointed at this machine meanwhile makes a page of theirs look like one of its own.
    if len(target.hosts) != 1 or not (admission.authenticates or is_loopback(_host(target.hosts[0]))):
        raise Refused("its Host header does not name this machine")
    if len(target.tokens) > 1:
        raise Refused("its address holds several tokens", guessed=True)
    for token in target.tokens:
        admission.check_token(token)
        connection.authenticated = True


def _host(header: str) -> str:
    """The host that a Host header names, without the port; empty if it names none."""
    try:
        return "" if set(header) & set("/?#@\\ ") else urlsplit(f"//{header}").hostname or ""
    except ValueError:
        return ""


async def _admit_client(connection: _Connection, admission: Admission) -> bytes | None:
    """The first message of the editor; None if the client is not the editor, which it is told, or gone."""
    try:
        async with asyncio.timeout(PATIENCE):
            body = await connection.recv(decode=False)
        return admission.admit(body, authenticated=connection.authenticated)
    except TimeoutError:
        admission.report(f"it sent no initialize request within {PATIENCE:g} seconds")
    except ConnectionClosed:
        return None
    except Refused as refused:
        await admission.refuse(connection.transport, refused)
        with contextlib.suppress(ConnectionClosed):
            if refused.answer:
                await connection.send(refused.answer, text=True)
    await connection.close(CloseCode.POLICY_VIOLATION, "not the editor")
    return None


async def _bodies(initialize: bytes, connection: ServerConnection) -> AsyncIterator[bytes]:
    yield initialize
    with contextlib.suppress(ConnectionClosed):
        while True:
            yield await connection.recv(decode=False)


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
        if self._unread > MOST_UNREAD:
            self._connection.transport.abort()

    def close(self) -> None:
        self._waiting.put_nowait(None)

    async def _send(self) -> None:
        with contextlib.suppress(ConnectionClosed):
            while (data := await self._waiting.get()) is not None:
                await self._connection.send(data, text=True)
                self._unread -= len(data)
