"""The name and password for a proxy: it may quote the header that it got, and nobody is shown what that says."""

from __future__ import annotations

import asyncio
import base64
import json
import logging
import re
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import quote

import pytest

from apo_engine.models.address import Address
from apo_engine.models.cache import AnswerCache
from apo_engine.models.chat import Completion
from apo_engine.models.failure import CallFailure
from apo_engine.models.openai_chat import OpenAIChat
from apo_engine.models.secrets import Secrets
from tests.engine.models.support import ask
from tests.secrets.canary import files_below

_HEADER = re.compile(rb"(?i)^(?:proxy-)?authorization: Basic (\S+)", re.MULTILINE)
CREDENTIALS = {
    "a long password": ("ada", "correct+horse/battery"),
    "a short password": ("ada", "x1"),
    "a name of other lengths": ("ab", "correct+horse/battery"),
    "letters that are quoted": ("a@b", "p:%/?#wörd"),
    "a token as the name": ("tok-0123456789abcdef", ""),
}
Answer = Callable[[str], bytes]


def _body(status: str, body: str) -> bytes:
    return f"HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n{body}".encode()


def _error(quoted: str) -> bytes:
    return _body("400 Bad Request", json.dumps({"error": {"message": f"You sent Proxy-Authorization: Basic {quoted}"}}))


def _refusal(quoted: str) -> bytes:
    return _body(f"407 Denied for Basic {quoted}", "no")


def _plain(quoted: str) -> bytes:
    return _body("403 Forbidden", json.dumps({"error": {"message": base64.b64decode(quoted).decode("latin-1")}}))


def _completion(quoted: str) -> bytes:
    choice = {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": f"You are {quoted}."}}
    return _body("200 OK", json.dumps({"choices": [choice]}))


@asynccontextmanager
async def _quoting(answer: Answer) -> AsyncIterator[tuple[int, list[str]]]:
    """A server that answers with the credentials it was sent; its port, and what it was sent."""
    seen: list[str] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        found = _HEADER.search(head)
        assert found is not None, head
        seen.append(found[1].decode())
        writer.write(answer(seen[-1]))
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        yield server.sockets[0].getsockname()[1], seen


def _userinfo(name: str, password: str) -> str:
    return f"{quote(name, safe='')}:{quote(password, safe='')}@" if password else f"{quote(name, safe='')}@"


def _model(url: str) -> OpenAIChat:
    return OpenAIChat("openai/m", model_id="m", address=Address.parse(url), key=None)


def _betrays(text: str, sent: str, credentials: tuple[str, str]) -> str:
    """What of the credentials stands in a text: a part of the header's value, or a token; empty if nothing does."""
    name, password = credentials
    plain = sent.rstrip("=")
    secrets = [
        *(plain[at : at + 5] for at in range(len(plain) - 4)),
        password if len(password) > 5 else "",
        name if not password else "",
    ]
    return next((one for one in secrets if one and one in text), "")


@pytest.mark.parametrize("credentials", CREDENTIALS.values(), ids=CREDENTIALS.keys())
@pytest.mark.parametrize(
    ("url", "answer"),
    [
        ("http://models.example/v1", _error),
        ("http://models.example/v1", _refusal),
        ("http://models.example/v1", _plain),
        ("https://models.example/v1", _refusal),
    ],
    ids=["an error", "a refusal", "an error that reads it out", "a refused tunnel"],
)
async def test_what_a_proxy_quotes_of_its_own_credentials_is_struck(
    url: str,
    answer: Answer,
    credentials: tuple[str, str],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.delenv("NO_PROXY", raising=False)
    caplog.set_level(logging.DEBUG)
    async with _quoting(answer) as (port, seen):
        monkeypatch.setenv("ALL_PROXY", f"http://{_userinfo(*credentials)}127.0.0.1:{port}")
        model = _model(url)
        with pytest.raises(CallFailure) as caught:
            await model.complete(ask())
        await model.close()
    assert base64.b64decode(seen[0]).decode() == ":".join(credentials)
    assert not _betrays(f"{caught.value!r} {caught.value} {caught.value.problems}", seen[0], credentials)
    assert not _betrays(caplog.text, seen[0], credentials)


@pytest.mark.parametrize("credentials", CREDENTIALS.values(), ids=CREDENTIALS.keys())
@pytest.mark.parametrize("proxied", [True, False], ids=["a proxy", "an endpoint with basic authentication"])
async def test_no_answer_that_quotes_credentials_is_kept_as_it_came(
    proxied: bool, credentials: tuple[str, str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name in ("NO_PROXY", "HTTP_PROXY", "HTTPS_PROXY"):
        monkeypatch.delenv(name, raising=False)
    async with _quoting(_completion) as (port, seen):
        url = f"http://{_userinfo(*credentials)}127.0.0.1:{port}/v1"
        if proxied:
            monkeypatch.setenv("ALL_PROXY", f"http://{_userinfo(*credentials)}127.0.0.1:{port}")
            url = "http://models.example/v1"
        model = _model(url)
        answer = await model.complete(ask())
        await model.close()
    assert not _betrays(answer.text, seen[0], credentials)
    cache = AnswerCache(tmp_path / "answers.sqlite")
    await cache.put("key", answer)
    assert await cache.get("key", Completion) is not None
    await cache.close()
    kept = b"".join(content for _, content in files_below(tmp_path))
    assert not _betrays(kept.decode("latin-1"), seen[0], credentials)


def test_a_name_is_no_secret_by_itself() -> None:
    secrets = Secrets.of([], ("administrator", "correct-horse-battery"))
    assert secrets.struck("Ask the administrator.") == "Ask the administrator."
