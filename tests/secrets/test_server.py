"""No key that reaches a model server by way of the language server is written, logged, or told to the editor."""

from __future__ import annotations

import asyncio
import contextlib
import json
from pathlib import Path

import pytest

from tests.scripted import ScriptedServer, unauthorized
from tests.scripted.reply import failure
from tests.scripted.world import World
from tests.secrets.canary import Canary, files_below
from tests.secrets.routes import ROUTES, Route
from tests.server.editor import environment
from tests.server.raw import Raw, ending, opened


class Heard:
    """A server process with an editor of few words; every byte that comes out of it, and every command line."""

    def __init__(self, raw: Raw, process: asyncio.subprocess.Process) -> None:
        self.raw, self.process = raw, process
        self.said: list[bytes] = []

    @staticmethod
    async def start(folder: Path, environ: dict[str, str], **options: object) -> Heard:
        raw, process = await Raw.start("--log-level", "debug", environ=environ)
        heard = Heard(raw, process)
        capabilities = {"window": {"workDoneProgress": True, "showDocument": {"support": True}}}
        hello = {
            "processId": None,
            "rootUri": folder.as_uri(),
            "capabilities": capabilities,
            "trace": "verbose",
            "initializationOptions": {"background": "off", "consent": True, **options},
            "workspaceFolders": [{"uri": folder.as_uri(), "name": "work"}],
        }
        await raw.say({"id": 0, "method": "initialize", "params": hello})
        await raw.answer(0)
        await raw.say({"method": "initialized", "params": {}})
        return heard

    async def command(self, number: int, name: str, *arguments: object) -> None:
        params = {"command": name, "arguments": list(arguments)}
        await self.raw.say({"id": number, "method": "workspace/executeCommand", "params": params})
        await self._answered(number)

    async def until(self, *words: str, seconds: float = 40) -> None:
        """Wait for a message of the server's that holds one of ``words``, agreeing to all it asks."""
        while (message := await self._hear(seconds)) is not None:
            if any(word in json.dumps(message) for word in words):
                return
        raise AssertionError(f"never said any of {words}")

    async def _answered(self, number: int) -> None:
        while (message := await self._hear(40)) is not None:
            if message.get("id") == number and "method" not in message:
                return

    async def _hear(self, seconds: float) -> dict[str, object] | None:
        message = await self.raw.hear(seconds)
        self.said += _command_lines()
        if message is not None and "method" in message and "id" in message:
            await self.raw.say({"id": message["id"], "result": None})
        return message

    async def end(self) -> list[bytes]:
        """Everything that was ever said: messages, the log, command lines."""
        await self.raw.leave()
        code, out, err = await ending(self.process)
        assert code == 0
        return [*self.said, *(json.dumps(message).encode() for message in self.raw.heard), out, err]


def _command_lines() -> list[bytes]:
    """Those of all processes, where the system shows them."""
    found = []
    for line in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            found.append(line.read_bytes())
    return found


def _place(tmp_path: Path, route: Route, canary: Canary, server: ScriptedServer) -> tuple[Path, dict[str, str]]:
    folder = tmp_path / "work"
    folder.mkdir()
    World(60).write(folder, model=route.model)
    route.write_config(tmp_path / "config", canary, server.base_url)
    environ = environment(tmp_path / "work" / "cache", server.base_url)
    environ.update(OPENAI_LOG="debug", XDG_CONFIG_HOME=str(tmp_path / "config"))
    environ.update(route.environment(canary, server.base_url))
    return folder, environ


def _assert_untold(canary: Canary, said: list[bytes], folder: Path) -> None:
    for text in said:
        assert not (found := canary.seen_in(text)), found
    for path, content in files_below(folder):
        assert not (found := canary.seen_in(content)), (path, found)


