"""Who wants nothing kept finds nothing of prompts, rows and answers on disk: from the terminal and from the editor."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.cli.conftest import Apo, make_apo
from tests.scripted import ScriptedServer
from tests.scripted.world import World
from tests.secrets.canary import files_below
from tests.server.editor import Editor, environment

SAID = "keep: nothing\n"


def _words(folder: Path) -> list[bytes]:
    """Words of the prompt, of each row, and of what the model says."""
    rows = [json.loads(line)["text"] for line in (folder / "tickets.jsonl").read_text().splitlines()]
    return [b"help desk", b"billing", *(row.encode() for row in rows)]


def _assert_nothing_of(words: list[bytes], *folders: Path) -> None:
    for folder in folders:
        for path, content in files_below(folder):
            found = [word for word in words if word in content]
            assert not found, (path, found[:3])


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    return tmp_path / "cache"


def _configured(folder: Path, text: str) -> None:
    place = folder / "config" / "apo-language-server" / "config.yaml"
    place.parent.mkdir(parents=True)
    place.write_text(text)


def test_everything_is_kept_unless_told_otherwise(apo: Apo, tmp_path: Path) -> None:
    assert apo("evaluate", "tickets.prompt").code == 0
    with pytest.raises(AssertionError):
        _assert_nothing_of(_words(apo.folder), tmp_path / "cache")


@pytest.mark.parametrize("how", ["option", "configuration"])
def test_a_run_that_keeps_nothing_leaves_nothing(apo: Apo, cache: Path, how: str, scripted: ScriptedServer) -> None:
    more = ("--keep", "nothing") if how == "option" else ()
    if how == "configuration":
        _configured(apo.folder, SAID)
    for command in (("evaluate", "tickets.prompt"), ("optimize", "tickets.prompt", "--max-calls", "300")):
        outcome = apo(*command, *more)
        assert outcome.code == 0, outcome.err
    assert len(scripted.log) > 60
    _assert_nothing_of(_words(apo.folder), cache)
    assert json.loads(apo("runs", "--json").out) == {"runs": []}
    stats = apo("cache", "stats", "--json").object
    assert (stats["answers"], stats["runs"], stats["editor"]) == (0, 0, 0)


def test_a_run_that_keeps_nothing_finds_what_any_other_does(apo: Apo) -> None:
    without = apo("optimize", "tickets.prompt", "--json", "--max-calls", "300", "--keep", "nothing")
    kept = apo("optimize", "tickets.prompt", "--json", "--max-calls", "300")
    for key in ("experiment", "best", "calls", "cached"):
        assert without.object[key] == kept.object[key]
    # The rows were opened before, and that is remembered.
    looks = [found.object["holdout"].pop("earlier_looks") for found in (without, kept)]
    assert looks == [None, 1]
    for key in ("start", "best", "difference", "n"):
        assert without.object["holdout"][key] == kept.object["holdout"][key]


def test_nothing_wins_over_all(apo: Apo, cache: Path) -> None:
    _configured(apo.folder, SAID)
    assert apo("evaluate", "tickets.prompt", "--keep", "all").code == 0
    _assert_nothing_of(_words(apo.folder), cache)


def test_a_prompt_does_not_say_what_is_kept(apo: Apo) -> None:
    apo.edit("apo.examples:", "apo.keep: all\napo.examples:")
    outcome = apo("evaluate", "tickets.prompt")
    assert outcome.code == 2
    assert "is a choice of whoever runs the prompt, not of the prompt" in outcome.err


@pytest.mark.parametrize("how", ["option", "configuration", "user"])
async def test_a_server_that_keeps_nothing_leaves_nothing(
    tmp_path: Path, cache: Path, how: str, scripted: ScriptedServer
) -> None:
    world = World(60)
    folder = tmp_path / "work"
    folder.mkdir()
    world.write(folder)
    scripted.script = world.script
    environ = {**environment(cache, scripted.base_url), "XDG_CONFIG_HOME": str(tmp_path / "config")}
    more: dict[str, Any] = {}
    if how == "user":
        _configured(tmp_path, SAID)
    else:
        more["options" if how == "option" else "configuration"] = {"keep": "nothing"}
    editor = await Editor.start(folder, environ, **more)
    uri = editor.open("tickets.prompt")
    critiques = await editor.run(uri)
    assert critiques
    await editor.command("apo.ignoreCritique", uri, critiques[0].data["critique"])
    await editor.command("apo.openReport", uri)
    await editor.stop()
    assert len(scripted.log) > 20
    _assert_nothing_of(_words(folder), cache)
    assert not [path for path, _ in files_below(cache) if "editor" in path.parts]


def test_the_home_of_a_run_that_keeps_nothing_is_clean(tmp_path: Path, scripted: ScriptedServer) -> None:
    """Nothing but the store, which holds keyed digests of rows: no temporary file, no log."""
    world = World(60)
    folder = tmp_path / "work"
    folder.mkdir()
    world.write(folder)
    scripted.script = world.script
    before = {path for path in tmp_path.rglob("*") if path.is_file()}
    temporary = tmp_path / "tmp"
    temporary.mkdir()
    apo = make_apo(folder, scripted)
    assert apo("evaluate", "tickets.prompt", "--keep", "nothing", TMPDIR=str(temporary)).code == 0
    after = {path for path in tmp_path.rglob("*") if path.is_file()}
    assert {path.name for path in after - before} == {"store.sqlite"}
    _assert_nothing_of(_words(folder), folder / "cache")
