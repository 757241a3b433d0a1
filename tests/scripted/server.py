"""The server: HTTP/1.1 with keep-alive on an asyncio loop of its own, cheap enough to be measured against."""

from __future__ import annotations

import asyncio
import json
import socket
import struct
import threading
import time
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import asdict, dataclass, field
from types import TracebackType
from typing import Any

from tests.scripted.reply import Reply, failure

# In how many parts a dripping answer comes.
_DRIPS = 20

Script = Callable[[dict[str, Any]], "str | Reply"]


@dataclass
class Exchange:
    """One request as it came in, and what became of it. Times are seconds of ``time.monotonic``."""

    path: str
    query: str
    headers: Mapping[str, str]
    body: dict[str, Any]
    began: float
    ended: float | None = None
    status: int | None = None

    @property
    def messages(self) -> list[dict[str, str]]:
        """The chat messages of the request."""
        return list(self.body.get("messages", ()))


@dataclass
class Log:
    """Every chat request, in order of arrival; ``peak`` is the most that were under way at once."""

    exchanges: list[Exchange] = field(default_factory=list)
    active: int = 0
    peak: int = 0

    def __len__(self) -> int:
        return len(self.exchanges)

    def __getitem__(self, index: int) -> Exchange:
        return self.exchanges[index]

    @property
    def bodies(self) -> list[dict[str, Any]]:
        """The JSON bodies of the requests."""
        return [exchange.body for exchange in list(self.exchanges)]

    @property
    def answered(self) -> int:
        """How many were answered with status 200 in full."""
        return sum(exchange.status == 200 and exchange.ended is not None for exchange in list(self.exchanges))


def _yes(request: dict[str, Any]) -> str:
    return "yes"


class ScriptedServer:
    """Serves until stopped, in a thread of its own. ``script`` and ``latency`` may be changed at any time.

    ``log`` holds the chat requests, ``every`` all requests of any kind. ``GET /v1/models`` lists ``models``;
    ``GET /log`` gives the log as JSON, for other processes.
    A 401 is answered to whoever does not bring ``key``, if there is one.
    """

    def __init__(
        self,
        script: Script = _yes,
        *,
        latency: float = 0.0,
        key: str | None = None,
        models: tuple[str, ...] = ("scripted",),
        port: int = 0,
    ) -> None:
        self.script = script
        self.latency = latency
        self.key = key
        self.models = models
        self.log = Log()
        self.every: list[Exchange] = []
        self._port = port
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, name="scripted-server", daemon=True)
        self._ready = threading.Event()
        self._connections: set[_Connection] = set()
        self._listener: asyncio.Server | None = None

    @property
    def base_url(self) -> str:
        """What OPENAI_BASE_URL is set to."""
        return f"http://127.0.0.1:{self._port}/v1"

    @property
    def port(self) -> int:
        """The port on loopback."""
        return self._port

    def start(self) -> ScriptedServer:
        """Begin to serve; returns once the port is open."""
        self._thread.start()
        self._ready.wait()
        return self

    def stop(self) -> None:
        """Drop every connection and end the thread."""
        if self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join()

    def __enter__(self) -> ScriptedServer:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _run(self) -> None:
        loop = self._loop
        asyncio.set_event_loop(loop)
        loop.run_until_complete(self._listen())
        self._ready.set()
        try:
            loop.run_forever()
        finally:
            loop.run_until_complete(self._leave())
            loop.run_until_complete(asyncio.sleep(0))
            loop.close()

    def leave(self) -> None:
        """Refuse every connection from now on, and drop those that are open."""
        self._call(self._leave)

    def come_back(self) -> None:
        """Serve again, on the same port."""
        self._call(self._listen)

    def _call(self, step: Callable[[], Coroutine[None, None, None]]) -> None:
        asyncio.run_coroutine_threadsafe(step(), self._loop).result(10)

    async def _listen(self) -> None:
        self._listener = await self._loop.create_server(
            lambda: _Connection(self), "127.0.0.1", self._port, backlog=512, reuse_address=True
        )
        self._port = self._listener.sockets[0].getsockname()[1]

    async def _leave(self) -> None:
        if self._listener is not None:
            self._listener.close()
            self._listener = None
        for connection in list(self._connections):
            connection.drop()

    def reply_to(self, exchange: Exchange) -> Reply:
        """What this request gets."""
        if self.key is not None and exchange.headers.get("authorization") != f"Bearer {self.key}":
            return failure(401, "Incorrect API key provided", code="invalid_api_key")
        if exchange.path.endswith("/models"):
            listed = [{"id": name, "object": "model", "created": 1, "owned_by": "tests"} for name in self.models]
            return Reply(body=json.dumps({"object": "list", "data": listed}).encode(), latency=0.0)
        if exchange.path == "/log":
            entries = [{**asdict(entry), "headers": dict(entry.headers)} for entry in self.log.exchanges]
            return Reply(body=json.dumps({"peak": self.log.peak, "exchanges": entries}).encode(), latency=0.0)
        if not exchange.path.endswith("/chat/completions"):
            return failure(404, f"Unknown path {exchange.path}")
        try:
            reply = self.script(exchange.body)
        except Exception as error:
            return failure(500, f"The script failed: {error!r}")
        return Reply(reply) if isinstance(reply, str) else reply


