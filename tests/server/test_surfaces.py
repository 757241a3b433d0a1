"""Hostile words of rows, models and names: everything the server says is shown, and does nothing."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from tests.hostile import ALL, NAME, HostileWorld, harmless, no_link, plain_markdown
from tests.scripted import ScriptedServer
from tests.server.conftest import StartEditor
from tests.server.editor import Editor, environment
from tests.server.raw import HELLO, READY, Raw, ending, opened

# What an editor never shows as words: addresses, what goes into the file or back to the server.
_NOT_SHOWN = (
    *("uri", "targetUri", "newText", "insertText", "text", "arguments", "data", "id", "filterText", "file", "run"),
)
_CAN = {
    "textDocument": {
        "hover": {"contentFormat": ["markdown"]},
        "codeAction": {"codeActionLiteralSupport": {"codeActionKind": {"valueSet": [""]}}, "disabledSupport": True},
        "publishDiagnostics": {"relatedInformation": True},
        "inlayHint": {},
    },
    "window": {"workDoneProgress": True, "showDocument": {"support": True}},
    "experimental": {"apoStatus": True},
}
_SETTINGS = f"""apo.metric: label
input:
  schema:
    text: string
    "txet{NAME.replace(chr(27), "")}": string"""


class Room:
    """A hostile workspace, and a raw line to a server that has its prompt open."""

    def __init__(self, folder: Path, world: HostileWorld) -> None:
        self.prompt = world.write(folder).rename(folder / f"{NAME}.prompt")
        rows = (folder / "tickets.jsonl").rename(folder / f"{NAME}.jsonl")
        text = self.prompt.read_text("utf-8").replace("tickets.jsonl", json.dumps(rows.name))
        self.text = text.replace("{{text}}", f"{{{{text}}}} {{{{[{NAME} txet]}}}} {{{{> {NAME[:2]}one}}}}")
        self.plain = text
        self.number = 0
        self.client: Raw

    async def ask(self, method: str, **params: Any) -> Any:
        self.number += 1
        number = f"room {self.number}"
        await self.client.say({"id": number, "method": method, "params": params})
        while True:
            message = await self.client.hear(60)
            assert message is not None
            if "method" in message and "id" in message:
                await self.client.say({"id": message["id"], "result": _reply(message)})
            elif message.get("id") == number:
                assert "error" not in message, message
                return message.get("result")

    async def about(self, method: str, **params: Any) -> Any:
        return await self.ask(f"textDocument/{method}", textDocument={"uri": self.prompt.as_uri()}, **params)

    async def command(self, name: str, *arguments: object) -> Any:
        return await self.ask("workspace/executeCommand", command=name, arguments=[self.prompt.as_uri(), *arguments])

    async def idle(self) -> None:
        """Wait until nothing runs."""
        for _ in range(600):
            await asyncio.sleep(0.05)
            lenses = await self.about("codeLens")
            if lenses and "Cancel" not in [lens["command"]["title"] for lens in lenses]:
                return
        raise AssertionError("it never ended")


def _reply(message: dict[str, Any]) -> Any:
    return {"success": True} if message["method"] == "window/showDocument" else None


def shown(value: Any, path: str = "") -> list[tuple[str, str]]:
    """Every text in a message that an editor would show, and where it stands there."""
    if isinstance(value, str):
        return [(path, value)]
    if isinstance(value, list):
        return [found for one in value for found in shown(one, path)]
    if isinstance(value, dict):
        parts = [(name, one) for name, one in value.items() if name not in _NOT_SHOWN]
        return [found for name, one in parts for found in shown(one, f"{path}/{name}")]
    return []


@pytest.fixture
def hostile(tmp_path: Path, scripted: ScriptedServer) -> Room:
    world = HostileWorld(60)
    scripted.script = world.script
    folder = tmp_path / f"work {NAME}"
    folder.mkdir()
    return Room(folder, world)


async def test_all_the_server_says_is_shown_and_does_nothing(
    hostile: Room, tmp_path: Path, scripted: ScriptedServer
) -> None:
    environ = environment(tmp_path / "cache", scripted.base_url)
    hostile.client, process = await Raw.start("--log-level", "info", environ=environ)
    await hostile.client.say({**HELLO, "params": {**HELLO["params"], "capabilities": _CAN}}, READY)
    await hostile.client.answer(HELLO["id"])
    uri = hostile.prompt.as_uri()
    hostile.prompt.write_text(hostile.plain, "utf-8")
    await hostile.client.say(opened(uri, hostile.plain))
    hovers: list[str] = []
    await hostile.command("apo.gradients")
    await hostile.idle()
    await hostile.command("apo.optimize")
    await hostile.idle()
    lines = hostile.plain.split("\n")
    for line, words in enumerate(lines):
        at = {"line": line, "character": min(3, len(words))}
        hover = await hostile.about("hover", position=at)
        hovers += [hover["contents"]["value"]] if hover else []
        whole = {"start": {"line": line, "character": 0}, "end": {"line": line, "character": len(words)}}
        actions = await hostile.about("codeAction", range=whole, context={"diagnostics": []})
        for action in actions or ():
            command = action.get("command") or {}
            if command.get("command") == "apo.explainCritique":
                await hostile.command(command["command"], *command["arguments"][1:])
    await hostile.command("apo.runRow", 4)
    for name in ("apo.showCandidates", "apo.openReport", "apo.testConnection"):
        await hostile.command(name)
    await hostile.client.say(
        {
            "method": "textDocument/didChange",
            "params": {
                "textDocument": {"uri": uri, "version": 2},
                "contentChanges": [{"text": hostile.text}],
            },
        }
    )
    await hostile.about("codeAction", range=_everything(hostile.text), context={"diagnostics": []})
    await hostile.about("documentSymbol")
    for line, words in enumerate(hostile.text.split("\n")):
        await hostile.about("completion", position={"line": line, "character": words.find("{{") + 2})
    await hostile.about("inlayHint", range=_everything(hostile.text))
    await hostile.idle()
    await hostile.command("apo.evaluate")
    await hostile.idle()
    heard = list(hostile.client.heard)
    await hostile.client.leave()
    code, _, log = await ending(process)
    assert code == 0
    harmless(log.decode())
    words = [found for message in heard for found in shown(message) if "/contents/value" not in found[0]]
    for where, text in words:
        try:
            no_link(text)
        except AssertionError as error:
            raise AssertionError(where) from error
    said = {message.get("method") for message in heard}
    assert {"textDocument/publishDiagnostics", "$/progress", "window/logMessage", "window/showDocument"} <= said
    assert any("command:workbench" in text for _, text in words), "the corpus came through, and was shown"
    for hover in hovers:
        plain_markdown(hover)
    assert any("evil" in hover for hover in hovers)
    pages = sorted((tmp_path / "cache").rglob("*.md"))
    assert len({page.name for page in pages}) >= 4, pages
    for page in pages:
        plain_markdown(page.read_text("utf-8"))


def _everything(text: str) -> dict[str, Any]:
    return {"start": {"line": 0, "character": 0}, "end": {"line": text.count("\n"), "character": 0}}


async def test_what_an_endpoint_says_is_no_link_in_a_message(
    start: StartEditor, workspace: Path, scripted: ScriptedServer
) -> None:
    from tests.scripted.reply import failure

    scripted.script = lambda _: failure(400, f"No: {ALL}")
    editor: Editor = await start()
    uri = editor.open("tickets.prompt")
    await editor.command("apo.evaluate", uri)
    await editor.until(editor.messages)
    for message in editor.messages():
        no_link(message)
    assert any("evil" in message for message in editor.messages())
