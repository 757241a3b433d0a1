"""The same day's work in every editor: what each shows, and that none is offered what it cannot do."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from lsprotocol import types

from tests.scripted import ScriptedServer
from tests.scripted.world import SEED, World
from tests.server.conftest import StartEditor
from tests.server.editor import Editor
from tests.server.profiles import ALL, CAPTURED, profile

pytestmark = pytest.mark.parametrize("name", ALL)
# Wide characters stand before what is wrong, on its line and on the lines above.
BROKEN = (
    "---\nmodel: openai/scripted # 😀\ninput: {schema: {text: string}}\n---\n"
    "Grüße 😀 naïve\u2028日本 {{txet}} and {{text}} 😀 {{tetx}}\n"
)
FIRST_LINE = SEED.splitlines()[0]
ENCODINGS = {
    "vscode-1.139": "utf-16",
    "neovim-0.7": "utf-16",
    "eglot-1.9": "utf-16",
    "helix": "utf-8",
    "neovim@v0.11.0": "utf-8",
    "emacs@v29.1": "utf-32",
}


def undefined(editor: Editor, uri: str) -> list[str]:
    """The text under each undefined variable."""
    return [editor.marked(uri, found).strip("{}") for found in editor.diagnostics(uri, "variable-undefined")]


def score(lens: str) -> float:
    return float(lens.split()[1])


def once(found: list[types.Diagnostic]) -> bool:
    """Whether nothing is shown twice."""
    keys = [(d.range.start.line, d.range.start.character, d.code, d.message) for d in found]
    return len(keys) == len(set(keys))


async def test_a_static_error_is_shown_at_the_right_characters_and_goes_when_mended(
    start: StartEditor, name: str, scripted: ScriptedServer
) -> None:
    editor = await start(name)
    assert editor.encoding == ENCODINGS[name]
    uri = editor.open("new.prompt", BROKEN)
    await editor.until(lambda: undefined(editor, uri) == ["txet", "tetx"])
    assert once(editor.diagnostics(uri))
    editor.replace(uri, "Grüße", "😀😀\n😀")
    editor.replace(uri, "{{txet}}", "{{text}}")
    await editor.until(lambda: undefined(editor, uri) == ["tetx"])
    editor.replace(uri, "tetx", "text")
    await editor.until(lambda: not editor.diagnostics(uri))
    editor.replace(uri, "😀 {{text}}\n", "😀 {{text\n")
    await editor.until(lambda: editor.diagnostics(uri))
    editor.close(uri)
    await editor.until(lambda: not editor.diagnostics(uri))
    assert len(scripted.log) == 0
    assert editor.messages() == []


async def test_the_quick_fix_of_a_static_error_is_applied(start: StartEditor, name: str) -> None:
    editor = await start(name)
    uri = editor.open("new.prompt", BROKEN)
    for wrong in ("txet", "tetx"):
        (found,) = await editor.until(
            lambda wrong=wrong: [  # type: ignore[misc]
                d for d in editor.diagnostics(uri, "variable-undefined") if wrong in editor.marked(uri, d)
            ]
        )
        offered = await editor.actions(uri, found.range)
        action, *_ = [a for a in offered if a.diagnostics and a.diagnostics[0].code == "variable-undefined"]
        await editor.apply(action)
    assert editor.texts[uri] == BROKEN.replace("txet", "text").replace("tetx", "text")
    await editor.until(lambda: not editor.diagnostics(uri))


async def test_diagnostics_are_pulled_or_pushed_and_never_both(start: StartEditor, name: str, workspace: Path) -> None:
    editor = await start(name, options={"background": "off"})
    broken = workspace / "broken.jsonl"
    broken.write_text((workspace / "tickets.jsonl").read_text("utf-8") + "{oops\n", "utf-8")
    text = BROKEN.replace("input:", "apo.examples: broken.jsonl\ninput:")
    uri = editor.open("new.prompt", text)
    await editor.until(lambda: undefined(editor, uri) == ["txet", "tetx"])
    rows = broken.as_uri()
    await editor.until(lambda: editor.diagnostics(rows, "row-unusable"))
    pushed = {params.uri for params in editor.published}
    assert editor.pulls is (name == "vscode-1.139")
    assert pushed == ({rows} if editor.pulls else {uri, rows})
    assert bool(editor.pulled) is editor.pulls
    assert once(editor.diagnostics(uri))
    assert once(editor.diagnostics(rows))
    editor.close(uri)
    await editor.until(lambda: not editor.diagnostics(rows))


async def test_save_read_the_critique_apply_the_rewrite_and_see_the_score_rise(
    start: StartEditor, name: str, world: World, workspace: Path
) -> None:
    editor = await start(name)
    uri = editor.open("tickets.prompt")
    critiques = await editor.run(uri)
    assert critiques
    assert once(editor.diagnostics(uri))
    assert {editor.marked(uri, critique) for critique in critiques} == {FIRST_LINE}
    hover = await editor.hover(uri, critiques[0].range.start)
    assert hover is not None
    assert "Critique" in hover
    assert "tickets.jsonl:" in hover
    assert " points on 45 selection rows" in hover
    before = await editor.lens(uri, "acc ")

    actions = await editor.actions(uri, critiques[0].range)
    gains = [action for action in actions if action.title.startswith("Apply rewrite: +")]
    action = gains[0]
    assert " points on 45 selection rows" in action.title
    await editor.apply(action)
    assert (await editor.lens(uri, "acc ")).endswith("before your edits")
    await editor.run(uri)
    after = await editor.lens(uri, "acc ")
    assert score(after) > score(before)
    text = (workspace / "tickets.prompt").read_text("utf-8")
    assert text == editor.texts[uri] != world.prompt_text()
    assert editor.messages() == []


async def test_a_run_is_cancelled_and_closing_clears(start: StartEditor, name: str, scripted: ScriptedServer) -> None:
    scripted.latency = 0.3
    editor = await start(name)
    uri = editor.open("tickets.prompt")
    editor.save(uri)
    await editor.lens(uri, "Cancel")
    await editor.until(lambda: len(scripted.log))
    if editor.shows_progress:
        await editor.until(editor.client.progress_reports.keys)
        (token,) = editor.client.progress_reports
        editor.client.window_work_done_progress_cancel(types.WorkDoneProgressCancelParams(token))
    else:
        await editor.command("apo.cancel", uri)
    await editor.until_idle(uri, 3)
    asked = len(scripted.log)
    scripted.latency = 0
    await editor.run(uri)
    assert asked < len(scripted.log)
    assert editor.diagnostics(uri)
    editor.close(uri)
    await editor.until(lambda: not editor.diagnostics(uri))
    assert await editor.lenses(uri) == []


async def test_a_command_without_an_address_is_about_the_only_open_prompt(
    start: StartEditor, name: str, scripted: ScriptedServer
) -> None:
    """Some editors list the commands, and run what is chosen without arguments."""
    editor = await start(name, options={"background": "off"})
    await editor.command("apo.evaluate")
    uri = editor.open("tickets.prompt")
    other = editor.open("other.prompt", BROKEN)
    await editor.command("apo.evaluate")
    await editor.until(lambda: len(editor.messages()) == 2)
    assert "Open the prompt first" in editor.messages()[0]
    assert "Several prompts are open" in editor.messages()[1]
    assert len(scripted.log) == 0
    editor.close(other)
    await editor.command("apo.evaluate")
    await editor.lens(uri, "acc ")


async def test_what_a_client_cannot_do_is_not_offered(start: StartEditor, name: str) -> None:
    asked: list[str] = []

    def registered(params: types.RegistrationParams) -> None:
        asked.extend(registration.method for registration in params.registrations)

    editor = await start(name, features={types.CLIENT_REGISTER_CAPABILITY: registered})
    said = profile(name).raw
    text, space, window = said["textDocument"], said["workspace"], said.get("window", {})
    assert editor.result is not None
    offered = editor.result.capabilities
    refreshed = space.get("diagnostics", {}).get("refreshSupport", False)
    assert (offered.diagnostic_provider is not None) is ("diagnostic" in text and refreshed)
    action = offered.code_action_provider
    assert isinstance(action, types.CodeActionOptions)
    resolves = "edit" in text["codeAction"].get("resolveSupport", {}).get("properties", ())
    assert bool(action.resolve_provider) is resolves
    assert offered.inlay_hint_provider is None or "inlayHint" in text
    assert offered.semantic_tokens_provider is None or "semanticTokens" in text
    # Every one of these editors asks for them, and some do not say so.
    assert offered.hover_provider
    assert offered.code_lens_provider
    assert offered.completion_provider

    uri = editor.open("tickets.prompt")
    critiques = await editor.run(uri)
    related = text.get("publishDiagnostics", {}).get("relatedInformation", False)
    assert all(bool(critique.related_information) is related for critique in critiques)
    actions = await editor.actions(uri, critiques[0].range)
    assert all(action.disabled is None for action in actions) or text["codeAction"].get("disabledSupport")
    assert all((action.edit is None) is resolves for action in actions if action.title.startswith("Apply rewrite: +"))
    assert bool(editor.progress()) is bool(window.get("workDoneProgress"))
    dynamic = space.get("didChangeWatchedFiles", {}).get("dynamicRegistration", False)
    assert (types.WORKSPACE_DID_CHANGE_WATCHED_FILES in asked) is dynamic
    answer = await editor.client.text_document_hover_async(
        types.HoverParams(types.TextDocumentIdentifier(uri), critiques[0].range.start)
    )
    assert answer is not None
    assert isinstance(answer.contents, types.MarkupContent)
    assert answer.contents.kind in text["hover"]["contentFormat"]


def test_each_profile_says_where_it_is_from(name: str) -> None:
    known = profile(name)
    assert known.client
    assert known.version
    assert known.origin
    assert (name in CAPTURED) is (known.origin != "pytest-lsp")
    assert json.dumps(known.raw)
