"""What can be done about a row in its own file: take it out, or run a prompt on it."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest
from lsprotocol import types

from tests.scripted import ScriptedServer
from tests.server.conftest import StartEditor
from tests.server.editor import Editor

OFF = {"background": "off"}
PROMPT = "---\nmodel: openai/scripted\napo.examples: {name}\n---\nWhich queue, billing or shipping?\n{{{{text}}}}\n"
ROWS = [
    ("😀 where is my parcel", "shipping"),
    ("an invoice too many", "billing"),
    ("where is my parcel", "shipping"),
] * 2


async def actions(editor: Editor, uri: str, line: int) -> dict[str, types.CodeAction]:
    at = types.Position(line, 0)
    return {action.title: action for action in await editor.actions(uri, types.Range(at, at))}


@pytest.mark.parametrize("newline", ["\n", "\r\n"])
@pytest.mark.parametrize("profile", ["vscode-1.139", "helix"])
async def test_a_row_that_repeats_another_is_taken_out_whole(
    start: StartEditor, workspace: Path, profile: str, newline: str
) -> None:
    lines = [json.dumps({"text": text, "label": label}, ensure_ascii=False) for text, label in ROWS[:4]]
    (workspace / "rows.jsonl").write_bytes(newline.join(lines).encode())
    editor = await start(profile, options=OFF, features={types.CLIENT_REGISTER_CAPABILITY: lambda _: None})
    editor.open("queue.prompt", PROMPT.format(name="rows.jsonl"))
    uri = editor.open("rows.jsonl")
    (found,) = await editor.until(lambda: editor.diagnostics(uri, "row-duplicate"))
    assert found.range.start.line == 3
    assert list(await actions(editor, uri, 0)) == ["Run queue.prompt on this row"]
    offered = await actions(editor, uri, 3)
    assert list(offered) == ["Remove this row", "Run queue.prompt on this row"]
    assert list(offered["Remove this row"].diagnostics or ()) == [found]
    await editor.apply(offered["Remove this row"])
    assert editor.texts[uri] == newline.join(lines[:3]) + newline
    await editor.until(lambda: not editor.diagnostics(uri, "row-duplicate"))


async def test_a_cell_over_several_lines_is_not_torn_apart(start: StartEditor, workspace: Path) -> None:
    table = 'text,label\n"one\ntwo",billing\nthree,shipping\n"one\ntwo",billing\nthree,shipping\n'
    (workspace / "rows.csv").write_text(table)
    editor = await start("vscode-1.139", options=OFF, features={types.CLIENT_REGISTER_CAPABILITY: lambda _: None})
    editor.open("queue.prompt", PROMPT.format(name="rows.csv"))
    uri = editor.open("rows.csv")
    found = await editor.until(lambda: editor.diagnostics(uri, "row-duplicate"))
    assert [one.range.start.line for one in found] == [4, 6]
    assert "Remove this row" not in await actions(editor, uri, 4)
    assert "Remove this row" in await actions(editor, uri, 6)


async def test_the_prompt_runs_on_the_row_that_is_chosen(start: StartEditor, scripted: ScriptedServer) -> None:
    # The first of the scripted file that is not sealed.
    line = 3
    editor = await start("neovim@v0.7.0", options=OFF)
    editor.open("tickets.prompt")
    uri = editor.open("tickets.jsonl")
    offered: dict[str, types.CodeAction] = {}
    while not offered:
        offered = await actions(editor, uri, line - 1)
    command = offered["Run tickets.prompt on this row"].command
    assert command is not None
    await editor.command(command.command, *(command.arguments or ()))
    (told,) = await editor.until(lambda: [words for words in editor.messages() if "The page is in" in words])
    page = await asyncio.to_thread(Path(told.partition(" is in ")[2]).read_text, "utf-8")
    assert page.startswith(f"# tickets.prompt on tickets.jsonl, line {line}")
    assert len(scripted.log) == 1
