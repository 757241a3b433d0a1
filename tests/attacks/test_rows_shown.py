"""Attacks on what is shown of rows after they were read: their file has become a link to a private one meanwhile."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from apo_server.consent import ALLOW
from apo_server.row_lines import lines_on_disk
from apo_server.rows import excerpts, whole_rows
from tests.cli.conftest import make_apo
from tests.scripted import Reply, ScriptedServer
from tests.scripted.world import World
from tests.server.editor import Editor, environment

pytestmark = pytest.mark.skipif(os.name == "nt", reason="makes links")

SECRET = "MADE UP PRIVATE LINE"


@pytest.fixture
def clone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that others can change while it is in use."""
    folder = tmp_path / "clone"
    folder.mkdir()
    World(150).write(folder)
    monkeypatch.chdir(folder)
    return folder


@pytest.fixture
def private(tmp_path: Path) -> Path:
    """A file of the user's, in a folder that nobody allowed."""
    file = tmp_path / "private" / "rows.jsonl"
    file.parent.mkdir()
    file.write_text("".join(json.dumps({"text": f"{SECRET} {number}"}) + "\n" for number in range(200)))
    return file


def swap(rows: Path, target: Path) -> None:
    rows.unlink()
    rows.symlink_to(target)


def swapping(script: Callable[[dict[str, Any]], str | Reply], rows: Path, target: Path) -> Callable[[Any], str | Reply]:
    """A script whose endpoint sees the first request, and then the folder changes."""

    def answer(request: dict[str, Any]) -> str | Reply:
        if not rows.is_symlink():
            swap(rows, target)
        return script(request)

    return answer


def test_nothing_behind_a_link_is_read_for_showing(clone: Path, private: Path) -> None:
    rows = clone / "tickets.jsonl"
    assert excerpts(rows, {1: ""}, (clone,))
    assert whole_rows(rows, [1], (clone,))
    assert lines_on_disk(rows, [1], (clone,))
    swap(rows, private)
    assert excerpts(rows, {1: ""}, (clone,)) == {}
    assert whole_rows(rows, [1], (clone,)) == {}
    assert lines_on_disk(rows, [1], (clone,)) == {}


def test_a_terminal_shows_no_rows_from_outside(clone: Path, private: Path, scripted: ScriptedServer) -> None:
    apo = make_apo(clone, scripted)
    scripted.script = swapping(lambda _request: "nonsense", clone / "tickets.jsonl", private)
    outcome = apo("evaluate", "tickets.prompt")
    assert outcome.code == 0, outcome.err
    assert "failing rows" in outcome.out
    assert SECRET not in outcome.out + outcome.err


async def test_an_editor_shows_and_keeps_no_rows_from_outside(
    clone: Path, private: Path, scripted: ScriptedServer
) -> None:
    """The rows that were read and agreed to are sent, for they stay the same; consent to them was not withdrawn."""
    scripted.script = swapping(World(150).script, clone / "tickets.jsonl", private)
    cache = clone.parent / "cache"
    environ = environment(cache, scripted.base_url.replace("127.0.0.1", "0.0.0.0"))
    editor = await Editor.start(clone, environ, options={"background": "off"})
    editor.answer = ALLOW
    uri = editor.open("tickets.prompt")
    await editor.command("apo.gradients", uri)
    critiques = await editor.critiques(uri)
    await editor.until_idle(uri)
    assert not any("withdrawn" in one for one in editor.messages())
    data = critiques[0].data
    assert isinstance(data, dict)
    await editor.command("apo.explainCritique", uri, data["critique"])
    kept = [file.read_bytes() for file in (cache / "editor").rglob("*") if file.is_file()]
    assert any(b"# Critique of" in one for one in kept)
    assert not any(SECRET.encode() in one for one in kept)
    assert SECRET not in json.dumps([one.message for one in editor.diagnostics(uri)])
    assert not any(SECRET in json.dumps(one.body) for one in scripted.log.exchanges)
    await editor.stop()
