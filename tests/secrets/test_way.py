"""On its way a key goes to nobody but the endpoint it is meant for; where others can read it there, that is said."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.conftest import Apo
from tests.scripted import Reply, ScriptedServer
from tests.scripted.world import World
from tests.secrets.canary import Canary
from tests.server.editor import Editor, environment


def _seen(server: ScriptedServer, canary: Canary) -> list[object]:
    said = [f"{one.path}?{one.query} {one.headers} {one.body}" for one in server.every]
    return [text for text in said if canary.seen_in(text.encode())]


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize("way", ["key", "password", "query"])
def test_a_redirect_takes_no_key_anywhere(apo: Apo, scripted: ScriptedServer, way: str, status: int) -> None:
    canary = Canary.hatch()
    base = scripted.base_url.removeprefix("http://")
    given = {
        "key": {"OPENAI_API_KEY": canary.secret},
        "password": {"OPENAI_BASE_URL": f"http://user:{canary.quoted}@{base}"},
        "query": {"OPENAI_BASE_URL": f"http://{base}?api_key={canary.quoted}"},
    }[way]
    with ScriptedServer() as other:
        target = other.base_url.replace("127.0.0.1", "localhost")
        scripted.script = lambda _: Reply(status=status, headers={"Location": f"{target}/chat/completions"})
        outcome = apo("evaluate", "tickets.prompt", **given)
        assert outcome.code == 3
        assert "redirects are not followed, to keep the key safe" in outcome.err
        assert _seen(scripted, canary), "the key was given to the endpoint"
        assert other.every == [], "and nobody else was asked anything"


def test_who_is_reached_without_encryption_is_told_once_with_what_to_do(apo: Apo, scripted: ScriptedServer) -> None:
    away = {"OPENAI_BASE_URL": scripted.base_url.replace("127.0.0.1", "0.0.0.0"), "OPENAI_API_KEY": "sk-test"}
    outcome = apo("optimize", "tickets.prompt", "--max-calls", "300", **away)
    assert outcome.code == 0, outcome.err
    said = f"What is sent to 0.0.0.0:{scripted.port}, your key included, is not encrypted. Use an https:// address"
    assert " ".join(outcome.err.split()).count(said) == 1
    here = apo("evaluate", "tickets.prompt", OPENAI_API_KEY="sk-test")
    assert "not encrypted" not in here.err


async def test_an_editor_is_asked_with_that_in_mind(tmp_path: Path, scripted: ScriptedServer) -> None:
    World(60).write(tmp_path)
    environ = environment(tmp_path / "cache", scripted.base_url.replace("127.0.0.1", "0.0.0.0"))
    editor = await Editor.start(tmp_path, environ)
    uri = editor.open("tickets.prompt")
    editor.save(uri)
    (question,) = await editor.until(lambda: editor.questions)
    assert f"At 0.0.0.0:{scripted.port}, " in question.message
    assert " (not encrypted; an https:// address would be safe). " in question.message
    await editor.stop()
    assert len(scripted.log) == 0
