"""What is wrong with example rows is shown in their own file, at the row, without a model and without a run."""

from __future__ import annotations

import asyncio
import json
import re
from pathlib import Path

import pytest
from lsprotocol import types

from tests.scripted import ScriptedServer
from tests.scripted.world import World
from tests.server.conftest import StartEditor
from tests.server.editor import PROFILES, Editor

OFF = {"background": "off"}
PROMPT = "---\nmodel: openai/scripted\napo.examples: rows.jsonl\n---\nWhich queue, billing or shipping?\n{{text}}\n"


def rows(count: int = 12) -> list[str]:
    words = ("invoice", "parcel", "statement", "courier", "refund", "address", "coupon", "customs")
    texts = (f"😀 {words[n % 8]} {n * 7919} {words[(n * 3 + 1) % 8]}" for n in range(count))
    return [json.dumps({"text": text, "label": ("billing", "shipping")[n % 2]}) for n, text in enumerate(texts)]


def write(folder: Path, lines: list[str], name: str = "rows.jsonl") -> Path:
    path = folder / name
    path.write_text("\n".join(lines) + "\n", "utf-8")
    return path


def codes(editor: Editor, uri: str) -> list[object]:
    return [found.code for found in editor.client.diagnostics.get(uri, ())]


@pytest.mark.parametrize("profile", PROFILES)
async def test_a_broken_row_is_shown_in_its_file_and_goes_when_it_is_mended(
    start: StartEditor, workspace: Path, profile: str, scripted: ScriptedServer
) -> None:
    lines = rows()
    path = write(workspace, [*lines[:3], '{"text": "😀 broken"', *lines[3:]])
    editor = await start(profile, options=OFF)
    prompt = editor.open("queue.prompt", PROMPT)
    uri = path.as_uri()
    (found,) = await editor.until(lambda: editor.client.diagnostics.get(uri))
    assert (found.code, found.source, found.range.start.line) == ("row-unusable", "apo", 3)
    width = {"utf-8": 22, "utf-16": 20, "utf-32": 19}[editor.encoding]
    assert (found.range.start.character, found.range.end) == (0, types.Position(3, width))
    assert codes(editor, prompt) == []
    write(workspace, lines)
    await editor.until(lambda: not editor.client.diagnostics.get(uri))
    assert len(scripted.log) == 0


async def test_closing_the_last_prompt_takes_the_rows_findings_away(start: StartEditor, workspace: Path) -> None:
    path = write(workspace, [*rows(), "not json"])
    editor = await start(options=OFF)
    first = editor.open("first.prompt", PROMPT)
    second = editor.open("second.prompt", PROMPT)
    await editor.until(lambda: codes(editor, path.as_uri()) == ["row-unusable"])
    editor.close(first)
    await editor.command("apo.cancel", first)
    assert codes(editor, path.as_uri()) == ["row-unusable"]
    editor.close(second)
    await editor.until(lambda: codes(editor, path.as_uri()) == [])


async def test_findings_stay_while_a_prompt_that_was_just_opened_is_looked_through(
    start: StartEditor, workspace: Path
) -> None:
    path = write(workspace, [*rows(), "not json"])
    editor = await start(options=OFF)
    first = editor.open("first.prompt", PROMPT)
    await editor.until(lambda: codes(editor, path.as_uri()) == ["row-unusable"])
    second = editor.open("second.prompt", PROMPT)
    editor.close(first)
    editor.replace(second, "{{text}}", "{{text}} {{typo}}")
    # What the rows have to say about a variable is known once they have been looked through for the second prompt.
    await editor.until(lambda: editor.diagnostics(second, "variable-undefined"))
    shown = [params.diagnostics for params in editor.published if params.uri == path.as_uri()]
    assert shown
    assert all(shown)
    editor.close(second)
    await editor.until(lambda: codes(editor, path.as_uri()) == [])


async def test_the_unsaved_text_of_an_example_file_counts(start: StartEditor, workspace: Path) -> None:
    path = write(workspace, rows())
    editor = await start(options=OFF)
    editor.open("queue.prompt", PROMPT)
    data = editor.open("rows.jsonl")
    editor.write(data, "\n".join([*rows(), "oops"]) + "\n")
    (found,) = await editor.until(lambda: editor.client.diagnostics.get(path.as_uri()))
    assert (found.code, found.range.start.line) == ("row-unusable", 12)
    editor.close(data)
    await editor.until(lambda: not editor.client.diagnostics.get(path.as_uri()))


