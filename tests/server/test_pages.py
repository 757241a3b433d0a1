"""Pages about a prompt: critiques explained, candidates compared, one row run, all that is known."""

from __future__ import annotations

import re
import stat
from pathlib import Path

from lsprotocol import types

from apo_server.consent import ALLOW, NOT_NOW
from tests.scripted import ScriptedServer
from tests.server.conftest import StartEditor
from tests.server.editor import Editor

TOLD = "neovim@v0.7.0"
# The first row of the scripted example file that is not sealed.
OPEN_LINE = 3


async def shown(editor: Editor, name: str, *arguments: object) -> str:
    """The text of the page that a command shows, in an editor that must be told where it lies."""
    before = len(editor.messages())
    await editor.command(name, *arguments)
    told = await editor.until(lambda: [words for words in editor.messages()[before:] if " is in /" in words])
    return read(Path(told[-1].partition(" is in ")[2]))


def read(page: Path) -> str:
    assert stat.S_IMODE(page.stat().st_mode) == 0o600
    return page.read_text("utf-8")


async def action(editor: Editor, uri: str, title: str) -> types.Command:
    """The command of the action whose title begins so, on the first critique."""
    where = editor.diagnostics(uri, "critique")[0].range
    found = next(one for one in await editor.actions(uri, where) if one.title.startswith(title))
    assert found.command is not None
    return found.command


async def run(editor: Editor, uri: str, title: str) -> str:
    command = await action(editor, uri, title)
    return await shown(editor, command.command, *(command.arguments or ()))


async def test_a_critique_is_explained_with_its_rows_in_full(start: StartEditor) -> None:
    editor = await start(TOLD)
    uri = editor.open("tickets.prompt")
    await editor.run(uri)
    page = await run(editor, uri, "Explain this critique")
    assert page.startswith("# Critique of tickets.prompt")
    assert re.search(
        r"### tickets\.jsonl, line \d+\n\nExpected \*\*\w+\*\*, answered \*\*\w+\*\*\.\n\n- text: .+ticket", page
    )
    assert "## What answering it was worth" in page
    assert "```diff\n--- your prompt\n+++ candidate" in page


async def test_candidates_are_compared_by_what_they_change_the_winner_first(start: StartEditor) -> None:
    editor = await start(TOLD, options={"background": "off"})
    uri = editor.open("tickets.prompt")
    await editor.command("apo.optimize", uri)
    await editor.until(lambda: any("Adopt the winner" in words for words in editor.messages()), 60)
    await editor.until_idle(uri)
    page = await shown(editor, "apo.showCandidates", uri)
    assert page.index("## The winner `") < page.index("## 1. ")
    assert "The winner on unseen rows: " in page
    assert page.count("```diff") == page.count("\n## ")
    report = await shown(editor, "apo.openReport")
    assert report.startswith("# Report on tickets.prompt")
    assert "## Critiques\n\n| failures | rows | rewrite | critique |" in report
    assert " (winner) |" in report
    assert "| · " in report, "a child stands under its parent"


async def test_one_row_is_run_and_its_kept_answer_is_not_paid_again(
    start: StartEditor, workspace: Path, scripted: ScriptedServer
) -> None:
    editor = await start(TOLD, options={"background": "off"})
    uri = editor.open("tickets.prompt")
    line = await opened(editor, uri, workspace, scripted)
    sent = len(scripted.log)
    page = await shown(editor, "apo.runRow", uri, line)
    assert len(scripted.log) == sent, "the answer was kept"
    assert page.startswith(f"# tickets.prompt on tickets.jsonl, line {line}")
    assert re.search(r"The answer is \*\*(right|wrong)\*\*", page)
    assert "**system**" in page
    assert "**user**" in page


async def opened(editor: Editor, uri: str, workspace: Path, scripted: ScriptedServer) -> int:
    """Run rows until one is open; the line of that. Sealed ones are refused and asked of nobody."""
    for line in range(1, 9):
        before, sent = len(editor.messages()), len(scripted.log)
        await editor.command("apo.runRow", uri, line, str(workspace / "tickets.jsonl"))
        (said,) = await editor.until(lambda before=before: editor.messages()[before:])  # type: ignore[misc]
        if "kept for the verdict" not in said:
            assert len(scripted.log) == sent + 1
            return line
        assert len(scripted.log) == sent
    raise AssertionError("all rows are sealed")


async def test_sealed_rows_are_run_for_nobody(start: StartEditor, workspace: Path, scripted: ScriptedServer) -> None:
    editor = await start(TOLD, options={"background": "off"})
    uri = editor.open("tickets.prompt")
    for line in range(1, 21):
        before = len(editor.messages())
        await editor.command("apo.runRow", uri, line, str(workspace / "tickets.jsonl"))
        await editor.until(lambda before=before: editor.messages()[before:])  # type: ignore[misc]
    refused = sum("kept for the verdict" in words for words in editor.messages())
    assert 0 < refused < 20
    assert len(scripted.log) == 20 - refused


async def test_a_row_that_is_not_there_is_said_so(start: StartEditor, workspace: Path) -> None:
    editor = await start(TOLD, options={"background": "off"})
    uri = editor.open("tickets.prompt")
    await editor.command("apo.runRow", uri, 9999, str(workspace / "tickets.jsonl"))
    await editor.until(lambda: any("No row that can be used begins on this line." in one for one in editor.messages()))


async def test_a_row_is_run_only_after_consent(start: StartEditor, workspace: Path, scripted: ScriptedServer) -> None:
    remote = {"OPENAI_BASE_URL": scripted.base_url.replace("127.0.0.1", "0.0.0.0")}
    editor = await start(TOLD, options={"background": "off"}, environ=remote)
    uri = editor.open("tickets.prompt")
    row = (uri, OPEN_LINE, str(workspace / "tickets.jsonl"))
    editor.answer = NOT_NOW
    await editor.command("apo.runRow", *row)
    await editor.until(lambda: any("Nothing was sent" in words for words in editor.messages()))
    assert len(editor.questions) == 1
    assert len(scripted.log) == 0
    editor.answer = ALLOW
    await shown(editor, "apo.runRow", *row)
    assert len(editor.questions) == 2
    assert len(scripted.log) == 1


async def test_ignored_critiques_can_be_shown_again(start: StartEditor, tmp_path: Path) -> None:
    editor = await start()
    uri = editor.open("tickets.prompt")
    critiques = await editor.run(uri)
    where = critiques[0].range
    command = await action(editor, uri, "Ignore this critique")
    await editor.command(command.command, *(command.arguments or ()))
    await editor.until(lambda: len(editor.diagnostics(uri, "critique")) == len(critiques) - 1)
    (restore,) = [one for one in await editor.actions(uri, where) if one.title.startswith("Show ignored")]
    assert restore.title == "Show ignored critiques again (1)"
    assert restore.command is not None
    await editor.command(restore.command.command, *(restore.command.arguments or ()))
    await editor.until(lambda: len(editor.diagnostics(uri, "critique")) == len(critiques))
    assert not [one for one in await editor.actions(uri, where) if one.title.startswith("Show ignored")]
