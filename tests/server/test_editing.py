"""While typing: problems are shown at once, in the right place, in every editor, and no model is asked."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from lsprotocol import types
from pytest_lsp import client_capabilities

from tests.scripted import ScriptedServer
from tests.server.conftest import StartEditor
from tests.server.editor import PROFILES, Editor

BROKEN = "---\nmodel: openai/scripted\ninput: {schema: {text: string}}\n---\nHello 😀 {{txet}} and {{text}}\n"


def modern_vscode() -> types.ClientCapabilities:
    """VS Code as it is today: it pulls diagnostics, and can be told to pull again."""
    capabilities = client_capabilities("visual-studio-code")
    assert capabilities.text_document and capabilities.workspace
    capabilities.text_document.diagnostic = types.DiagnosticClientCapabilities(dynamic_registration=True)
    capabilities.workspace.diagnostics = types.DiagnosticWorkspaceClientCapabilities(refresh_support=True)
    return capabilities


def codes(editor: Editor, uri: str) -> list[object]:
    return [diagnostic.code for diagnostic in editor.diagnostics(uri)]


@pytest.mark.parametrize("profile", PROFILES)
async def test_a_problem_is_shown_at_once_and_goes_when_it_is_mended(
    start: StartEditor, profile: str, scripted: ScriptedServer
) -> None:
    editor = await start(profile)
    uri = editor.open("new.prompt", BROKEN)
    (problem,) = await editor.until(lambda: editor.diagnostics(uri))
    assert (problem.source, problem.code) == ("apo", "variable-undefined")
    assert problem.severity is types.DiagnosticSeverity.Warning
    assert "Did you mean 'text'?" in problem.message
    assert editor.marked(uri, problem) in ("txet", "{{txet}}")
    editor.replace(uri, "txet", "text")
    await editor.until(lambda: not editor.diagnostics(uri))
    editor.replace(uri, "{{text}} and", "{{text and")
    await editor.until(lambda: editor.diagnostics(uri))
    editor.close(uri)
    await editor.until(lambda: not editor.diagnostics(uri))
    assert len(scripted.log) == 0
    assert editor.messages() == []


async def test_each_client_gets_the_encoding_it_prefers(start: StartEditor) -> None:
    assert (await start("neovim@v0.11.0")).encoding == "utf-8"
    assert (await start("emacs")).encoding == "utf-32"
    assert (await start("visual-studio-code")).encoding == "utf-16"


@pytest.mark.parametrize("profile", ["visual-studio-code", "neovim@v0.11.0", "emacs"])
@pytest.mark.parametrize(
    "text",
    [
        BROKEN.replace("\n", "\r\n"),
        BROKEN.replace("Hello", "Hello\u2028there\u0085\f"),
        "\ufeff" + BROKEN,
        "# a comment\n\n" + BROKEN,
    ],
    ids=["crlf", "separators", "bom", "comment"],
)
async def test_the_mark_is_under_the_right_characters(start: StartEditor, profile: str, text: str) -> None:
    editor = await start(profile)
    uri = editor.open("new.prompt", text)
    (problem,) = await editor.until(lambda: editor.diagnostics(uri))
    assert editor.marked(uri, problem) in ("txet", "{{txet}}")
    editor.edit(uri, [types.TextEdit(types.Range(types.Position(1, 0), types.Position(1, 0)), "\n")])
    line = problem.range.start.line
    moved = await editor.until(
        lambda: [found for found in editor.diagnostics(uri) if found.range.start.line == line + 1]
    )
    assert editor.marked(uri, moved[0]) in ("txet", "{{txet}}")


async def test_a_client_that_pulls_is_never_pushed_to(start: StartEditor) -> None:
    editor = await start(modern_vscode())
    uri = editor.open("new.prompt", BROKEN)
    params = types.DocumentDiagnosticParams(types.TextDocumentIdentifier(uri))
    report = await editor.client.text_document_diagnostic_async(params)
    assert isinstance(report, types.RelatedFullDocumentDiagnosticReport)
    assert [item.code for item in report.items] == ["variable-undefined"]
    editor.close(uri)
    await asyncio.sleep(0.2)
    assert editor.published == []


async def test_a_client_that_does_not_pull_is_not_offered_it(start: StartEditor) -> None:
    editor = await start("neovim@v0.7.0")
    assert editor.result is not None
    assert editor.result.capabilities.diagnostic_provider is None


async def test_a_burst_of_typing_ends_with_what_is_true(start: StartEditor) -> None:
    editor = await start()
    uri = editor.open("new.prompt", BROKEN)
    for number in range(200):
        editor.write(uri, BROKEN.replace("txet", f"txet{number}"))
    editor.write(uri, BROKEN.replace("txet", "text"))
    editor.write(uri, BROKEN.replace("txet", "final"))
    await editor.until(lambda: "'final'" in "".join(found.message for found in editor.diagnostics(uri)))
    assert len(editor.published) < 150, "changes that come in a burst are shown together"


async def test_other_files_are_left_alone(start: StartEditor, workspace: Path) -> None:
    editor = await start()
    (workspace / "notes.md").write_text("{{oops")
    uri = editor.uri("notes.md")
    item = types.TextDocumentItem(uri, "markdown", 1, "{{oops")
    editor.client.text_document_did_open(types.DidOpenTextDocumentParams(item))
    assert await editor.lenses(uri) == []
    assert await editor.hover(uri, types.Position(0, 0)) is None
    assert editor.published == []


async def test_a_prompt_without_examples_is_only_checked(start: StartEditor, scripted: ScriptedServer) -> None:
    editor = await start()
    uri = editor.open("plain.prompt", "Just {{text}}.\n")
    editor.save(uri)
    assert await editor.lenses(uri) == []
    await asyncio.sleep(0.6)
    assert editor.messages() == []
    assert editor.progress() == []
    assert len(scripted.log) == 0


async def test_messages_out_of_order_leave_the_server_healthy(start: StartEditor) -> None:
    editor = await start()
    uri = editor.uri("never-opened.prompt")
    named = types.VersionedTextDocumentIdentifier(uri=uri, version=9)
    whole = types.TextDocumentContentChangeWholeDocument("x")
    editor.client.text_document_did_change(types.DidChangeTextDocumentParams(named, [whole]))
    editor.close(uri)
    editor.client.text_document_did_save(types.DidSaveTextDocumentParams(types.TextDocumentIdentifier(uri)))
    for command in ("apo.evaluate", "apo.cancel", "apo.ignoreCritique"):
        await editor.command(command)
        await editor.command(command, uri, "more", {"than": "needed"})
    assert await editor.actions(uri, types.Range(types.Position(9, 9), types.Position(9, 9))) == []
    opened = editor.open("new.prompt", BROKEN)
    await editor.until(lambda: codes(editor, opened) == ["variable-undefined"])
    assert all("Open the prompt" in message for message in editor.messages())


async def test_settings_that_are_wrong_are_named_and_the_server_runs(start: StartEditor) -> None:
    editor = await start(options={"background": "always", "consent": "yes"})
    uri = editor.open("new.prompt", BROKEN)
    await editor.until(lambda: editor.diagnostics(uri))
    await editor.until(lambda: len(editor.messages()) == 2)
    assert "'apo.background' must be one of" in "".join(editor.messages())
