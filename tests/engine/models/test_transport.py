from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import httpx2
import pytest

from apo_engine.models.transport import open_transport


@dataclass
class Site:
    """Answers every request with its path, and counts the connections that were made to it."""

    url: str = ""
    connections: int = 0
    hold: asyncio.Event = field(default_factory=asyncio.Event)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            while request := await reader.readuntil(b"\r\n\r\n"):
                path = request.split(b" ", 2)[1]
                if path == b"/hang":
                    await self.hold.wait()
                await asyncio.sleep(0.01)
                answer = b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n%s" % (len(path), path)
                writer.write(answer * 2 if path == b"/twice" else answer)
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()


@asynccontextmanager
async def site() -> AsyncIterator[Site]:
    served = Site()
    server = await asyncio.start_server(served.serve, "127.0.0.1", 0)
    served.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield served
    finally:
        served.hold.set()
        server.close()


@asynccontextmanager
async def client() -> AsyncIterator[httpx2.AsyncClient]:
    async with httpx2.AsyncClient(
        transport=open_transport(idle_seconds=30, trust_env=False, encrypted=False)
    ) as opened:
        yield opened


async def test_connections_are_as_many_as_requests_at_once_and_are_used_again() -> None:
    async with site() as served, client() as opened:
        for _ in range(4):
            answers = await asyncio.gather(*(opened.get(f"{served.url}/{number}") for number in range(8)))
            assert [answer.text for answer in answers] == [f"/{number}" for number in range(8)]
        for _ in range(5):
            await opened.get(served.url)
        assert served.connections == 8


async def test_a_request_that_is_given_up_leaves_the_next_one_a_sound_connection() -> None:
    async with site() as served, client() as opened:
        hanging = asyncio.ensure_future(opened.get(f"{served.url}/hang"))
        await asyncio.sleep(0.05)
        hanging.cancel()
        await asyncio.wait([hanging])
        served.hold.set()
        assert (await opened.get(f"{served.url}/next")).text == "/next"


async def test_a_second_answer_to_one_request_is_not_taken_for_the_answer_to_the_next() -> None:
    async with site() as served, client() as opened:
        for number in range(3):
            assert (await opened.get(f"{served.url}/twice")).text == "/twice"
            assert (await opened.get(f"{served.url}/{number}")).text == f"/{number}"
        assert served.connections == 4, "the connection is given up, and no other"


async def test_a_connection_that_failed_is_made_anew() -> None:
    async with site() as served, client() as opened:
        with pytest.raises(httpx2.ConnectError):
            await opened.get("http://127.0.0.1:9/nobody")
        assert (await opened.get(f"{served.url}/somebody")).text == "/somebody"


async def test_the_proxy_that_was_resolved_is_asked_and_none_of_the_environment(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with site() as served:
        monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
        monkeypatch.delenv("NO_PROXY", raising=False)
        proxied = open_transport(idle_seconds=30, trust_env=True, encrypted=False, proxy=served.url)
        async with httpx2.AsyncClient(transport=proxied, trust_env=False) as opened:
            assert (await opened.get("http://models.example/v1")).text == "http://models.example/v1"
        direct = open_transport(idle_seconds=30, trust_env=True, encrypted=False)
        async with httpx2.AsyncClient(transport=direct, trust_env=False) as opened:
            assert (await opened.get(f"{served.url}/direct")).text == "/direct"


@pytest.mark.parametrize("encrypted", [False, True])
def test_certificates_are_loaded_where_they_are_needed(monkeypatch: pytest.MonkeyPatch, encrypted: bool) -> None:
    loaded = []
    monkeypatch.setattr(httpx2, "create_ssl_context", lambda **options: loaded.append(options))
    open_transport(idle_seconds=30, trust_env=False, encrypted=encrypted)
    assert bool(loaded) == encrypted
