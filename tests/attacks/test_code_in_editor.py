"""The same in an editor, by a real server: what is opened runs nothing, and a yes is to what was shown."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from lsprotocol import types

from apo_engine.names import shown_name
from apo_engine.search.events import ModelFile
from apo_server.consent import ALLOW, NOT_NOW
from apo_server.engine import EngineClient
from apo_server.wire import Request, encode
from tests.attacks.gguf import gguf, u16
from tests.attacks.hostile_metric import RAN, SCORE, evil
from tests.attacks.test_code import plant
from tests.cli.conftest import APO
from tests.scripted.world import World
from tests.server.conftest import StartEditor, start, workspace, world
from tests.server.editor import Editor
from tests.server.test_worker import Process, worker

__all__ = ["start", "worker", "workspace", "world"]

SERVER = str(Path(APO).with_name("apo-language-server"))
# Stands in for the native runtime, and leaves a trace when it is loaded.
RUNTIME = "open({trace!r}, 'a').close()\nraise ImportError('no runtime')\n"


@pytest.fixture
def runtime(tmp_path: Path) -> dict[str, str]:
    """The environment of a server that has a runtime for model files."""
    folder = tmp_path / "runtime"
    (folder / "xllamacpp-1.0.dist-info").mkdir(parents=True)
    (folder / "xllamacpp-1.0.dist-info" / "METADATA").write_text(
        "Metadata-Version: 2.1\nName: xllamacpp\nVersion: 1.0\n"
    )
    (folder / "xllamacpp.py").write_text(RUNTIME.format(trace=str(tmp_path / "loaded")))
    return {"PYTHONPATH": str(folder)}


@pytest.fixture
def weights(workspace: Path, world: World) -> Path:
    """A model file of the workspace, which its prompt names."""
    file = workspace / "x.gguf"
    file.write_bytes(b"GGUF\x03\0\0\0" + bytes(5000))
    world.write(workspace, model=f"embedded/{file}")
    return file


@pytest.fixture
def metric(workspace: Path, world: World) -> Path:
    """The workspace, whose prompt is scored by code of two files."""
    world.write(workspace, "apo.metric: queues:score")
    (workspace / "queues.py").write_text(f"import helper\n{SCORE}")
    (workspace / "helper.py").write_text("x = 1\n")
    return workspace


def when_asked(editor: Editor, change: Callable[[], object]) -> None:
    """Change something while the question is open, then allow it."""
    features = editor.client.protocol.fm.features
    answer = features[types.WINDOW_SHOW_MESSAGE_REQUEST]

    def changed(params: types.ShowMessageRequestParams) -> object:
        change()
        return answer(params)

    features[types.WINDOW_SHOW_MESSAGE_REQUEST] = changed
    editor.answer = ALLOW


def swap(file: Path) -> None:
    """Other content of the same size, as old as the file was."""
    found = file.stat()
    file.write_bytes(file.read_bytes()[:-1] + b"\1")
    os.utime(file, ns=(found.st_atime_ns, found.st_mtime_ns))


def into_parts(file: Path) -> None:
    """A model file that says that there is another."""
    file.write_bytes(gguf([u16(b"split.count", 2)]))


@pytest.mark.parametrize("environ", [{}, {"PYTHONPATH": ":"}, {"PYTHONPATH": "."}], ids=["plain", "empty", "relative"])
@pytest.mark.parametrize("trusted", [True, False])
async def test_a_prompt_is_opened_and_no_module_beside_it_is_taken(
    start: StartEditor, workspace: Path, monkeypatch: pytest.MonkeyPatch, trusted: bool, environ: dict[str, str]
) -> None:
    plant(workspace)
    # The editor's own folder becomes that of the server.
    monkeypatch.chdir(workspace)
    options = {"trusted": trusted, "background": "off"}
    editor = await start(options=options, command=[SERVER], environ=environ)
    uri = editor.open("tickets.prompt")
    await editor.command("apo.testConnection")
    await editor.lenses(uri)
    await editor.until(lambda: _children(editor))
    assert not (workspace / RAN).exists(), (workspace / RAN).read_text()


async def test_the_engine_works_in_a_folder_of_its_own_and_knows_no_secret_but_those_of_models(
    start: StartEditor, workspace: Path, tmp_path: Path
) -> None:
    config = tmp_path / "cache" / "config" / "apo-language-server" / "config.yaml"
    config.parent.mkdir(parents=True)
    config.write_text("endpoints: {corp: {base_url: 'http://127.0.0.1:1', key_env: CORP_KEY}}\n")
    editor = await start(environ={"AWS_SECRET_ACCESS_KEY": "s", "CORP_KEY": "k", "PYTHONSTARTUP": "x.py"})
    editor.open("tickets.prompt")
    (engine,) = await editor.until(lambda: _children(editor))
    process = Path(f"/proc/{engine}")
    cwd = (process / "cwd").readlink()
    variables = dict(line.split("=", 1) for line in (process / "environ").read_text().split("\0") if line)
    assert not cwd.is_relative_to(workspace)
    assert (os.listdir(cwd), os.stat(cwd).st_mode & 0o077) == ([], 0)  # noqa: PTH116, PTH208
    assert variables["CORP_KEY"] == "k"
    assert variables["OPENAI_API_KEY"] == "sk-scripted"
    assert "AWS_SECRET_ACCESS_KEY" not in variables
    assert not [name for name in variables if name.startswith("PYTHON")]
    await editor.stop()
    assert not os.path.exists(cwd)  # noqa: ASYNC240, PTH110


async def test_a_variable_that_the_user_names_later_is_given_to_the_next_job(tmp_path: Path) -> None:
    script = "import json, os, sys\nfor line in sys.stdin:\n    number = json.loads(line)['id']\n"
    script += "    print(json.dumps({'id': number, 'report': os.environ.get('CORP_KEY', '')}), flush=True)\n"
    script += "    print(json.dumps({'id': number, 'done': True}), flush=True)\n"
    environ: dict[str, str] = {}
    client = EngineClient((sys.executable, "-c", script), environ=lambda: dict(environ))
    try:
        assert (await client.ask(Request(0, "report"))).report == ""
        environ["CORP_KEY"] = "k"
        assert (await client.ask(Request(0, "report"))).report == "k"
    finally:
        await client.close()


async def test_the_question_names_every_file_that_would_run(start: StartEditor, metric: Path) -> None:
    editor = await start()
    editor.answer = NOT_NOW
    await editor.command("apo.evaluate", editor.open("tickets.prompt"))
    await editor.until(editor.messages)
    (question,) = editor.questions
    assert question.message == (
        "APO: Run queues.py? It can do whatever you can on this machine. Its function 'queues:score' scores the "
        "answers of tickets.prompt. It imports helper.py. You are asked again when one of these files changes."
    )


@pytest.mark.parametrize("name", ["queues.py", "helper.py", "helper/__init__.py"])
async def test_code_that_is_swapped_while_the_question_is_open_does_not_run(
    start: StartEditor, metric: Path, name: str
) -> None:
    def change() -> None:
        (metric / name).parent.mkdir(exist_ok=True)
        (metric / name).write_text(evil(metric))

    editor = await start(options={"background": "off"})
    when_asked(editor, change)
    await editor.command("apo.evaluate", editor.open("tickets.prompt"))
    await editor.until(editor.messages)
    assert "is code that nobody has agreed to run as it is now" in editor.messages()[0]
    assert not (metric / RAN).exists()
    await editor.command("apo.evaluate", editor.uri("tickets.prompt"))
    await editor.until(lambda: len(editor.questions) == 2)


async def test_a_model_file_of_the_workspace_is_asked_about_before_it_is_loaded(
    start: StartEditor, weights: Path, runtime: dict[str, str], tmp_path: Path
) -> None:
    editor = await start(options={"background": "evaluate"}, environ=runtime)
    editor.answer = NOT_NOW
    uri = editor.open("tickets.prompt")
    for _ in range(2):
        editor.save(uri)
        await asyncio.sleep(0.6)
    await editor.until(editor.messages)
    (question,) = editor.questions
    assert question.message.startswith(
        f"APO: Load the model file {shown_name(str(weights))} for tickets.prompt? Its SHA-256 begins with "
    )
    assert "Start the run by its command and allow it." in editor.messages()[0]
    assert not (tmp_path / "loaded").exists()
    editor.answer = ALLOW
    await editor.command("apo.evaluate", uri)
    await editor.until((tmp_path / "loaded").exists)
    await editor.until(editor.finished)
    (tmp_path / "loaded").unlink()
    swap(weights)
    editor.answer = NOT_NOW
    await editor.command("apo.evaluate", uri)
    await editor.until(lambda: len(editor.questions) == 3)
    await asyncio.sleep(0.5)
    assert not (tmp_path / "loaded").exists(), "another file of that name was not agreed to"


async def test_a_model_file_that_names_others_is_refused_at_its_line_and_not_asked_about(
    start: StartEditor, weights: Path, runtime: dict[str, str], tmp_path: Path
) -> None:
    into_parts(weights)
    editor = await start(options={"background": "evaluate"}, environ=runtime)
    editor.answer = ALLOW
    uri = editor.open("tickets.prompt")
    editor.save(uri)
    found = await editor.until(lambda: editor.diagnostics(uri, "model-in-parts"))
    assert "is one of 2 parts" in found[0].message
    text = (weights.parent / "tickets.prompt").read_text().splitlines()
    assert "x.gguf" in text[found[0].range.start.line]
    assert editor.questions == []
    assert not (tmp_path / "loaded").exists()


async def test_a_model_file_of_an_untrusted_workspace_is_not_even_asked_about(
    start: StartEditor, weights: Path, runtime: dict[str, str], tmp_path: Path
) -> None:
    editor = await start(options={"trusted": False, "consent": True}, environ=runtime)
    editor.answer = ALLOW
    await editor.command("apo.evaluate", editor.open("tickets.prompt"))
    await editor.until(editor.messages)
    assert editor.questions == []
    assert not (tmp_path / "loaded").exists()


async def test_a_model_file_that_is_swapped_while_the_question_is_open_is_not_loaded(
    start: StartEditor, weights: Path, runtime: dict[str, str], tmp_path: Path
) -> None:
    editor = await start(options={"background": "off"}, environ=runtime)
    when_asked(editor, lambda: swap(weights))
    await editor.command("apo.evaluate", editor.open("tickets.prompt"))
    await editor.until(editor.messages)
    assert "Nobody has agreed to load the model file" in editor.messages()[0]
    assert not (tmp_path / "loaded").exists()


@pytest.mark.parametrize("agreed", ["nothing", "another file", "another content"])
async def test_the_engine_loads_no_model_file_but_what_was_agreed_to(
    weights: Path,
    workspace: Path,
    runtime: dict[str, str],
    tmp_path: Path,
    agreed: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    files = {
        "nothing": (),
        "another file": (ModelFile(f"embedded/{weights}", "/x.gguf", "0" * 64),),
        "another content": (ModelFile(f"embedded/{weights}", str(weights), "0" * 64),),
    }
    monkeypatch.syspath_prepend(runtime["PYTHONPATH"])
    client = EngineClient()
    prompt = workspace / "tickets.prompt"
    request = Request(
        0, "evaluate", str(prompt), prompt.read_text("utf-8"), cache=str(tmp_path / "c"), model_files=files[agreed]
    )
    try:
        with pytest.raises(Exception, match="Nobody has agreed to load the model file"):
            _ = [event async for event in client.run(request)]
    finally:
        await client.close()
    assert not (tmp_path / "loaded").exists()


async def test_the_engine_process_runs_no_metric_for_a_digest_of_an_earlier_one(worker: Process, metric: Path) -> None:
    file = metric / "tickets.prompt"
    request = Request(0, "plan", str(file), file.read_text("utf-8"), job="evaluate")
    worker.send(encode(request))
    started, _ = await worker.replies(0)
    agreed = json.loads(json.dumps(started.event.custom_metric.digest))  # type: ignore[union-attr]
    (metric / "helper.py").write_text(evil(metric))
    worker.send(encode(Request(1, "evaluate", str(file), file.read_text("utf-8"), custom_metric=agreed)))
    (end,) = await worker.replies(1)
    assert end.error[0].code == "code-not-agreed"
    assert "helper.py" in end.error[0].remedy
    assert not (metric / RAN).exists()


def _children(editor: Editor) -> list[int]:
    """The processes that the server started; one that has not begun its program yet is still a copy of the server."""
    server = Path(f"/proc/{editor.server.pid}")
    children = (server / "task" / server.name / "children").read_text().split()
    begun = (server / "cmdline").read_bytes()
    return [int(child) for child in children if Path(f"/proc/{child}/cmdline").read_bytes() != begun]
