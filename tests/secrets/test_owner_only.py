"""What is kept is for its owner's eyes only: whatever the umask is, and whatever rights were there before."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.conftest import make_apo
from tests.scripted import ScriptedServer
from tests.scripted.world import World
from tests.server.editor import Editor, environment

pytestmark = pytest.mark.skipif(os.name != "posix", reason="rights are those of POSIX")


@pytest.fixture(autouse=True)
def no_umask() -> Iterator[None]:
    before = os.umask(0)
    yield
    os.umask(before)


@pytest.fixture(params=["missing", "empty", "with wide rights"])
def cache(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    folder = tmp_path / "deep" / "cache"
    if request.param != "missing":
        folder.mkdir(parents=True, mode=0o777)
    if request.param == "with wide rights":
        for name in ("runs", "holdouts", "editor"):
            (folder / name).mkdir(mode=0o777)
        for name in ("answers.sqlite", "spending.sqlite", "consent.json"):
            os.close(os.open(folder / name, os.O_CREAT | os.O_WRONLY, 0o666))
    return folder


def _names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def _open_to_others(folder: Path, unused: tuple[str, ...] = ()) -> list[str]:
    """What others may read; but for what is ``unused``: nobody comes there through a folder that is the owner's."""
    found = [path for path in (folder, *folder.rglob("*")) if path.name not in unused]
    assert len(found) > 3, "nothing was kept"
    modes = {path: stat.S_IMODE(path.stat().st_mode) for path in found}
    return [f"{path.relative_to(folder)} {mode:o}" for path, mode in modes.items() if mode & 0o077]


def test_what_a_search_keeps_is_the_owners(cache: Path, tmp_path: Path, scripted: ScriptedServer) -> None:
    world = World(60)
    world.write(tmp_path)
    scripted.script = world.script
    apo = make_apo(tmp_path, scripted)
    outcome = apo("optimize", "tickets.prompt", "--max-calls", "300", APO_CACHE_DIR=str(cache))
    assert outcome.code == 0, outcome.err
    assert _names(cache) >= {"answers.sqlite", "store.sqlite"}
    assert not _open_to_others(cache, unused=("runs", "holdouts", "editor", "consent.json", "spending.sqlite"))


async def test_what_the_server_keeps_is_the_owners(cache: Path, tmp_path: Path, scripted: ScriptedServer) -> None:
    world = World(60)
    folder = tmp_path / "work"
    folder.mkdir()
    world.write(folder)
    scripted.script = world.script
    away = {
        **environment(cache, scripted.base_url.replace("127.0.0.1", "0.0.0.0")),
        "XDG_CONFIG_HOME": str(tmp_path / "config"),
    }
    options = {"background": "evaluate", "workspaceBudget": {"calls": 500}}
    editor = await Editor.start(folder, away, options=options)
    uri = editor.open("tickets.prompt")
    editor.answer = "Allow for this workspace"
    editor.save(uri)
    await editor.until(lambda: editor.questions)
    await editor.until(lambda: len(scripted.log) > 20)
    await editor.until(lambda: list(cache.glob("editor/*/*.known.json")))
    # While everything is open, side files of the databases included.
    assert not _open_to_others(cache, unused=("runs", "holdouts"))
    await editor.stop()
    assert _names(cache) >= {"answers.sqlite", "store.sqlite", "consent.json", "spending.sqlite"}
    assert not _open_to_others(cache, unused=("runs", "holdouts"))


def test_a_folder_that_holds_other_things_too_keeps_its_rights(tmp_path: Path, scripted: ScriptedServer) -> None:
    world = World(60)
    world.write(tmp_path)
    scripted.script = world.script
    shared = tmp_path / "shared"
    shared.mkdir(mode=0o755)
    (shared / "notes.txt").write_text("of somebody else")
    outcome = make_apo(tmp_path, scripted)("evaluate", "tickets.prompt", APO_CACHE_DIR=str(shared))
    assert outcome.code == 0, outcome.err
    assert [entry.split()[0] for entry in _open_to_others(shared)] == [".", "notes.txt"]
