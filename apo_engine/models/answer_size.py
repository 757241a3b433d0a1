"""No answer takes more memory than any model could fill: neither one without end, nor one that unpacks to one."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping

import httpx2

# Some millions of tokens.
MOST_BYTES = 16 * 2**20
#: Answers are small, and what unpacks to a thousand times its size could not be counted as it comes.
UNPACKED: Mapping[str, str] = {"Accept-Encoding": "identity"}


async def limit(response: httpx2.Response) -> None:
    """Let no more of an answer be read than any model would say. For the hooks of a client that asks for `UNPACKED`.

    Raises:
        httpx2.DecodingError: it is packed all the same. Whoever reads one that is too long gets a `ReadError`.
    """
    packed = response.headers.get("content-encoding", "identity")
    if packed.strip().lower() not in ("identity", ""):
        raise httpx2.DecodingError("the answer is compressed, which was not asked for")
    assert isinstance(response.stream, httpx2.AsyncByteStream)
    response.stream = _Limited(response.stream)


class _Limited(httpx2.AsyncByteStream):
    """A body that breaks off where it is too long."""

    def __init__(self, body: httpx2.AsyncByteStream) -> None:
        self._body = body

    async def __aiter__(self) -> AsyncIterator[bytes]:
        left = MOST_BYTES
        async for part in self._body:
            left -= len(part)
            if left < 0:
                raise httpx2.ReadError(f"the answer is longer than {MOST_BYTES // 2**20} MiB")
            yield part

    async def aclose(self) -> None:
        await self._body.aclose()
