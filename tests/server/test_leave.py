"""Nothing leaves the machine without the user's leave."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from lsprotocol import types

from tests.scripted import ScriptedServer
from tests.scripted.world import World
from tests.server.conftest import StartEditor
from tests.server.editor import Editor


@pytest.fixture
def elsewhere(scripted: ScriptedServer) -> dict[str, str]:
    """The endpoint under an address that is not known to stay on this machine."""
    return {"OPENAI_BASE_URL": scripted.base_url.replace("127.0.0.1", "0.0.0.0")}


async def answered(editor: Editor, uri: str) -> None:
    await editor.until(lambda: editor.progress() and editor.finished())
    assert editor.diagnostics(uri, "critique")


async def test_loopback_needs_no_leave(start: StartEditor) -> None:
    editor = await start()
    uri = editor.open("tickets.prompt")
    editor.save(uri)
    await answered(editor, uri)
    assert editor.questions == []


@pytest.mark.parametrize("profile", ["visual-studio-code", "neovim@v0.11.0", "emacs"])
async def test_leave_is_asked_for_once_and_remembered(
    start: StartEditor, scripted: ScriptedServer, elsewhere: dict[str, str], profile: str
) -> None:
    editor = await start(profile, elsewhere)
    uri = editor.open("tickets.prompt")
    editor.save(uri)
    await editor.until(lambda: editor.questions)
    await asyncio.sleep(0.3)
    assert len(scripted.log) == 0
    (question,) = editor.questions
    assert question.message.startswith(
        "APO: Send tickets.prompt and 105 rows of tickets.jsonl (45 more stay on this machine) to "
        f"0.0.0.0:{scripted.port}? At 0.0.0.0:{scripted.port}, openai/scripted answers 105 rows, by prompts "
        "that may quote 60 rows with their expected answers, and openai/scripted "
        "writes critiques and rewrites from at most 60 rows and their expected answers (not encrypted; "
    )
    assert [action.title for action in question.actions or ()] == ["Allow for this workspace", "Not now"]
    editor.answer = "Allow for this workspace"
    await editor.command("apo.gradients", uri)
    await answered(editor, uri)
    asked = len(editor.questions)
    await editor.stop()
    later = await start(profile, elsewhere)
    later.open("tickets.prompt")
    before = len(later.progress())
    later.save(uri)
    await later.until(lambda: len(later.progress()) > before and later.finished())
    assert later.questions == []
    assert asked <= 2


async def test_without_leave_nothing_is_sent(
    start: StartEditor, scripted: ScriptedServer, elsewhere: dict[str, str]
) -> None:
    editor = await start(environ=elsewhere)
    editor.answer = "Not now"
    uri = editor.open("tickets.prompt")
    editor.save(uri)
    await editor.until(lambda: editor.questions)
    for _ in range(2):
        editor.save(uri)
        await asyncio.sleep(1)
    assert len(editor.questions) == 1, "a no to background work is not asked about at every save"
    await editor.command("apo.evaluate", uri)
    await editor.until(editor.messages)
    assert len(editor.questions) == 2
    assert "apo.consent" in editor.messages()[0]
    assert len(scripted.log) == 0


@pytest.mark.parametrize("named", [True, False])
async def test_leave_that_is_taken_back_ends_what_runs_and_is_asked_for_again(
    start: StartEditor, scripted: ScriptedServer, elsewhere: dict[str, str], named: bool
) -> None:
    scripted.latency = 0.2
    editor = await start(environ=elsewhere, options={"background": "evaluate"})
    editor.answer = "Allow for this workspace"
    uri = editor.open("tickets.prompt")
    editor.save(uri)
    await editor.until(lambda: len(scripted.log))
    await editor.command("apo.revokeConsent", *([uri] if named else []))
    await editor.until(lambda: editor.progress() and editor.finished())
    assert editor.progress()[-1][-1].message == "cancelled"
    assert editor.messages()[-1].startswith("APO: Your consent is taken back. ")
    await asyncio.sleep(0.5)
    sent = len(scripted.log)
    editor.answer = None
    editor.save(uri)
    await asyncio.sleep(0.8)
    assert len(editor.questions) == 1, "background work does not ask for what was just taken back"
    await editor.command("apo.evaluate", uri)
    await editor.until(lambda: len(editor.questions) == 2)
    assert len(scripted.log) == sent < 105
    await editor.stop()
    later = await start(environ=elsewhere)
    later.open("tickets.prompt")
    later.save(uri)
    await later.until(lambda: later.questions)


async def test_leave_in_the_users_own_settings_is_taken_back_there(
    start: StartEditor, elsewhere: dict[str, str]
) -> None:
    editor = await start(environ=elsewhere, options={"consent": True})
    editor.open("tickets.prompt")
    await editor.command("apo.revokeConsent")
    await editor.until(editor.messages)
    assert "set 'apo.consent' to false" in editor.messages()[0]


async def test_consent_in_the_initialization_options_is_enough(start: StartEditor, elsewhere: dict[str, str]) -> None:
    editor = await start(environ=elsewhere, options={"consent": True})
    uri = editor.open("tickets.prompt")
    editor.save(uri)
    await answered(editor, uri)
    assert editor.questions == []


async def test_a_workspace_cannot_give_consent(
    start: StartEditor, scripted: ScriptedServer, elsewhere: dict[str, str], workspace: Path
) -> None:
    forged = workspace / "cache"
    forged.mkdir()
    (forged / "consent.json").write_text(f'[["{workspace.as_uri()}", "0.0.0.0"]]'.replace("%20", " "))
    configuration = {"consent": True, "cacheDir": str(forged)}
    editor = await start(environ=elsewhere, configuration=configuration)
    editor.client.workspace_did_change_configuration(types.DidChangeConfigurationParams({"apo": configuration}))
    uri = editor.open("tickets.prompt")
    editor.save(uri)
    await editor.until(lambda: editor.questions)
    await asyncio.sleep(0.3)
    assert len(scripted.log) == 0


async def test_a_client_that_cannot_ask_reads_how_to_give_leave(
    start: StartEditor, scripted: ScriptedServer, elsewhere: dict[str, str]
) -> None:
    editor = await start(environ=elsewhere)
    editor.client.protocol.fm.features.pop(types.WINDOW_SHOW_MESSAGE_REQUEST)
    uri = editor.open("tickets.prompt")
    await editor.command("apo.evaluate", uri)
    await editor.until(editor.messages)
    assert "initialization options" in editor.messages()[0]
    assert len(scripted.log) == 0


async def test_a_judge_elsewhere_needs_leave_though_the_task_model_is_local(
    start: StartEditor, scripted: ScriptedServer, workspace: Path, world: World, tmp_path: Path
) -> None:
    config = tmp_path / "cache" / "config" / "apo-language-server" / "config.yaml"
    config.parent.mkdir(parents=True)
    address = scripted.base_url.replace("127.0.0.1", "0.0.0.0")
    config.write_text(f"endpoints: {{far: {{base_url: '{address}', key_env: OPENAI_API_KEY}}}}\n")
    world.write(workspace, "apo.metric: judge\napo.judge: {rubric: Be right., model: far/strict}")
    editor = await start()
    uri = editor.open("tickets.prompt")
    editor.save(uri)
    await editor.until(lambda: editor.questions)
    await asyncio.sleep(0.3)
    assert len(scripted.log) == 0
    where = f"0.0.0.0:{scripted.port}"
    assert f" to {where}? At {where}, far/strict grades the answers to 105 rows by the " in editor.questions[0].message
    editor.answer = "Allow for this workspace"
    await editor.command("apo.evaluate", uri)
    await editor.until(lambda: editor.progress() and editor.finished())
    assert (await editor.lens(uri, "grade ")).startswith("grade ")
    assert "strict" in {body["model"] for body in scripted.log.bodies}