async def test_a_variable_that_no_column_fills_is_shown_once_the_rows_are_known(
    start: StartEditor, workspace: Path
) -> None:
    write(workspace, rows())
    editor = await start(options=OFF)
    uri = editor.open("queue.prompt", PROMPT.replace("{{text}}", "{{txet}}"))
    (found,) = await editor.until(lambda: editor.diagnostics(uri, "variable-undefined"))
    assert found.severity is types.DiagnosticSeverity.Error
    assert editor.marked(uri, found) in ("txet", "{{txet}}")
    (action,) = [action for action in await editor.actions(uri, found.range) if "text" in action.title]
    assert list(action.diagnostics or ()) == [found]
    await editor.apply(action)
    assert editor.texts[uri] == PROMPT
    await editor.until(lambda: not editor.diagnostics(uri))


async def test_an_example_file_that_appears_and_goes(start: StartEditor, workspace: Path) -> None:
    editor = await start(options=OFF)
    uri = editor.open("queue.prompt", PROMPT)
    (found,) = await editor.until(lambda: editor.diagnostics(uri, "examples-missing"))
    assert "rows.jsonl" in editor.marked(uri, found)
    editor.replace(uri, "Which queue", "\nSo which queue")
    await editor.until(lambda: [d for d in editor.diagnostics(uri) if "rows.jsonl" in editor.marked(uri, d)])
    path = write(workspace, rows())
    await editor.until(lambda: not editor.diagnostics(uri))
    path.unlink()
    await editor.until(lambda: editor.diagnostics(uri, "examples-missing"))


async def test_a_client_that_watches_files_is_asked_to_and_believed(start: StartEditor, workspace: Path) -> None:
    registered: list[types.Registration] = []

    def register(params: types.RegistrationParams) -> None:
        registered.extend(params.registrations)

    path = write(workspace, [*rows(), "oops"])
    editor = await start("visual-studio-code", options=OFF, features={types.CLIENT_REGISTER_CAPABILITY: register})
    await editor.until(lambda: registered)
    methods = {registration.method for registration in registered}
    assert {types.WORKSPACE_DID_CHANGE_WATCHED_FILES, types.TEXT_DOCUMENT_DID_CHANGE} <= methods
    editor.open("queue.prompt", PROMPT)
    await editor.until(lambda: codes(editor, path.as_uri()) == ["row-unusable"])
    write(workspace, rows())
    event = types.FileEvent(path.as_uri(), types.FileChangeType.Changed)
    editor.client.workspace_did_change_watched_files(types.DidChangeWatchedFilesParams([event]))
    await editor.until(lambda: codes(editor, path.as_uri()) == [])


async def test_a_client_that_watches_its_workspace_alone_hears_of_rows_beside_it(
    start: StartEditor, workspace: Path, tmp_path: Path
) -> None:
    """An editor with a single file open has no workspace to watch."""
    path = write(tmp_path, [*rows(), "oops"])
    (tmp_path / "queue.prompt").write_text(PROMPT)
    editor = await start("vscode-1.139", options=OFF, features={types.CLIENT_REGISTER_CAPABILITY: lambda _: None})
    folder = types.WorkspaceFolder(workspace.as_uri(), workspace.name)
    gone = types.WorkspaceFoldersChangeEvent([], [folder])
    editor.client.workspace_did_change_workspace_folders(types.DidChangeWorkspaceFoldersParams(gone))
    editor.open("../queue.prompt")
    await editor.until(lambda: codes(editor, path.as_uri()) == ["row-unusable"])
    write(tmp_path, rows())
    await editor.until(lambda: codes(editor, path.as_uri()) == [])


async def test_a_client_that_never_says_that_it_watches_is_not_relied_on(start: StartEditor, workspace: Path) -> None:
    gate = asyncio.Event()

    async def never(_: types.RegistrationParams) -> None:
        await gate.wait()

    path = write(workspace, [*rows(), "oops"])
    editor = await start("vscode-1.139", options=OFF, features={types.CLIENT_REGISTER_CAPABILITY: never})
    editor.open("queue.prompt", PROMPT)
    await editor.until(lambda: codes(editor, path.as_uri()) == ["row-unusable"])
    write(workspace, rows())
    await editor.until(lambda: codes(editor, path.as_uri()) == [])
    gate.set()


