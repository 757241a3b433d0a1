"""Code of the workspace's own, a scoring function, is run only with the user's leave, asked for in plain words."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from lsprotocol import types

from apo_engine.search.events import CustomMetric
from apo_server.consent import ALLOW, NOT_NOW, Consent
from apo_server.wire import Request, encode
from tests.scripted import ScriptedServer
from tests.scripted.world import World
from tests.server.conftest import StartEditor
from tests.server.editor import Editor
from tests.server.test_worker import Process, worker

__all__ = ["worker"]

CODE = """import pathlib

pathlib.Path(__file__).with_name("ran").touch()


def score(answer, expected):
    return answer.strip() == expected
"""


@pytest.fixture
def scored(workspace: Path, world: World) -> Path:
    """The workspace, whose prompt is scored by a function beside it that leaves a trace when it is loaded."""
    world.write(workspace, "apo.metric: queues:score")
    (workspace / "queues.py").write_text(CODE)
    return workspace


async def ended(editor: Editor, runs: int) -> None:
    await editor.until(lambda: len(editor.progress()) >= runs and editor.finished())


async def test_leave_is_asked_for_once_per_code_though_the_model_is_local(start: StartEditor, scored: Path) -> None:
    editor = await start()
    uri = editor.open("tickets.prompt")
    editor.answer = ALLOW
    await editor.command("apo.evaluate", uri)
    await ended(editor, 1)
    assert (scored / "ran").exists()
    (question,) = editor.questions
    assert question.message == (
        "APO: Run queues.py? It can do whatever you can on this machine. Its function 'queues:score' scores the "
        "answers of tickets.prompt. You are asked again when the file changes."
    )
    assert [action.title for action in question.actions or ()] == [ALLOW, NOT_NOW]
    assert (await editor.lens(uri, "score ")).startswith("score ")
    await editor.stop()
    later = await start()
    later.open("tickets.prompt")
    await later.command("apo.gradients", uri)
    await ended(later, 1)
    assert later.questions == []
    (scored / "queues.py").write_text(CODE + "\n")
    later.answer = ALLOW
    await later.command("apo.evaluate", uri)
    await ended(later, 2)
    assert len(later.questions) == 1, "changed code is other code"


@pytest.mark.parametrize("options", [None, {"consent": True}], ids=["no consent", "consent to send"])
async def test_without_leave_nothing_of_it_runs(
    start: StartEditor, scored: Path, scripted: ScriptedServer, options: dict[str, bool] | None
) -> None:
    editor = await start(options=options)
    editor.answer = NOT_NOW
    uri = editor.open("tickets.prompt")
    for _ in range(3):
        editor.save(uri)
        await asyncio.sleep(0.6)
    await editor.until(editor.messages)
    assert len(editor.questions) == 1, "a no to background work is not asked about at every save"
    assert len(editor.messages()) == 1, "nor told at every save"
    assert "its metric 'queues:score' is code, and you have not allowed it. Read queues.py" in editor.messages()[0]
    await editor.command("apo.optimize", uri)
    await editor.until(lambda: len(editor.messages()) == 2)
    assert len(editor.questions) == 2
    assert editor.progress() == []
    assert len(scripted.log) == 0
    assert not (scored / "ran").exists()


async def test_a_client_that_cannot_ask_runs_none_and_says_what_to_do(start: StartEditor, scored: Path) -> None:
    editor = await start()
    editor.client.protocol.fm.features.pop(types.WINDOW_SHOW_MESSAGE_REQUEST)
    uri = editor.open("tickets.prompt")
    await editor.command("apo.evaluate", uri)
    await editor.until(editor.messages)
    assert "run 'apo' in a terminal" in editor.messages()[0]
    assert not (scored / "ran").exists()


async def test_an_untrusted_workspace_is_not_even_asked_about(start: StartEditor, scored: Path) -> None:
    editor = await start(options={"trusted": False})
    editor.answer = ALLOW
    uri = editor.open("tickets.prompt")
    editor.save(uri)
    await editor.command("apo.evaluate", uri)
    await editor.until(editor.messages)
    await asyncio.sleep(0.6)
    assert editor.questions == []
    assert not (scored / "ran").exists()


async def test_the_engine_process_runs_no_code_but_what_was_agreed_to(worker: Process, scored: Path) -> None:
    file = scored / "tickets.prompt"
    for number, agreed in enumerate(("", "0" * 64)):
        worker.send(encode(Request(number, "evaluate", str(file), file.read_text("utf-8"), custom_metric=agreed)))
        (end,) = await worker.replies(number)
        assert end.error[0].code == "code-not-agreed"
        assert "queues.py" in end.error[0].remedy
    assert not (scored / "ran").exists()


async def test_leave_is_for_one_workspace_one_file_and_one_content(tmp_path: Path) -> None:
    asked: list[str] = []

    async def ask(question: str, _: tuple[str, ...]) -> str:
        asked.append(question)
        return ALLOW

    consent = Consent(ask, {"APO_CACHE_DIR": str(tmp_path)})
    code = CustomMetric("m:f", "/w/m.py", "a" * 64, ("m.py",))
    others = [
        CustomMetric("m:f", "/w/m.py", "b" * 64, ("m.py",)),
        CustomMetric("m:f", "/w/in/m.py", "a" * 64, ("m.py",)),
        CustomMetric("m:g", "/w/m.py", "a", ("m.py",)),
    ]
    for one in (code, code, *others):
        assert await consent.to_run("file:///w", "a.prompt", one, asked=False)
    assert len(asked) == 4
    assert await consent.to_run("file:///other", "a.prompt", code, asked=False)
    assert len(asked) == 5
