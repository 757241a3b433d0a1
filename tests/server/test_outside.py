"""Rows that lie outside the workspace are neither looked at nor sent; those in any of its folders are."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.scripted import ScriptedServer
from tests.scripted.world import World
from tests.server.conftest import StartEditor

OUTSIDE = "examples-outside"


@pytest.mark.parametrize("rows", ["../elsewhere/rows.jsonl", "link.jsonl", "//evil.example/share/rows.jsonl"])
async def test_rows_outside_the_workspace_are_refused(
    start: StartEditor, workspace: Path, tmp_path: Path, world: World, scripted: ScriptedServer, rows: str
) -> None:
    (tmp_path / "elsewhere").mkdir()
    outside = tmp_path / "elsewhere" / "rows.jsonl"
    outside.write_text(world.examples_text())
    (workspace / "link.jsonl").symlink_to(outside)
    text = world.prompt_text().replace("apo.examples: tickets.jsonl", f"apo.examples: {rows}")
    (workspace / "tickets.prompt").write_text(text)
    editor = await start(options={"consent": True})
    uri = editor.open("tickets.prompt")
    (found,) = await editor.until(lambda: editor.diagnostics(uri, OUTSIDE))
    assert editor.marked(uri, found) == rows
    await editor.command("apo.evaluate", uri)
    await editor.until(editor.messages)
    assert "lies outside" in editor.messages()[0]
    assert len(scripted.log) == 0


async def test_rows_in_another_folder_of_the_workspace_are_fine(
    start: StartEditor, workspace: Path, world: World, scripted: ScriptedServer
) -> None:
    (workspace / "prompts").mkdir()
    text = world.prompt_text().replace("apo.examples: tickets.jsonl", "apo.examples: ../tickets.jsonl")
    (workspace / "prompts" / "tickets.prompt").write_text(text)
    editor = await start()
    uri = editor.open("prompts/tickets.prompt")
    await editor.command("apo.evaluate", uri)
    await editor.lens(uri, "acc ")
    assert editor.diagnostics(uri, OUTSIDE) == []
    shutil.rmtree(workspace / "prompts")