async def test_changed_rows_are_run_again_and_no_others(
    start: StartEditor, workspace: Path, world: World, scripted: ScriptedServer
) -> None:
    editor = await start(options={"background": "evaluate"})
    uri = editor.open("tickets.prompt")
    editor.save(uri)
    await editor.lens(uri, "acc ")
    asked = len(scripted.log)
    assert asked > 50
    data = workspace / "tickets.jsonl"
    lines = data.read_text("utf-8").splitlines()
    for number in range(5):
        row = json.loads(lines[number])
        lines[number] = json.dumps({**row, "text": row["text"] + " Really."})
    runs = len(editor.progress())
    data.write_text("\n".join(lines) + "\n", "utf-8")
    await editor.until(lambda: len(editor.progress()) > runs and editor.finished())
    assert 1 <= len(scripted.log) - asked <= 10


async def test_rows_that_change_under_a_run_are_run_again(
    start: StartEditor, workspace: Path, scripted: ScriptedServer
) -> None:
    scripted.latency = 0.2
    editor = await start(options={"background": "evaluate"})
    uri = editor.open("tickets.prompt")
    editor.save(uri)
    await editor.until(lambda: len(scripted.log))
    data = workspace / "tickets.jsonl"
    data.write_text("\n".join(data.read_text("utf-8").splitlines()[:60]) + "\n", "utf-8")
    event = types.FileEvent(data.as_uri(), types.FileChangeType.Changed)
    for _ in range(3):
        editor.client.workspace_did_change_watched_files(types.DidChangeWatchedFilesParams([event]))
    await editor.until(lambda: len(editor.progress()) == 2 and editor.finished())
    first, second = editor.progress()
    assert (first[-1].message, second[-1].message) == ("cancelled", "all rows are scored")
    rows = re.search(r"\(n (\d+)\)", await editor.lens(uri, "acc "))
    assert rows is not None
    assert int(rows[1]) < 60


async def test_a_partial_that_is_saved_is_measured_with_the_prompts_that_include_it(
    start: StartEditor, workspace: Path, scripted: ScriptedServer
) -> None:
    prompt = workspace / "tickets.prompt"
    prompt.write_text(prompt.read_text("utf-8").replace("Answer with", "{{> rules}}\nAnswer with"), "utf-8")
    (workspace / "_rules.prompt").write_text("Be quick.\n", "utf-8")
    editor = await start(options={"background": "evaluate"})
    uri = editor.open("tickets.prompt")
    await editor.run(uri)
    before = await editor.lens(uri, "acc ")
    partial = editor.open("_rules.prompt")
    editor.write(partial, "Tickets about refunds belong to billing. Tickets about customs belong to shipping.\n")
    await asyncio.sleep(0.5)
    assert len(editor.progress()) == 1, "nothing is run before it is saved"
    editor.save(partial)
    await editor.until(lambda: len(editor.progress()) == 2 and editor.finished())
    after = await editor.lens(uri, "acc ")
    assert float(after.split()[1]) > float(before.split()[1])


async def test_a_missing_partial_is_shown_and_goes_when_it_is_written(start: StartEditor, workspace: Path) -> None:
    editor = await start(options=OFF)
    uri = editor.open("queue.prompt", "Be kind. {{> tone}}\n")
    (found,) = await editor.until(lambda: editor.diagnostics(uri, "partial-missing"))
    assert "tone" in editor.marked(uri, found)
    partial = editor.open("_tone.prompt", "Speak softly.\n")
    await editor.until(lambda: not editor.diagnostics(uri))
    editor.write(partial, "Loud {{#if x}}\n")
    await editor.until(lambda: editor.diagnostics(uri))
    editor.close(partial)
    await editor.until(lambda: editor.diagnostics(uri, "partial-missing"))


async def test_a_partial_that_another_program_writes_is_noticed_by_an_editor_that_watches_nothing(
    start: StartEditor, workspace: Path
) -> None:
    partial = workspace / "_tone.prompt"
    partial.write_text("Speak softly.\n", "utf-8")
    (workspace / "queue.prompt").write_text("Be kind. {{> tone}}\n", "utf-8")
    editor = await start("neovim@v0.7.0", options=OFF)
    uri = editor.open("queue.prompt")
    await editor.until(lambda: any(params.uri == uri for params in editor.published))
    # It is looked at from the first look through the rows on.
    await asyncio.sleep(1)
    partial.write_text("Loud {{#if x}}\n", "utf-8")
    await editor.until(lambda: editor.diagnostics(uri))
    partial.write_text("Speak softly again.\n", "utf-8")
    await editor.until(lambda: not editor.diagnostics(uri))