class _Connection(asyncio.Protocol):
    """One connection; requests on it are answered one after the other."""

    def __init__(self, server: ScriptedServer) -> None:
        self._server = server
        self._buffer = bytearray()
        self._transport: asyncio.Transport | None = None
        self._open: Exchange | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._server._connections.add(self)

    def connection_lost(self, exc: Exception | None) -> None:
        self._server._connections.discard(self)
        self._transport = None
        if self._open is not None:
            self._finish(self._open, None)

    def drop(self) -> None:
        """Close at once."""
        if self._transport is not None:
            self._transport.abort()

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        while self._open is None:
            head_end = self._buffer.find(b"\r\n\r\n")
            if head_end < 0:
                return
            line, *rest = bytes(self._buffer[:head_end]).decode("latin-1").split("\r\n")
            headers = {name.lower(): value.strip() for name, _, value in (entry.partition(":") for entry in rest)}
            end = head_end + 4 + int(headers.get("content-length", "0"))
            if len(self._buffer) < end:
                return
            body = bytes(self._buffer[head_end + 4 : end])
            del self._buffer[:end]
            self._begin(line.split(" ")[1], headers, body)

    def _begin(self, path: str, headers: dict[str, str], body: bytes) -> None:
        log = self._server.log
        where, _, query = path.partition("?")
        exchange = Exchange(where, query, headers, json.loads(body) if body else {}, time.monotonic())
        self._open = exchange
        self._server.every.append(exchange)
        if exchange.path.endswith("/chat/completions"):
            log.exchanges.append(exchange)
            log.active += 1
            log.peak = max(log.peak, log.active)
        reply = self._server.reply_to(exchange)
        if reply.end == "hang":
            return
        latency = self._server.latency if reply.latency is None else reply.latency
        if latency > 0:
            self._server._loop.call_later(latency, self._end, exchange, reply)
        else:
            self._end(exchange, reply)

    def _end(self, exchange: Exchange, reply: Reply) -> None:
        transport = self._transport
        if transport is None or self._open is not exchange:
            return
        if reply.end == "reset":
            _reset(transport)
            return
        payload = reply.payload(exchange.body, len(self._server.log))
        head = [f"HTTP/1.1 {reply.status} Scripted", f"Content-Type: {reply.content_type}"]
        head += [f"Content-Length: {len(payload)}", *(f"{name}: {value}" for name, value in reply.headers.items())]
        message = "\r\n".join(head).encode("latin-1") + b"\r\n\r\n" + payload
        if reply.end == "truncated":
            transport.write(message[: len(message) - len(payload) // 2])
            transport.close()
            return
        if reply.end == "drip":
            self._drip(exchange, reply, message, len(message) // _DRIPS + 1)
            return
        # The log is complete before the client can have the answer.
        self._finish(exchange, reply.status)
        transport.write(message * 2 if reply.end == "twice" else message)
        if self._buffer:
            self.data_received(b"")

    def _drip(self, exchange: Exchange, reply: Reply, rest: bytes, size: int) -> None:
        """Send an answer a few bytes at a time."""
        if self._transport is None or self._open is not exchange:
            return
        if len(rest) <= size:
            self._finish(exchange, reply.status)
        else:
            self._server._loop.call_later(reply.drip / _DRIPS, self._drip, exchange, reply, rest[size:], size)
        self._transport.write(rest[:size])

    def _finish(self, exchange: Exchange, status: int | None) -> None:
        self._open = None
        if exchange.path.endswith("/chat/completions"):
            exchange.status = status
            if status is not None:
                exchange.ended = time.monotonic()
            self._server.log.active -= 1


def _reset(transport: asyncio.Transport) -> None:
    """Close with RST instead of FIN."""
    sock = transport.get_extra_info("socket")
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    transport.abort()
