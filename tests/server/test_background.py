"""After a save: the prompt is run, and what was found stands where it belongs."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from pathlib import Path
from urllib.parse import unquote

import pytest
from lsprotocol import types

from tests.scripted import ScriptedServer
from tests.scripted.world import SEED, World, kind_of
from tests.server.conftest import StartEditor
from tests.server.editor import PROFILES, Editor
from tests.server.test_editing import modern_vscode

FIRST_LINE = SEED.splitlines()[0]


@pytest.mark.parametrize("profile", PROFILES)
async def test_a_save_brings_critiques_to_the_passage_they_are_about(start: StartEditor, profile: str) -> None:
    editor = await start(profile)
    uri = editor.open("tickets.prompt")
    found = await editor.run(uri)
    assert {diagnostic.source for diagnostic in found} == {"apo"}
    assert {editor.marked(uri, diagnostic) for diagnostic in found} == {FIRST_LINE}
    assert all(
        diagnostic.severity in (types.DiagnosticSeverity.Warning, types.DiagnosticSeverity.Information)
        for diagnostic in found
    )
    shares = [int(diagnostic.message.split("explains ")[1].split(" %")[0]) for diagnostic in found]
    assert shares == sorted(shares, reverse=True)
    assert editor.messages() == []


async def test_related_information_points_at_failing_rows_of_the_critique_part(
    start: StartEditor, world: World, scripted: ScriptedServer
) -> None:
    editor = await start()
    uri = editor.open("tickets.prompt")
    found = await editor.run(uri)
    asked = scripted.log.bodies[0]["messages"][0]["content"]
    for diagnostic in found:
        assert diagnostic.related_information
        for related in diagnostic.related_information:
            assert related.location.uri == editor.uri("tickets.jsonl")
            row = world.rows[related.location.range.start.line]
            answered = world.label(asked, row)
            assert answered != row.concept.label, "the row fails"
            assert related.message == f"expected “{row.concept.label}”, answered “{answered}”"


async def test_a_client_without_related_information_reads_the_rows_in_the_message(start: StartEditor) -> None:
    editor = await start("emacs")
    uri = editor.open("tickets.prompt")
    for diagnostic in await editor.run(uri):
        assert diagnostic.related_information is None
        assert "See tickets.jsonl, line " in diagnostic.message


async def test_a_client_that_pulls_is_told_to_pull_again(start: StartEditor) -> None:
    editor = await start(modern_vscode())
    uri = editor.open("tickets.prompt")
    await editor.run(uri)
    assert editor.client.diagnostic_refresh_count > 0
    params = types.DocumentDiagnosticParams(types.TextDocumentIdentifier(uri))
    report = await editor.client.text_document_diagnostic_async(params)
    assert isinstance(report, types.RelatedFullDocumentDiagnosticReport)
    assert "critique" in {item.code for item in report.items}
    assert [shown for shown in editor.published if shown.uri == uri] == []


@pytest.mark.parametrize("profile", PROFILES)
async def test_the_lens_tells_what_is_known_and_what_can_be_done(
    start: StartEditor, profile: str, scripted: ScriptedServer, world: World
) -> None:
    scripted.latency = 0.02
    editor = await start(profile)
    uri = editor.open("tickets.prompt")
    assert await editor.lenses(uri) == ["Evaluate", "Find critiques", "Optimize"]
    editor.save(uri)
    assert await editor.lens(uri, "Cancel")
    assert await editor.lens(uri, "Finding critiques")
    score = await editor.lens(uri, "acc ")
    right = sum(world.label(SEED, row) == row.concept.label for row in world.rows)
    value, n = float(score.split()[1]), int(score.split("(n ")[1].partition(")")[0])
    assert n == 105
    assert abs(value / 100 - right / 150) < 0.15
    assert " ± " in score
    assert (await editor.lenses(uri))[2] == "Optimize"


async def test_hover_shows_the_critique_its_rows_and_the_measured_rewrite(start: StartEditor) -> None:
    editor = await start()
    uri = editor.open("tickets.prompt")
    found = await editor.run(uri)
    shown = await editor.hover(uri, found[0].range.start)
    assert shown is not None
    assert shown.startswith("**Critique** — explains ")
    assert "| row | expected | answered | text |" in shown
    assert "| tickets.jsonl:" in shown
    assert " points on 45 selection rows (95 % interval " in shown
    assert await editor.hover(uri, types.Position(0, 0)) is None


async def test_hover_is_plain_text_where_the_client_reads_no_markdown(start: StartEditor) -> None:
    capabilities = modern_vscode()
    assert capabilities.text_document and capabilities.text_document.hover
    capabilities.text_document.hover.content_format = [types.MarkupKind.PlainText]
    editor = await start(capabilities)
    uri = editor.open("tickets.prompt")
    await editor.run(uri)
    line = editor.texts[uri].splitlines().index(FIRST_LINE)
    shown = await editor.hover(uri, types.Position(line, 3))
    assert shown is not None
    assert "**" not in shown
    assert "tickets.jsonl:" in shown


async def test_hold_out_rows_are_never_shown(start: StartEditor, scripted: ScriptedServer, world: World) -> None:
    """An optimization scores hold-out rows too; what is kept and shown names open rows only."""
    editor = await start(options={"background": "evaluate"})
    uri = editor.open("tickets.prompt")
    await editor.run(uri)
    opened = {_ticket(body) for body in scripted.log.bodies if kind_of(body) == "task"}
    assert len(opened) == 105
    await editor.command("apo.optimize", uri)
    await editor.until(lambda: len(editor.progress()) == 2 and editor.finished(), 60)
    scored = {_ticket(body) for body in scripted.log.bodies if kind_of(body) == "task"}
    assert len(scored) > 105, "the verdict needs the sealed rows"
    lines = {
        related.location.range.start.line
        for diagnostic in editor.diagnostics(uri, "critique")
        for related in diagnostic.related_information or ()
    }
    assert lines
    assert lines <= opened


def _ticket(body: dict[str, object]) -> int:
    return int(str(body["messages"]).split("#")[1][:4])


@pytest.mark.parametrize("profile", PROFILES)
async def test_progress_begins_grows_and_ends(start: StartEditor, profile: str, scripted: ScriptedServer) -> None:
    scripted.latency = 0.05
    editor = await start(profile)
    uri = editor.open("tickets.prompt")
    await editor.run(uri)
    (reports,) = editor.progress()
    begin, *middle, end = reports
    assert isinstance(begin, types.WorkDoneProgressBegin)
    assert begin.title == "Finding critiques of tickets.prompt"
    assert begin.cancellable
    assert isinstance(end, types.WorkDoneProgressEnd)
    assert middle
    percentages = [report.percentage for report in middle]
    assert percentages == sorted(percentages)
    assert all(0 <= percentage < 100 for percentage in percentages)
    assert any("Scoring your prompt" in report.message for report in middle)


async def test_cancelling_the_progress_ends_the_run(start: StartEditor, scripted: ScriptedServer) -> None:
    scripted.latency = 0.3
    editor = await start()
    uri = editor.open("tickets.prompt")
    editor.save(uri)
    await editor.until(lambda: any(len(reports) > 1 for reports in editor.progress()))
    (token,) = editor.client.progress_reports
    editor.client.window_work_done_progress_cancel(types.WorkDoneProgressCancelParams(token))
    await editor.until(editor.finished, 3)
    assert editor.progress()[-1][-1].message == "cancelled"
    await asyncio.sleep(0.5)
    asked = len(scripted.log)
    await asyncio.sleep(1.0)
    assert len(scripted.log) == asked < 105
    assert (await editor.lenses(uri))[-1] == "Optimize"


async def test_the_cancel_command_ends_the_run(start: StartEditor, scripted: ScriptedServer) -> None:
    scripted.latency = 0.3
    editor = await start()
    uri = editor.open("tickets.prompt")
    await editor.command("apo.evaluate", uri)
    await editor.until(lambda: len(scripted.log))
    await editor.command("apo.cancel", uri)
    await editor.until(editor.finished, 3)


async def test_more_than_two_in_the_background_wait_where_it_can_be_seen(
    start: StartEditor, world: World, scripted: ScriptedServer
) -> None:
    scripted.latency = 60  # no run ends by itself
    editor = await start(options={"background": "evaluate"})
    uris = _three_prompts(editor, world)
    for uri in uris[:2]:
        editor.save(uri)
        await editor.lens(uri, "Evaluating")
    await editor.until(lambda: len(editor.progress()) == 2)
    editor.save(uris[2])
    assert await editor.lens(uris[2], "Waiting") == "Waiting …"
    assert await editor.lens(uris[2], "Cancel")
    began = time.monotonic()
    await editor.command("apo.cancel", uris[0])
    assert "Cancel" not in await editor.lenses(uris[0])
    assert time.monotonic() - began < 0.1, "a cancel is seen at once"
    await editor.lens(uris[2], "Evaluating")
    await editor.until(lambda: len(editor.progress()) == 3 and editor.progress()[2])
    assert editor.progress()[2][0].title == "Evaluating third.prompt"
    for uri in uris[1:]:
        await editor.command("apo.cancel", uri)


async def test_what_is_asked_for_does_not_wait_for_the_background(
    start: StartEditor, world: World, scripted: ScriptedServer
) -> None:
    scripted.latency = 60  # no run ends by itself
    editor = await start(options={"background": "evaluate"})
    uris = _three_prompts(editor, world)
    for uri in uris[:2]:
        editor.save(uri)
        await editor.lens(uri, "Evaluating")
    await editor.until(lambda: len(editor.progress()) == 2)
    editor.save(uris[2])
    await editor.lens(uris[2], "Waiting")
    await editor.command("apo.evaluate", uris[2])
    await editor.lens(uris[2], "Evaluating")
    await editor.until(lambda: len(editor.progress()) == 3)
    for uri in uris:
        await editor.command("apo.cancel", uri)


def _three_prompts(editor: Editor, world: World) -> list[str]:
    names = ("first.prompt", "second.prompt", "third.prompt")
    for name in names:
        (editor.folder / name).write_text(world.prompt_text().replace("a shop", f"the {name} shop"), "utf-8")
    return [editor.open(name) for name in names]


async def test_a_client_that_never_answers_does_not_hold_up_a_run(start: StartEditor) -> None:
    editor = await start()
    gate = asyncio.Event()
    editor.client.protocol.fm.features.pop(types.WINDOW_WORK_DONE_PROGRESS_CREATE)

    @editor.client.feature(types.WINDOW_WORK_DONE_PROGRESS_CREATE)
    async def never(params: types.WorkDoneProgressCreateParams) -> None:
        await gate.wait()

    uri = editor.open("tickets.prompt")
    editor.save(uri)
    assert await editor.critiques(uri)
    await editor.lens(uri, "acc ")
    gate.set()


@pytest.mark.parametrize(
    ("background", "title", "roles"),
    [
        ("off", None, set()),
        ("evaluate", "Evaluating tickets.prompt", {"task"}),
        ("gradients", "Finding critiques of tickets.prompt", {"task", "gradient", "edit"}),
        ("optimize", "Optimizing tickets.prompt", {"task", "gradient", "edit"}),
    ],
)
async def test_the_setting_says_what_a_save_begins(
    start: StartEditor, background: str, title: str | None, roles: set[str], scripted: ScriptedServer
) -> None:
    editor = await start(options={"background": background})
    uri = editor.open("tickets.prompt")
    if background == "off":
        editor.save(uri)
        await asyncio.sleep(1)
    else:
        await editor.run(uri)
    assert [reports[0].title for reports in editor.progress()] == ([title] if title else [])
    assert {kind_of(body) for body in scripted.log.bodies} == roles


async def test_settings_are_fetched_and_change_while_the_server_runs(start: StartEditor) -> None:
    editor = await start(configuration={"background": "off"})
    uri = editor.open("tickets.prompt")
    editor.save(uri)
    await asyncio.sleep(0.8)
    assert editor.progress() == []
    settings = types.DidChangeConfigurationParams({"apo": {"background": "evaluate"}})
    editor.client.workspace_did_change_configuration(settings)
    await editor.run(uri)
    assert editor.progress()[-1][0].title == "Evaluating tickets.prompt"


async def test_the_editors_settings_reach_the_engine(start: StartEditor, scripted: ScriptedServer) -> None:
    editor = await start(options={"background": "evaluate", "budget": {"calls": 10}})
    uri = editor.open("tickets.prompt")
    editor.save(uri)
    assert "(n 10)" in await editor.lens(uri, "acc")
    assert len(scripted.log) == 10


async def test_a_storm_of_saves_is_one_run(start: StartEditor, scripted: ScriptedServer) -> None:
    editor = await start(options={"background": "evaluate"})
    uri = editor.open("tickets.prompt")
    for _ in range(20):
        editor.save(uri)
        await asyncio.sleep(0.01)
    await editor.until(lambda: editor.progress() and editor.finished())
    await asyncio.sleep(0.6)
    assert len(editor.progress()) == 1
    assert Counter(map(_ticket, scripted.log.bodies)).most_common(1)[0][1] == 1


async def test_a_newer_save_replaces_the_run_on_the_older_text(start: StartEditor, scripted: ScriptedServer) -> None:
    scripted.latency = 0.2
    editor = await start(options={"background": "evaluate"})
    uri = editor.open("tickets.prompt")
    editor.save(uri)
    await editor.until(lambda: len(scripted.log))
    editor.replace(uri, "You work at the help desk", "You sit at the help desk")
    editor.save(uri)
    await editor.until(lambda: len(editor.progress()) == 2 and editor.finished())
    first, second = editor.progress()
    assert first[-1].message == "cancelled"
    assert second[-1].message == "all rows are scored"
    assert "before your edits" not in await editor.lens(uri, "acc ")


async def test_reopening_shows_what_is_known_without_a_single_request(
    start: StartEditor, scripted: ScriptedServer
) -> None:
    first = await start()
    uri = first.open("tickets.prompt")
    before = [diagnostic.message for diagnostic in await first.run(uri)]
    lenses = await first.lenses(uri)
    await first.stop()
    asked = len(scripted.log)
    second = await start("neovim@v0.11.0")
    second.open("tickets.prompt")
    assert [diagnostic.message for diagnostic in await second.critiques(uri)] == before
    assert await second.lenses(uri) == lenses
    assert "Measured rewrite" in (await second.hover(uri, second.diagnostics(uri, "critique")[0].range.start) or "")
    assert len(scripted.log) == asked


async def test_running_again_asks_nothing_twice(start: StartEditor, scripted: ScriptedServer) -> None:
    editor = await start()
    uri = editor.open("tickets.prompt")
    found = await editor.run(uri)
    asked = len(scripted.log)
    assert await editor.run(uri) == found
    assert len(scripted.log) == asked


async def test_critiques_move_with_their_passage_and_go_with_it(start: StartEditor) -> None:
    editor = await start()
    uri = editor.open("tickets.prompt")
    await editor.run(uri)
    editor.replace(uri, FIRST_LINE, f"Two\nnew lines.\n{FIRST_LINE}")
    line = editor.texts[uri].splitlines().index(FIRST_LINE)
    moved = await editor.until(
        lambda: [found for found in editor.diagnostics(uri, "critique") if found.range.start.line == line]
    )
    assert {editor.marked(uri, diagnostic) for diagnostic in moved} == {FIRST_LINE}
    assert (await editor.lens(uri, "acc ")).endswith(", before your edits")
    editor.replace(uri, FIRST_LINE, "Something else entirely stands here now.")
    await editor.until(lambda: not editor.diagnostics(uri, "critique"))


async def test_an_ignored_critique_stays_away(start: StartEditor) -> None:
    editor = await start()
    uri = editor.open("tickets.prompt")
    found = await editor.run(uri)
    actions = await editor.actions(uri, found[0].range)
    ignore = next(action.command for action in actions if action.title.startswith("Ignore this critique"))
    assert ignore is not None
    await editor.command(ignore.command, *(ignore.arguments or ()))
    await editor.until(lambda: len(editor.diagnostics(uri, "critique")) == len(found) - 1)
    assert found[0].message not in {diagnostic.message for diagnostic in await editor.run(uri)}
    await editor.stop()
    later = await start()
    later.open("tickets.prompt")
    assert found[0].message not in {diagnostic.message for diagnostic in await later.critiques(uri)}


async def test_candidates_are_shown_as_a_page(start: StartEditor) -> None:
    editor = await start()
    uri = editor.open("tickets.prompt")
    await editor.command("apo.showCandidates", uri)
    await editor.until(editor.messages)
    assert "no candidates yet" in editor.messages()[0]
    await editor.run(uri)
    await editor.command("apo.showCandidates", uri)
    (shown,) = editor.client.shown_documents
    page = unquote(shown.uri.removeprefix("file://"))
    page = await asyncio.to_thread(Path(page).read_text, "utf-8")
    assert page.startswith("# Candidates for tickets.prompt\n")
    assert "Your prompt: acc " in page
    assert "selection rows" in page
    assert FIRST_LINE in page