@pytest.mark.parametrize("name", ROUTES)
async def test_a_key_is_sent_and_never_told(name: str, tmp_path: Path) -> None:
    canary, route = Canary.hatch(), ROUTES[name]
    with ScriptedServer(World(60).script) as server:
        folder, environ = _place(tmp_path, route, canary, server)
        heard = await Heard.start(folder, environ)
        uri = (folder / "tickets.prompt").as_uri()
        await heard.raw.say(opened(uri, (folder / "tickets.prompt").read_text()))
        await heard.command(1, "apo.testConnection")
        await heard.command(2, "apo.gradients", uri)
        await heard.until('"kind": "end"')
        await heard.command(3, "apo.openReport", uri)
        said = await heard.end()
        assert len(server.log) > 20
        assert all(route.carried(exchange, canary) for exchange in server.log.exchanges)
    assert any(b"DEBUG" in text for text in said), "the log shows nothing"
    _assert_untold(canary, said, folder)


@pytest.mark.parametrize("trouble", ["401", "400", "mistyped address"])
async def test_trouble_tells_no_key(trouble: str, tmp_path: Path) -> None:
    canary = Canary.hatch()
    address = "http://user:{key}@{base}" if trouble == "mistyped address" else "http://{base}?api_key={quoted}"
    route = Route(lambda *_: True, {"OPENAI_API_KEY": "{key}", "OPENAI_BASE_URL": address})
    with ScriptedServer() as server:
        told = f"No good: {canary.secret}, {canary.quoted}"
        server.script = lambda _: unauthorized(canary.secret) if trouble == "401" else failure(400, told)
        folder, environ = _place(tmp_path, route, canary, server)
        heard = await Heard.start(folder, environ)
        uri = (folder / "tickets.prompt").as_uri()
        await heard.raw.say(opened(uri, (folder / "tickets.prompt").read_text()))
        await heard.command(1, "apo.testConnection")
        await heard.raw.say(
            {"id": 2, "method": "workspace/executeCommand", "params": {"command": "apo.evaluate", "arguments": [uri]}}
        )
        await heard.until("did not accept the key", "refused the request", "is not an http:// or https:// address")
        said = await heard.end()
    _assert_untold(canary, said, folder)


# Places in an editor's settings where a key does not belong, and is none that would be used.
MISPLACED: dict[str, dict[str, object]] = {
    "unknown": {"apiKey": "{key}", "openai": {"api_key": "{key}"}},
    "endpoints": {"endpoints": {"corp": {"base_url": "http://user:{quoted}@127.0.0.1:9/v1", "key_env": "{key}"}}},
    "base URL": {"baseUrl": "http://user:{quoted}@127.0.0.1:9/v1"},
    "wrong kind": {"budget": "{key}", "background": "{key}", "workspaceBudget": {"usd": "{key}"}},
}


@pytest.mark.parametrize("where", MISPLACED)
async def test_a_key_in_the_wrong_place_of_the_settings_is_not_told(where: str, tmp_path: Path) -> None:
    canary = Canary.hatch()
    text = json.dumps(MISPLACED[where]).replace("{key}", canary.secret).replace("{quoted}", canary.quoted)
    with ScriptedServer(World(60).script) as server:
        folder, environ = _place(tmp_path, ROUTES["environment"], Canary.hatch(), server)
        heard = await Heard.start(folder, environ, **json.loads(text))
        uri = (folder / "tickets.prompt").as_uri()
        await heard.raw.say(opened(uri, (folder / "tickets.prompt").read_text()))
        changed = {"settings": {"apo": json.loads(text)}}
        await heard.raw.say({"method": "workspace/didChangeConfiguration", "params": changed})
        await heard.command(1, "apo.testConnection")
        await heard.command(2, "apo.evaluate", uri)
        await heard.until('"kind": "end"')
        said = await heard.end()
        assert not [one for one in server.every if canary.seen_in(f"{one.headers} {one.query} {one.body}".encode())]
    _assert_untold(canary, said, folder)
