"""Workspaces of several folders: each with its own settings, and coming and going while the server runs."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from lsprotocol import types

from tests.scripted import ScriptedServer
from tests.scripted.world import World
from tests.server.conftest import StartEditor


async def test_each_folder_has_settings_of_its_own(
    start: StartEditor, workspace: Path, tmp_path: Path, world: World, scripted: ScriptedServer
) -> None:
    quiet = tmp_path / "quiet"
    quiet.mkdir()
    world.write(quiet)
    editor = await start(configuration={"background": "evaluate"})
    added = types.WorkspaceFoldersChangeEvent([types.WorkspaceFolder(quiet.as_uri(), "quiet")], [])
    editor.client.set_configuration({"background": "off"}, section="apo", scope_uri=quiet.as_uri())
    editor.client.set_configuration({"background": "evaluate"}, section="apo", scope_uri=workspace.as_uri())
    editor.client.workspace_did_change_workspace_folders(types.DidChangeWorkspaceFoldersParams(added))
    await asyncio.sleep(0.3)

    uri = (quiet / "tickets.prompt").as_uri()
    item = types.TextDocumentItem(uri, "dotprompt", 1, (quiet / "tickets.prompt").read_text("utf-8"))
    editor.client.text_document_did_open(types.DidOpenTextDocumentParams(item))
    editor.client.text_document_did_save(types.DidSaveTextDocumentParams(types.TextDocumentIdentifier(uri)))
    await asyncio.sleep(1)
    assert len(scripted.log) == 0

    other = editor.open("tickets.prompt")
    editor.save(other)
    assert await editor.lens(other, "acc ")
    assert (await editor.lenses(uri))[0] == "Evaluate"


async def test_settings_that_change_are_heeded_by_the_next_save(
    start: StartEditor, world: World, scripted: ScriptedServer
) -> None:
    editor = await start(configuration={"background": "off"})
    uri = editor.open("tickets.prompt")
    editor.save(uri)
    await asyncio.sleep(0.8)
    assert len(scripted.log) == 0
    editor.client.set_configuration({"background": "evaluate"}, section="apo")
    editor.client.workspace_did_change_configuration(types.DidChangeConfigurationParams(None))
    await asyncio.sleep(0.3)
    editor.save(uri)
    assert await editor.lens(uri, "acc ")


@pytest.mark.parametrize("told", [True, False])
async def test_a_renamed_prompt_keeps_its_history(
    start: StartEditor, workspace: Path, scripted: ScriptedServer, *, told: bool
) -> None:
    editor = await start("vscode-1.139", options={"background": "evaluate"})
    uri = editor.open("tickets.prompt")
    editor.save(uri)
    lens = await editor.lens(uri, "acc ")
    sent = len(scripted.log)
    editor.close(uri)
    (workspace / "tickets.prompt").rename(workspace / "renamed.prompt")
    renamed = editor.open("renamed.prompt")
    if told:
        files = [types.FileRename(uri, renamed)]
        editor.client.workspace_did_rename_files(types.RenameFilesParams(files))
    assert await editor.lens(renamed, "acc ") == lens
    assert len(scripted.log) == sent


async def test_a_prompt_keeps_its_history_when_its_folder_is_renamed(
    start: StartEditor, workspace: Path, world: World, scripted: ScriptedServer
) -> None:
    (workspace / "old").mkdir()
    world.write(workspace / "old")
    editor = await start("vscode-1.139", options={"background": "off"})
    uri = editor.open("old/tickets.prompt")
    await editor.command("apo.evaluate", uri)
    lens = await editor.lens(uri, "acc ")
    sent = len(scripted.log)
    editor.close(uri)
    # What was measured is an earlier text by now.
    prompt = workspace / "old" / "tickets.prompt"
    prompt.write_text(prompt.read_text("utf-8") + "Thanks.\n", "utf-8")
    (workspace / "old").rename(workspace / "new")
    renamed = editor.open("new/tickets.prompt")
    assert await editor.lens(renamed, "Evaluate")
    folders = [types.FileRename((workspace / "old").as_uri(), (workspace / "new").as_uri())]
    editor.client.workspace_did_rename_files(types.RenameFilesParams(folders))
    assert await editor.lens(renamed, "acc ") == f"{lens}, before your edits"
    assert len(scripted.log) == sent


async def test_rows_may_lie_in_a_folder_from_when_it_comes_to_when_it_goes(
    start: StartEditor, workspace: Path, tmp_path: Path, world: World
) -> None:
    beside = tmp_path / "beside"
    beside.mkdir()
    (beside / "rows.jsonl").write_text(world.examples_text())
    text = world.prompt_text().replace("apo.examples: tickets.jsonl", "apo.examples: ../beside/rows.jsonl")
    (workspace / "tickets.prompt").write_text(text)
    editor = await start(options={"background": "off"})
    uri = editor.open("tickets.prompt")
    await editor.until(lambda: editor.diagnostics(uri, "examples-outside"))
    folder = [types.WorkspaceFolder(beside.as_uri(), "beside")]
    for event in (types.WorkspaceFoldersChangeEvent(folder, []), types.WorkspaceFoldersChangeEvent([], folder)):
        editor.client.workspace_did_change_workspace_folders(types.DidChangeWorkspaceFoldersParams(event))
        there = bool(event.removed)
        await editor.until(lambda there=there: bool(editor.diagnostics(uri, "examples-outside")) is there)  # type: ignore[misc]
