"""What an editor with views of its own can ask: the report as data, a candidate applied, and what runs now."""

from __future__ import annotations

import asyncio
import itertools
import json
import re
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import attrs
from lsprotocol import types

import apo_server
from tests.cli.conftest import APO
from tests.scripted import ScriptedServer, unauthorized
from tests.server.conftest import StartEditor
from tests.server.editor import Editor
from tests.server.profiles import profile

Told = list[dict[str, Any]]


def problems(told: Told) -> Told:
    return [one["problem"] for one in told if "problem" in one]


def into(told: Told) -> Callable[[dict[str, Any]], None]:
    """A client's handler that keeps what it is told; a built-in function cannot be one."""

    def keep(params: dict[str, Any]) -> None:
        told.append(params)

    return keep


def applier(editors: list[Editor]) -> Callable[[types.ApplyWorkspaceEditParams], types.ApplyWorkspaceEditResult]:
    """A client that applies what the server asks it to."""

    def apply(params: types.ApplyWorkspaceEditParams) -> types.ApplyWorkspaceEditResult:
        (change,) = params.edit.document_changes or ()
        assert isinstance(change, types.TextDocumentEdit)
        editors[0].edit(change.text_document.uri, [edit for edit in change.edits if isinstance(edit, types.TextEdit)])
        return types.ApplyWorkspaceEditResult(applied=True)

    return apply


def with_status() -> types.ClientCapabilities:
    return attrs.evolve(profile("visual-studio-code").capabilities, experimental={"apoStatus": True})


async def optimized(start: StartEditor, **more: Any) -> tuple[Editor, str]:
    editor = await start(options={"background": "off"}, **more)
    uri = editor.open("tickets.prompt")
    await editor.command("apo.optimize", uri)
    await editor.until(lambda: editor.progress() and editor.finished(), 60)
    return editor, uri


async def test_the_report_is_the_one_that_the_command_line_prints(
    start: StartEditor, workspace: Path, tmp_path: Path
) -> None:
    editor, uri = await optimized(start)
    told = await editor.command("apo.report", uri)
    environ = {"APO_CACHE_DIR": str(tmp_path / "cache"), "PATH": "/usr/bin:/bin", "HOME": str(tmp_path)}
    command = [APO, "report", told["run"], "--json"]
    printed = await asyncio.to_thread(subprocess.check_output, command, env=environ, cwd=workspace, timeout=60)
    assert json.loads(printed) == told
    assert told["job"] == "optimize"
    assert told["file"] == str(workspace / "tickets.prompt")
    assert told["verdict"]["decision"] == "adopt"


async def test_it_is_known_again_in_a_later_session_and_outlives_lesser_runs(
    start: StartEditor, scripted: ScriptedServer
) -> None:
    editor, uri = await optimized(start)
    run = (await editor.command("apo.report", uri))["run"]
    await editor.command("apo.evaluate", uri)
    await editor.until(lambda: len(editor.progress()) == 2 and editor.finished())
    assert (await editor.command("apo.report", uri))["run"] == run
    await editor.stop()
    asked = len(scripted.log)
    later = await start(options={"background": "off"})
    later.open("tickets.prompt")
    await later.lens(uri, "acc ")
    assert (await later.command("apo.report", uri))["run"] == run
    assert len(scripted.log) == asked


async def test_without_a_run_there_is_no_report(start: StartEditor) -> None:
    editor = await start(options={"background": "off"})
    uri = editor.open("tickets.prompt")
    assert await editor.command("apo.report", uri) is None
    assert editor.messages() == []


async def test_a_run_under_way_is_told_as_far_as_it_has_come(start: StartEditor, scripted: ScriptedServer) -> None:
    editor = await start(options={"background": "off"})
    uri = editor.open("tickets.prompt")
    scripted.latency = 0.15
    await editor.command("apo.optimize", uri)
    seen: list[int] = []
    while not (editor.progress() and editor.finished()) and len(set(seen)) < 3:
        told = await editor.command("apo.report", uri)
        if told is not None:
            assert told["stopped"] == "running"
            seen.append(len(told["branches"]))
        await asyncio.sleep(0.1)
    assert seen == sorted(seen)
    assert len(set(seen)) >= 3, "it grows while the run goes on"
    await editor.command("apo.cancel", uri)
    await editor.until(editor.finished)


