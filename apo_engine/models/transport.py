"""HTTP with a pool per connection.

A pool looks at all its connections for each request that comes and goes; with 32 at once that is a quarter of what a
request costs in CPU (benchmarks/request_cost.py). Here each connection is a pool of its own, and the one used last is
used next.

A server that answers a request twice would have its second answer taken for the answer to the next request on that
connection. Such a connection is closed and never used again.

Import it where the SDK is loaded, not before.
"""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator, Awaitable, Callable

import httpx2


def open_transport(
    *, idle_seconds: float, trust_env: bool, encrypted: bool, proxy: str | None = None, connections: int = 32
) -> httpx2.AsyncBaseTransport:
    """A transport for any number of requests at once, or for ``connections`` through this ``proxy``; it asks no other.

    Where nothing is ``encrypted``, no certificates are loaded, which takes a tenth of a second; no https:// address can
    be reached then.
    """
    trusted = httpx2.create_ssl_context(trust_env=trust_env) if encrypted else ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    if proxy is not None:
        limits = httpx2.Limits(
            max_connections=connections, max_keepalive_connections=connections, keepalive_expiry=idle_seconds
        )
        return httpx2.AsyncHTTPTransport(verify=trusted, limits=limits, proxy=httpx2.Proxy(proxy))
    return _PoolPerConnection(idle_seconds, trusted)


class _PoolPerConnection(httpx2.AsyncBaseTransport):
    """As many connections as there are requests under way, kept open for a while."""

    def __init__(self, idle_seconds: float, trusted: ssl.SSLContext) -> None:
        self._limits = httpx2.Limits(max_connections=1, max_keepalive_connections=1, keepalive_expiry=idle_seconds)
        self._trusted = trusted
        self._all: list[httpx2.AsyncHTTPTransport] = []
        self._free: list[httpx2.AsyncHTTPTransport] = []

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        pool = self._free.pop() if self._free else self._another()
        try:
            response = await pool.handle_async_request(request)
        except BaseException:
            self._free.append(pool)
            raise
        assert isinstance(response.stream, httpx2.AsyncByteStream)
        response.stream = _Body(response.stream, lambda: self._done_with(pool))
        return response

    async def _done_with(self, pool: httpx2.AsyncHTTPTransport) -> None:
        if _holds_more(pool):
            self._all.remove(pool)
            await pool.aclose()
        else:
            self._free.append(pool)

    async def aclose(self) -> None:
        for pool in self._all:
            await pool.aclose()

    def _another(self) -> httpx2.AsyncHTTPTransport:
        pool = httpx2.AsyncHTTPTransport(verify=self._trusted, limits=self._limits)
        self._all.append(pool)
        return pool


def _holds_more(pool: httpx2.AsyncHTTPTransport) -> bool:
    """Whether more than the answer has come over its connection."""
    # The library looks at what is on the wire alone, not at what it has read already; nothing public tells that.
    for connection in pool._pool.connections:
        state = getattr(getattr(connection, "_connection", None), "_h11_state", None)
        if state is not None and state.trailing_data[0]:
            return True
    return False


class _Body(httpx2.AsyncByteStream):
    """A body that says when it has been read or given up."""

    def __init__(self, body: httpx2.AsyncByteStream, closed: Callable[[], Awaitable[None]]) -> None:
        self._body = body
        self._closed: Callable[[], Awaitable[None]] | None = closed

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for part in self._body:
            yield part

    async def aclose(self) -> None:
        try:
            await self._body.aclose()
        finally:
            closed, self._closed = self._closed, None
            if closed is not None:
                await closed()
