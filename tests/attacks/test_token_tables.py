"""Counting tokens sends nothing anywhere, whatever tiktoken would do, and believes no table that somebody planted."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import os
import socket
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest
from lsprotocol import types

from apo_engine.models import token_tables
from apo_engine.models.tokens import TokenCounter
from tests.scripted.world import World
from tests.server.editor import Editor, environment

ADDRESS = "https://openaipublic.blob.core.windows.net/encodings/o200k_base.tiktoken"
NAME = hashlib.sha1(ADDRESS.encode()).hexdigest()
BYTES = {bytes([byte]): byte for byte in range(256)}
TABLE = b"".join(base64.b64encode(token) + b" %d\n" % rank for token, rank in BYTES.items())


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """The hosts that this process looks up or connects to; none can be reached."""
    found: list[object] = []

    def unreachable(*address: object, **_: object) -> None:
        found.append(address)
        raise OSError("no network")

    monkeypatch.setattr(socket, "getaddrinfo", unreachable)
    monkeypatch.setattr(socket.socket, "connect", unreachable)
    for name in ("HTTPS_PROXY", "HTTP_PROXY", "ALL_PROXY", "https_proxy", "http_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    return found


def planted(data: bytes) -> Callable[[Path], object]:
    return lambda table: table.write_bytes(data)


STATES: dict[str, Callable[[Path], object]] = {
    "nothing": lambda table: None,
    "another-table": planted(TABLE),
    "an-empty-file": planted(b""),
    "a-pipe": os.mkfifo,
    "a-folder": Path.mkdir,
    "a-link-in-a-circle": lambda table: table.symlink_to(table),
    "an-endless-file": lambda table: table.symlink_to("/dev/zero"),
}


@pytest.mark.skipif(sys.platform == "win32", reason="pipes and links")
@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize("variable", ["TIKTOKEN_CACHE_DIR", "DATA_GYM_CACHE_DIR", None])
def test_what_is_not_on_this_machine_is_estimated(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, asked: list[object], state: str, variable: str | None
) -> None:
    for name in ("TIKTOKEN_CACHE_DIR", "DATA_GYM_CACHE_DIR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    folder = tmp_path / "data-gym-cache"
    folder.mkdir()
    if variable:
        monkeypatch.setenv(variable, str(folder))
    STATES[state](folder / NAME)
    there = os.path.lexists(folder / NAME)
    counter = TokenCounter()
    assert not asyncio.run(counter.ready("openai/gpt-4o-mini", 5))
    assert counter.count("one two", "openai/gpt-4o-mini") == (2, True)
    assert os.path.lexists(folder / NAME) == there, "what lies there is left as it is"
    assert asked == []


@pytest.mark.parametrize(
    "model", ["gpt-4", "gpt-4o", "o3-mini", "gpt-oss-120b", "gpt-2", "davinci", "text-davinci-edit-001", "unknown", ""]
)
async def test_no_model_has_its_table_downloaded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, asked: list[object], model: str
) -> None:
    for folder in (str(tmp_path / "missing"), ""):
        monkeypatch.setenv("TIKTOKEN_CACHE_DIR", folder)
        assert not await TokenCounter().ready(f"openai/{model}", 5)
    assert asked == []


def test_a_table_counts_if_it_has_the_hash_that_is_expected(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TIKTOKEN_CACHE_DIR", str(tmp_path))
    (tmp_path / NAME).write_bytes(TABLE)
    assert token_tables.read_table(ADDRESS, hashlib.sha256(TABLE).hexdigest()) == BYTES
    for hash_ in ("0" * 64, None):
        with pytest.raises(OSError, match="not the table"):
            token_tables.read_table(ADDRESS, hash_)


@pytest.mark.parametrize("model", ["gpt-4o-mini", "gpt-oss-20b"])
async def test_a_table_that_is_there_is_used_and_tiktoken_stays_as_it_is_for_others(
    monkeypatch: pytest.MonkeyPatch, asked: list[object], model: str
) -> None:
    import tiktoken_ext.openai_public as original
    from tiktoken.load import load_tiktoken_bpe

    monkeypatch.setattr(token_tables, "read_table", lambda *_, **__: BYTES)
    counter = TokenCounter()
    assert await counter.ready(f"openai/{model}", 5)
    assert counter.count("seven b", f"openai/{model}") == (7, False)
    assert original.load_tiktoken_bpe is load_tiktoken_bpe
    assert asked == []


@pytest.mark.parametrize("trusted", [False, True])
async def test_opening_a_prompt_asks_nobody(tmp_path: Path, trusted: bool) -> None:
    """An editor asks for inlay hints by itself; whatever leaves would come to the proxy."""
    connected: list[bool] = []

    async def proxy(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connected.append(True)
        writer.close()

    listening = await asyncio.start_server(proxy, "127.0.0.1", 0)
    address = f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}"
    folder = tmp_path / "w"
    folder.mkdir()
    World(60).write(folder, model="openai/gpt-4o-mini")
    inherited = environment(tmp_path / "cache", "http://far.example/v1").items()
    environ = {name: value for name, value in inherited if not name.lower().endswith("_proxy")}
    environ |= {"HTTPS_PROXY": address, "HTTP_PROXY": address, "TIKTOKEN_CACHE_DIR": str(tmp_path / "tables")}
    editor = await Editor.start(
        folder, environ, options={"trusted": trusted, "background": "off"}, profile="neovim@v0.11.0"
    )
    uri = editor.open("tickets.prompt")
    everything = types.Range(types.Position(0, 0), types.Position(20, 0))
    asked = types.InlayHintParams(types.TextDocumentIdentifier(uri), everything)
    hints = await editor.client.text_document_inlay_hint_async(asked)
    assert hints
    assert all("≈" in str(hint.label) for hint in hints), "estimates are marked"
    await asyncio.sleep(0.5)
    assert connected == []
    await editor.stop()
    listening.close()