async def test_a_candidate_is_applied_as_one_edit_that_keeps_what_was_typed_since(start: StartEditor) -> None:
    editors: list[Editor] = []
    features = {types.WORKSPACE_APPLY_EDIT: applier(editors)}
    editor, uri = await optimized(start, features=features)
    editors.append(editor)
    told = await editor.command("apo.report", uri)
    texts = {branch["id"]: branch["text"] for branch in told["branches"]}
    editor.replace(uri, "{{text}}", "Ticket: {{text}}")
    assert await editor.command("apo.applyCandidate", uri, told["best"]) is True
    assert editor.texts[uri] == texts[told["best"]].replace("{{text}}", "Ticket: {{text}}")


async def test_a_candidate_is_not_applied_to_what_has_changed(start: StartEditor) -> None:
    editor, uri = await optimized(start)
    told = await editor.command("apo.report", uri)
    editor.write(uri, "Something else altogether, with {{text}}.")
    assert await editor.command("apo.applyCandidate", uri, told["best"]) is False
    assert await editor.command("apo.applyCandidate", uri, "no such id") is False
    assert [words.partition(": ")[2] for words in editor.messages()[-2:]] == [
        "The prompt has changed since this rewrite was measured.",
        "This candidate is not known any more.",
    ]


async def test_what_runs_is_told_to_a_client_that_shows_it(start: StartEditor, scripted: ScriptedServer) -> None:
    scripted.latency = 0.05
    told: Told = []
    editor, uri = await optimized(start, profile=with_status(), features={"apo/status": into(told)})
    await editor.until(lambda: told and told[-1]["state"] == "idle" and told[-1]["run"])
    assert {status["uri"] for status in told} == {uri}
    assert "running" in {status["state"] for status in told}
    running = [status for status in told if status["state"] == "running"]
    assert [status["percentage"] for status in running] == sorted(status["percentage"] for status in running)
    assert any("(" in status["words"] for status in running), [status["words"] for status in running]
    assert told[-1]["run"] == (await editor.command("apo.report", uri))["run"]
    assert all(one != other for one, other in itertools.pairwise(told)), "nothing is told twice"


async def test_no_other_client_hears_of_it(start: StartEditor) -> None:
    told: Told = []
    await optimized(start, features={"apo/status": into(told)})
    assert told == []


async def test_a_prompt_that_waits_or_is_paused_says_so(start: StartEditor, scripted: ScriptedServer) -> None:
    told: Told = []
    options: Mapping[str, Any] = {"background": "evaluate", "workspaceBudget": {"calls": 0}}
    editor = await start(
        with_status(),
        environ={"OPENAI_BASE_URL": scripted.base_url.replace("127.0.0.1", "0.0.0.0")},
        options={**options, "consent": True},
        features={"apo/status": into(told)},
    )
    uri = editor.open("tickets.prompt")
    editor.save(uri)
    await editor.lens(uri, "Paused by budget")
    await editor.until(lambda: told and told[-1].get("state") == "paused")


async def test_a_problem_is_told_with_its_code_to_a_client_that_offers_ways_out(
    start: StartEditor, scripted: ScriptedServer
) -> None:
    scripted.script = lambda _: unauthorized()
    told: Told = []
    editor = await start(with_status(), options={"background": "off"}, features={"apo/status": into(told)})
    uri = editor.open("tickets.prompt")
    await editor.command("apo.evaluate", uri)
    first, *_ = await editor.until(lambda: problems(told))
    assert (first["code"], first["severity"]) == ("model-unauthorized", "error")
    assert "did not accept the key" in first["message"]
    assert "OPENAI_API_KEY" in first["remedy"]
    assert editor.messages() == []


def test_one_notification_is_all_that_no_version_of_the_protocol_knows() -> None:
    source = "".join(file.read_text("utf-8") for file in Path(apo_server.__file__).parent.rglob("*.py"))
    assert set(re.findall(r'"(apo/\w+)"', source)) == {"apo/status"}


async def test_a_problem_is_told_with_its_place(start: StartEditor, workspace: Path) -> None:
    told: Told = []
    editor = await start(with_status(), options={"background": "off"}, features={"apo/status": into(told)})
    uri = editor.open("tickets.prompt")
    rows = workspace / "tickets.jsonl"
    for line in range(1, 10):
        await editor.command("apo.runRow", uri, line, str(rows))
    first, *_ = await editor.until(lambda: problems(told))
    assert first["file"] == rows.as_uri()
    assert 1 <= first["line"] < 10
    assert "jsonl" not in first["message"]


async def test_such_a_client_tells_the_verdict_itself(start: StartEditor) -> None:
    editor, uri = await optimized(start, profile=with_status(), features={"apo/status": into([])})
    assert (await editor.command("apo.report", uri))["verdict"]["decision"] == "adopt"
    assert not any("Adopt" in words for words in editor.messages())
