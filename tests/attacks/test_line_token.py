"""The editor's line, with a token: who does not know it is told so, slowly; without one, nothing is taken on trust."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from apo_server.tcp import over_tcp
from apo_server.token_file import BadTokenFile, Token
from apo_server.web_socket import over_websocket
from tests.attacks.door import Door, closing, door
from tests.attacks.strangers import upgrade
from tests.scripted import ScriptedServer
from tests.scripted.world import World
from tests.server.editor import environment
from tests.server.raw import EXIT, HELLO, READY, SHUTDOWN, Message, Raw, ending, framed, opened, until
from tests.server.sockets import TOKEN, Listen, hello, listening, tcp, token_file

ALIKE = {
    "none": ...,
    "null": None,
    "empty": "",
    "another": "x" * len(TOKEN),
    "its beginning": TOKEN[:-1],
    "more than it": TOKEN + "x",
    "with a line break": TOKEN + "\n",
    "in capitals": TOKEN.upper(),
    "in letters that look alike": TOKEN.replace("o", "о"),
    "in a list": [TOKEN],
    "as a key": {TOKEN: True},
    "true": True,
    "a number": 0,
    "a lone surrogate": "\ud800",
    "all letters at once": "*",
}
ELSEWHERE: dict[str, Callable[[Message], Message]] = {
    "in the section": lambda m: options(m, {"apo": {"token": TOKEN}}),
    "beside the options": lambda m: {**m, "params": {**m["params"], "token": TOKEN}},
    "beside the parameters": lambda m: {**m, "token": TOKEN},
    "as the options": lambda m: options(m, TOKEN),
    "in a list of options": lambda m: options(m, [{"token": TOKEN}]),
    "under another name": lambda m: options(m, {"Token": TOKEN, "token ": TOKEN, "authToken": TOKEN}),
    "as the id": lambda m: {**m, "id": TOKEN},
    "as the client's name": lambda m: {**m, "params": {**m["params"], "clientInfo": {"name": TOKEN}}},
}


def options(message: Message, value: object) -> Message:
    return {**message, "params": {**message["params"], "initializationOptions": value}}


@pytest.fixture
def no_penalty(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("apo_server.admission._PENALTY", 0.01)


@pytest.mark.usefixtures("no_penalty")
@pytest.mark.parametrize("token", ALIKE.values(), ids=ALIKE.keys())
async def test_what_is_not_the_token_is_refused_in_words_that_do_not_tell_it(token: object) -> None:
    async with door(TOKEN) as opened_door:
        await _is_told(opened_door, HELLO if token is ... else hello(token))
        await opened_door.expect_served(hello=hello())


@pytest.mark.usefixtures("no_penalty")
@pytest.mark.parametrize("place", ELSEWHERE.values(), ids=ELSEWHERE.keys())
async def test_a_token_in_the_wrong_place_is_none(place: Callable[[Message], Message]) -> None:
    async with door(TOKEN) as opened_door:
        await _is_told(opened_door, place(HELLO))
        await opened_door.expect_served(hello=hello())


async def _is_told(opened_door: Door, message: Message) -> None:
    answer = await opened_door.attack(framed(message, READY))
    said = json.loads(answer.partition(b"\r\n\r\n")[2])
    assert said["id"] == message["id"]
    assert said["error"]["code"] == -32803
    assert "Set 'token' in the initialization options" in said["error"]["message"]
    assert TOKEN not in said["error"]["message"]
    assert TOKEN[:4] not in answer.decode().replace(str(message["id"]), "")


@pytest.mark.parametrize("secret", [None, TOKEN])
async def test_a_token_is_gone_before_the_server_hears_the_message(secret: str | None) -> None:
    async with door(secret) as opened_door:
        await opened_door.expect_served(hello=hello(background="off"))
        assert opened_door.heard[0]["params"]["initializationOptions"] == {"background": "off"}
        assert opened_door.lines[0].authenticated is (secret is not None)


async def test_guessing_is_slow_and_keeps_the_editor_out_for_a_moment_at_most() -> None:
    async with door(TOKEN) as opened_door:
        begun = time.monotonic()
        guesses = [asyncio.ensure_future(opened_door.attack(framed(hello(f"guess {n}")))) for n in range(200)]
        await asyncio.sleep(0.5)
        assert not any(guess.done() and guess.result() for guess in guesses), "nobody has an answer so soon"
        answered = sum(b"error" in answer for answer in await asyncio.gather(*guesses))
        assert time.monotonic() - begun >= 1
        assert answered <= 64 * (time.monotonic() - begun + 1)
        await opened_door.expect_served(hello=hello())


@pytest.mark.parametrize("way", [over_tcp, over_websocket])
async def test_hanging_up_after_a_guess_does_not_make_room_for_the_next(
    way: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    compared: list[object] = []
    begun = time.monotonic()
    monkeypatch.setattr(Token, "matches", lambda token, value: bool(compared.append(value)))
    async with door(TOKEN, way) as opened_door:
        for number in range(200):
            wrong = upgrade(target=f"/?token={number}") if way is over_websocket else framed(hello(f"{number}"))
            with contextlib.suppress(OSError):
                _, writer = await opened_door.connect()
                writer.write(wrong)
                await writer.drain()
                writer.close()
        await asyncio.sleep(0.1)
    assert 30 < len(compared) <= 64 * (1 + time.monotonic() - begun)


async def test_one_who_guesses_does_not_make_the_editor_wait() -> None:
    async with door(TOKEN) as opened_door:
        guess = asyncio.ensure_future(opened_door.attack(framed(hello("wrong"))))
        await asyncio.sleep(0.05)
        begun = time.monotonic()
        await opened_door.expect_served(hello=hello())
        assert time.monotonic() - begun < 0.8
        assert await guess == b""


# Token files.


def _fifo(path: Path) -> None:
    os.mkfifo(path, 0o600)


def _foreign(path: Path) -> None:
    path.write_text(TOKEN, encoding="utf-8")
    path.chmod(0o600)
    os.chown(path, 65534, 65534)


def _link(path: Path) -> None:
    path.symlink_to(token_file(path.parent).rename(path.parent / "real"))


def _holds(content: bytes, mode: int = 0o600) -> Callable[[Path], None]:
    def make(path: Path) -> None:
        path.write_bytes(content)
        path.chmod(mode)

    return make


as_root = pytest.mark.skipif(os.name != "posix" or os.geteuid() != 0, reason="only root can give files away")
TOKEN_FILES: dict[str, tuple[Callable[[Path], object], str]] = {
    "missing": (lambda path: None, "cannot be opened"),
    "empty": (_holds(b""), "does not hold a token"),
    "only a line break": (_holds(b"\n"), "does not hold a token"),
    "short": (_holds(b"123456789012345\n"), "does not hold a token"),
    "spaces": (_holds(b" " * 40), "does not hold a token"),
    "two lines": (_holds(f"{TOKEN}\n{TOKEN}\n".encode()), "does not hold a token"),
    "two line breaks": (_holds(f"{TOKEN}\n\n".encode()), "does not hold a token"),
    "NULs": (_holds(bytes(40)), "does not hold a token"),
    "not ASCII": (_holds("ключ ключ ключ ключ".encode()), "does not hold a token"),
    "endless": (_holds(b"x" * 5000), "does not hold a token"),
    "readable by the group": (_holds(TOKEN.encode(), 0o640), "chmod 600"),
    "readable by all": (_holds(TOKEN.encode(), 0o604), "chmod 600"),
    "writable by all": (_holds(TOKEN.encode(), 0o602), "chmod 600"),
    "a pipe": (_fifo, "is not a regular file"),
    "a folder": (lambda path: path.mkdir(mode=0o700), "is not a regular file"),
    "a link": (_link, "is a link"),
    "a link to a device": (lambda path: path.symlink_to("/dev/zero"), "is a link"),
    "a link to nothing": (lambda path: path.symlink_to("nothing"), "is a link"),
}


@pytest.mark.skipif(os.name != "posix", reason="rights of POSIX")
@pytest.mark.parametrize(("make", "said"), TOKEN_FILES.values(), ids=TOKEN_FILES.keys())
def test_a_token_file_that_others_may_know_is_refused(
    tmp_path: Path, make: Callable[[Path], object], said: str
) -> None:
    path = tmp_path / "token"
    make(path)
    with pytest.raises(BadTokenFile, match=said) as refused:
        Token.read(path)
    assert TOKEN[:5] not in str(refused.value)


@as_root
def test_a_token_file_of_somebody_else_is_refused(tmp_path: Path) -> None:
    _foreign(tmp_path / "token")
    with pytest.raises(BadTokenFile, match="belongs to another user"):
        Token.read(tmp_path / "token")


def test_a_device_is_not_a_token_file() -> None:
    with pytest.raises(BadTokenFile, match="is not a regular file"):
        Token.read(Path("/dev/zero"))


@pytest.mark.parametrize("end", ["", "\n", "\r\n"])
def test_a_token_file_may_end_with_a_line_break(tmp_path: Path, end: str) -> None:
    assert Token.read(token_file(tmp_path, TOKEN + end)).matches(TOKEN)


# The server as a process.


def _refusal(*arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "apo_server", *arguments], capture_output=True, text=True, timeout=30, check=False
    )
    assert done.returncode == 2, done
    assert done.stderr.count("\n") == 1 or done.stderr.startswith("usage:"), done.stderr
    return done.stderr


@pytest.mark.parametrize("host", ["0.0.0.0", "[::]", "0"])
@pytest.mark.parametrize("way", ["--tcp", "--ws"])
def test_where_other_machines_can_connect_a_token_is_required(way: str, host: str) -> None:
    assert "Name a token file with --token-file" in _refusal(way, f"{host}:0")


def test_a_token_file_that_cannot_be_used_is_named_with_a_remedy(tmp_path: Path) -> None:
    path = token_file(tmp_path, mode=0o644)
    assert _refusal("--tcp", "0", "--token-file", str(path)) == (
        f"apo-language-server: The token file '{path}' can be read or changed by other users. Run chmod 600 on it.\n"
    )
    assert "add --tcp or --ws" in _refusal("--token-file", str(token_file(tmp_path)))


@pytest_asyncio.fixture
async def listen() -> AsyncIterator[Listen]:
    async with listening() as begin:
        yield begin


@pytest.fixture
def world(scripted: ScriptedServer) -> World:
    """The world that the scripted endpoint lives in."""
    world = World(12)
    scripted.script = world.script
    return world


PERMISSION = {"consent": True, "trusted": True, "background": "off"}


async def _run(client: Raw, message: Message, prompt: Path, text: str) -> None:
    """An editor that gives its consent runs a prompt."""
    await client.greet(message)
    await client.say(opened(prompt.as_uri(), text))
    run = {"command": "apo.evaluate", "arguments": [prompt.as_uri()]}
    await client.say({"id": 5, "method": "workspace/executeCommand", "params": run})
    await client.answer(5)


def _told(client: Raw) -> list[str]:
    return [m["params"]["message"] for m in client.heard if m.get("method") == "window/showMessage"]


def _rooted(message: Message, folder: Path) -> Message:
    return {**message, "params": {**message["params"], "rootUri": folder.as_uri()}}


@pytest.mark.parametrize(
    "given",
    [PERMISSION, {"background": "off"}, {"apo": {"apo": PERMISSION, **PERMISSION}}],
    ids=["given", "not spoken of", "in the section"],
)
async def test_without_a_token_neither_consent_nor_trust_counts(
    listen: Listen, tmp_path: Path, scripted: ScriptedServer, world: World, given: dict[str, Any]
) -> None:
    prompt = world.write(tmp_path)
    environ = environment(tmp_path / "cache", scripted.base_url)
    process, host, port = await listen("--tcp", "0", environ=environ)
    client = await tcp(host, port)
    elsewhere = {"cacheDir": str(tmp_path / "chosen")}
    chosen = {"apo": {**given["apo"], **elsewhere}} if "apo" in given else {**given, **elsewhere}
    await _run(client, _rooted(options(HELLO, chosen), tmp_path), prompt, prompt.read_text("utf-8"))
    await client.say({"id": 6, "method": "workspace/executeCommand", "params": {"command": "apo.testConnection"}})
    assert (await client.answer(6))["result"]["code"] == "untrusted"
    configured = {"settings": {"apo": PERMISSION}}
    await client.say({"method": "workspace/didChangeConfiguration", "params": configured})
    ignored = {"command": "apo.ignoreCritique", "arguments": [prompt.as_uri(), "abc"]}
    await client.say({"id": 7, "method": "workspace/executeCommand", "params": ignored})
    await client.answer(7)
    hints = [said for said in _told(client) if "--token-file" in said]
    assert sum("prompts are checked, and not run" in hint for hint in hints) == 1, "it is said once"
    assert sum("nothing that is stored is changed" in hint for hint in hints) == len(hints) - 1 == 1
    assert any("This workspace is not trusted" in said for said in _told(client))
    await client.leave()
    assert (await ending(process))[0] == 0
    assert len(scripted.log) == 0
    assert not (tmp_path / "chosen").exists()


@pytest.mark.parametrize("way", ["--tcp", "--ws"])
async def test_with_the_token_they_count_and_no_log_shows_it(
    listen: Listen, tmp_path: Path, scripted: ScriptedServer, world: World, way: str
) -> None:
    prompt = world.write(tmp_path)
    environ = environment(tmp_path / "cache", scripted.base_url.replace("127.0.0.1", "0.0.0.0"))
    secret = str(token_file(tmp_path))
    arguments = (way, "0", "--token-file", secret, "--log-level", "debug")
    process, host, port = await listen(*arguments, environ=environ)
    wrong = hello(f"{TOKEN}-wrong", **PERMISSION)
    message = _rooted(hello(**PERMISSION), tmp_path)
    if way == "--tcp":
        stranger = await tcp(host, port)
        await stranger.say(wrong)
        assert "error" in await stranger.answer(wrong["id"])
        client = await tcp(host, port)
        await _run(client, message, prompt, prompt.read_text("utf-8"))
        await until(lambda: len(scripted.log))
        assert TOKEN not in json.dumps(client.heard)
        await client.leave()
    else:
        address = f"ws://{host}:{port}/?token={TOKEN}"
        with pytest.raises(InvalidStatus):
            await connect(f"{address}-wrong")
        reader, writer = await asyncio.open_connection(host, port)
        writer.write(f"GET /?token={TOKEN}\r\n\r\n".encode())
        await closing(reader)
        async with connect(address) as page:
            for said in (options(message, PERMISSION), READY, opened(prompt.as_uri(), prompt.read_text("utf-8"))):
                await page.send(json.dumps({"jsonrpc": "2.0", **said}))
            run = {"command": "apo.evaluate", "arguments": [prompt.as_uri()]}
            asked = {"jsonrpc": "2.0", "id": 5, "method": "workspace/executeCommand", "params": run}
            await page.send(json.dumps(asked))
            await until(lambda: len(scripted.log))
            for said in (SHUTDOWN, EXIT):
                await page.send(json.dumps({"jsonrpc": "2.0", **said}))
            heard = [text async for text in page]
        assert TOKEN not in "".join(map(str, heard))
    ended, _, err = await ending(process)
    assert ended == 0
    assert b"A connection is closed: its " in err
    assert TOKEN.encode() not in err
    kept = [path for path in (tmp_path / "cache").rglob("*") if path.is_file()]
    assert kept
    assert not [path for path in kept if TOKEN.encode() in path.read_bytes()]
