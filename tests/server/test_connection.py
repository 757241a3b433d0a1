"""`apo.testConnection`: whether the endpoints of the user answer, in one sentence."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from lsprotocol import types

from apo_engine.models.reachable import EndpointStatus, ModelEntry
from apo_server.features.connection import Finding, found
from tests.scripted import ScriptedServer
from tests.scripted.reply import html
from tests.server.conftest import StartEditor
from tests.server.editor import Editor

URL = "https://models.example/v1"


async def answer(editor: Editor) -> Any:
    """What the client is answered, as a plain object."""
    said = await editor.client.workspace_execute_command_async(types.ExecuteCommandParams("apo.testConnection"))
    return said if isinstance(said, dict) else {name: getattr(said, name) for name in ("ok", "sentence", "code")}


def silent(code: str, name: str = "openai") -> EndpointStatus:
    return EndpointStatus(name, URL, False, "Why not.", code=code)


async def test_it_says_how_many_models_answer_where(start: StartEditor, scripted: ScriptedServer) -> None:
    scripted.models = ("a-model", "b-model")
    editor = await start()
    assert await answer(editor) == {
        "ok": True,
        "sentence": f"The connection works: 2 models at {scripted.base_url}.",
        "code": "",
    }


async def test_a_key_that_is_refused_is_told_without_the_key(start: StartEditor) -> None:
    with ScriptedServer(key="another") as locked:
        editor = await start(environ={"OPENAI_BASE_URL": locked.base_url})
        said = await answer(editor)
    assert said == {
        "ok": False,
        "sentence": f"{locked.base_url} refuses the API key.",
        "code": "model-unauthorized",
    }


async def test_an_endpoint_that_is_down_or_speaks_another_language_is_told(start: StartEditor) -> None:
    editor = await start(environ={"OPENAI_BASE_URL": "http://127.0.0.1:9/v1"})
    assert (await answer(editor))["sentence"] == "Nothing answers at http://127.0.0.1:9/v1."
    with ScriptedServer() as web:
        web.reply_to = lambda exchange: html()  # type: ignore[method-assign]
        other = await start(environ={"OPENAI_BASE_URL": web.base_url})
        assert "is not an endpoint that speaks OpenAI's protocol" in (await answer(other))["sentence"]


async def test_in_an_untrusted_workspace_nobody_is_asked(start: StartEditor, scripted: ScriptedServer) -> None:
    asked = []
    scripted.reply_to = lambda exchange: asked.append(exchange) or html()  # type: ignore[method-assign,func-returns-value]
    editor = await start(options={"trusted": False})
    said = await answer(editor)
    assert said["ok"] is False
    assert "not trusted" in said["sentence"]
    assert asked == []


async def test_a_configuration_file_that_cannot_be_used_is_told(start: StartEditor, tmp_path: Path) -> None:
    folder = tmp_path / "cache" / "config" / "apo-language-server"
    folder.mkdir(parents=True)
    (folder / "config.yaml").write_text("- no map\n")
    said = await answer(await start())
    assert said["ok"] is False
    assert "config.yaml" in said["sentence"]


@pytest.mark.parametrize(
    ("code", "sentence"),
    [
        ("model-key-missing", f"There is no API key for {URL} yet."),
        ("model-timeout", f"{URL} does not answer in time."),
        ("model-proxy", f"The proxy on the way to {URL} lets nothing through."),
        ("model-server-error", "Why not."),
        ("", "Why not."),
    ],
)
def test_each_trouble_is_one_sentence(code: str, sentence: str) -> None:
    assert found([silent(code)]) == Finding(sentence, code or "failed")


def test_who_uses_another_endpoint_needs_no_key_for_the_first() -> None:
    own = EndpointStatus("own", "http://127.0.0.1:1/v1", True, models=(ModelEntry("own/x"),))
    works = Finding("The connection works: 1 model at http://127.0.0.1:1/v1.")
    assert found([silent("model-key-missing"), own]) == works
    assert found([silent("model-unauthorized"), own]).code == "model-unauthorized"
    assert found([silent("model-key-missing"), silent("model-unreachable", "own")]).code == "model-unreachable"
    assert found([own, EndpointStatus("embedded", "this machine", False, "Not installed.")]) == works
