"""Quick fixes: measured rewrites, applied as the smallest edits, or not offered."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from lsprotocol import types

from apo_server.knowledge import Knowledge, KnowledgeStore
from tests.scripted.world import SEED, World
from tests.server.conftest import StartEditor
from tests.server.editor import PROFILES, Editor

FIRST_LINE = SEED.splitlines()[0]


def known(tmp_path: Path, editor: Editor, uri: str) -> Knowledge:
    """What the server has kept about the text as it stands."""
    path = editor.folder / uri.rpartition("/")[2]
    found = KnowledgeStore(tmp_path / "cache").load(path, editor.texts[uri].removeprefix("\ufeff"))
    assert found is not None
    return found


async def rewrites(editor: Editor, uri: str) -> list[types.CodeAction]:
    """The rewrites offered on the first line, those that can be taken."""
    line = next(n for n, text in enumerate(editor.texts[uri].splitlines()) if "help desk" in text)
    place = types.Range(types.Position(line, 1), types.Position(line, 1))
    actions = await editor.actions(uri, place)
    return [action for action in actions if action.title.startswith("Apply") and action.disabled is None]


@pytest.mark.parametrize("profile", PROFILES)
async def test_a_fix_makes_the_text_that_was_measured(start: StartEditor, tmp_path: Path, profile: str) -> None:
    editor = await start(profile)
    uri = editor.open("tickets.prompt")
    await editor.run(uri)
    action, *_ = await rewrites(editor, uri)
    assert action.kind == types.CodeActionKind.QuickFix
    assert " points on 45 selection rows" in action.title
    assert action.is_preferred is None
    assert isinstance(action.data, dict)
    expected = known(tmp_path, editor, uri).rewrite(action.data["candidate"])
    await editor.apply(action)
    assert editor.texts[uri] == expected
    assert editor.texts[uri].startswith("---\nmodel: openai/scripted\n")


async def test_rewrites_come_first_each_once_and_ways_to_hide_them_last(start: StartEditor) -> None:
    editor = await start("vscode-1.139")
    uri = editor.open("tickets.prompt")
    found = await editor.run(uri)
    actions = await editor.actions(uri, found[0].range)
    verbs = [action.title.split()[0] for action in actions]
    assert list(dict.fromkeys(verbs)) == ["Apply", "Explain", "Compare", "Open", "Ignore"]
    # VS Code puts what is marked as a model's work below everything else.
    assert all(action.tags is None for action in actions)
    rewrites = [action.data["candidate"] for action in actions if isinstance(action.data, dict)]
    assert rewrites
    assert len(set(rewrites)) == len(rewrites)


async def test_a_fix_touches_only_what_changes(start: StartEditor) -> None:
    editor = await start()
    uri = editor.open("tickets.prompt")
    await editor.run(uri)
    action = await editor.client.code_action_resolve_async((await rewrites(editor, uri))[0])
    assert action.edit is not None
    (change,) = action.edit.document_changes or ()
    assert isinstance(change, types.TextDocumentEdit)
    replaced = sum(len(editor.positions(uri).span(edit.range)) for edit in change.edits)
    assert replaced < len(SEED) / 4
    assert change.text_document.version == editor.versions[uri]


@pytest.mark.parametrize(("bom", "ends"), [("", "\r\n"), ("\ufeff", "\n"), ("\ufeff", "\r\n")])
async def test_line_ends_and_byte_order_mark_survive_a_fix(
    start: StartEditor, workspace: Path, tmp_path: Path, bom: str, ends: str
) -> None:
    text = bom + (workspace / "tickets.prompt").read_text("utf-8").replace("\n", ends)
    editor = await start()
    uri = editor.open("tickets.prompt", text)
    await editor.run(uri)
    action, *_ = await rewrites(editor, uri)
    assert isinstance(action.data, dict)
    expected = known(tmp_path, editor, uri).rewrite(action.data["candidate"])
    await editor.apply(action)
    assert editor.texts[uri] == bom + (expected or "")
    assert editor.texts[uri].count("\n") == editor.texts[uri].count(ends)


async def test_positions_of_a_fix_are_right_behind_wide_characters(start: StartEditor, tmp_path: Path) -> None:
    for profile in ("visual-studio-code", "neovim@v0.11.0", "emacs"):
        editor = await start(profile)
        text = (editor.folder / "tickets.prompt").read_text("utf-8").replace("of a shop.", "of a 😀 naïve\u2028 shop.")
        uri = editor.open("wide.prompt", text)
        await editor.run(uri)
        action, *_ = await rewrites(editor, uri)
        assert isinstance(action.data, dict)
        expected = known(tmp_path, editor, uri).rewrite(action.data["candidate"])
        await editor.apply(action)
        assert editor.texts[uri] == expected


async def test_a_fix_after_edits_elsewhere_keeps_them(start: StartEditor, tmp_path: Path) -> None:
    editor = await start()
    uri = editor.open("tickets.prompt")
    await editor.run(uri)
    before = known(tmp_path, editor, uri)
    editor.replace(uri, "apo.examples", "config: {temperature: 0}\napo.examples")
    action, *_ = await rewrites(editor, uri)
    assert action.title.endswith(", measured before your edits")
    assert isinstance(action.data, dict)
    await editor.apply(action)
    expected = before.rewrite(action.data["candidate"])
    assert expected is not None
    assert editor.texts[uri] == expected.replace("apo.examples", "config: {temperature: 0}\napo.examples")


async def test_a_fix_whose_place_has_changed_is_not_offered(start: StartEditor) -> None:
    editor = await start()
    uri = editor.open("tickets.prompt")
    await editor.run(uri)
    assert await rewrites(editor, uri)
    # The rule would be added here.
    editor.replace(uri, '{{role "user"}}', 'A line of my own.\n{{role "user"}}')
    assert await rewrites(editor, uri) == []
    place = types.Range(types.Position(6, 1), types.Position(6, 1))
    reasons = [action.disabled.reason for action in await editor.actions(uri, place) if action.disabled]
    assert "The prompt has changed since this was measured." in reasons


async def test_a_rewrite_that_is_no_better_says_so_and_cannot_be_taken(start: StartEditor) -> None:
    editor = await start()
    uri = editor.open("tickets.prompt")
    found = await editor.run(uri)
    actions = await editor.actions(uri, found[0].range)
    disabled = [action for action in actions if action.disabled is not None]
    assert disabled
    assert all("no better: " in action.disabled.reason for action in disabled if action.disabled)
    assert all("−" in action.title or "+0.0" in action.title for action in disabled)
    other = await start("neovim@v0.11.0")
    other.open("tickets.prompt")
    await other.critiques(uri)
    assert all(action.disabled is None for action in await other.actions(uri, other.diagnostics(uri)[0].range))


async def test_only_a_significant_winner_is_preferred(start: StartEditor, tmp_path: Path, world: World) -> None:
    editor = await start(options={"background": "off"})
    uri = editor.open("tickets.prompt")
    await editor.command("apo.optimize", uri)
    await editor.until(lambda: editor.progress() and editor.finished(), 60)
    winner = known(tmp_path, editor, uri).winner
    assert winner is not None
    assert winner.verdict is not None
    actions = [action for action in await rewrites(editor, uri) if "winner" in action.title]
    (action,) = actions
    assert winner.verdict.words in action.title
    assert "unseen rows" in action.title
    adopt = winner.verdict.decision == "adopt"
    assert bool(action.is_preferred) is adopt
    assert ("anyway" in action.title) is not adopt
    others = [other for other in await rewrites(editor, uri) if "winner" not in other.title]
    assert all(other.is_preferred is None for other in others)
    advice = "Adopt the winner" if adopt else "Keep your prompt"
    assert any(f"{advice}: {winner.verdict.words}." in message for message in editor.messages())
    await editor.apply(action)
    assert editor.texts[uri] == winner.text
    assert world.accuracy(winner.text) >= world.accuracy(SEED)


async def test_a_client_that_asks_for_other_kinds_gets_no_quick_fix(start: StartEditor) -> None:
    editor = await start()
    uri = editor.open("tickets.prompt")
    found = await editor.run(uri)

    async def titles(*only: types.CodeActionKind) -> list[str]:
        context = types.CodeActionContext(diagnostics=[], only=list(only))
        params = types.CodeActionParams(types.TextDocumentIdentifier(uri), found[0].range, context)
        return [action.title for action in await editor.client.text_document_code_action_async(params) or ()]

    assert await titles(types.CodeActionKind.SourceOrganizeImports) == []
    assert await titles(types.CodeActionKind.QuickFix)
    assert await titles(types.CodeActionKind.Empty)


async def test_resolving_after_the_document_is_closed_gives_no_edit(start: StartEditor) -> None:
    editor = await start()
    uri = editor.open("tickets.prompt")
    await editor.run(uri)
    action, *_ = await rewrites(editor, uri)
    editor.close(uri)
    resolved = await editor.client.code_action_resolve_async(action)
    assert resolved.edit is None
    await asyncio.sleep(0.1)
    assert len(editor.messages()) == 1
