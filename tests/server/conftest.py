"""Fixtures for the server's tests: a world to be wrong about, and editors to see it in."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from tests.scripted import ScriptedServer
from tests.scripted.world import World
from tests.server.editor import Editor, environment

StartEditor = Callable[..., Awaitable[Editor]]


@pytest.fixture
def world(scripted: ScriptedServer) -> World:
    """The world that the scripted endpoint lives in."""
    world = World(150)
    scripted.script = world.script
    return world


@pytest.fixture
def workspace(tmp_path: Path, world: World) -> Path:
    """A folder with `tickets.prompt` and its rows."""
    folder = tmp_path / "work space"
    folder.mkdir()
    world.write(folder)
    return folder


@pytest_asyncio.fixture
async def start(tmp_path: Path, workspace: Path, scripted: ScriptedServer) -> AsyncIterator[StartEditor]:
    """Starts editors on the workspace; they share one cache, and are stopped in peace at the end."""
    started: list[Editor] = []

    async def begin(profile: Any = "visual-studio-code", environ: dict[str, str] | None = None, **more: Any) -> Editor:
        whole = {**environment(tmp_path / "cache", scripted.base_url), **(environ or {})}
        editor = await Editor.start(workspace, whole, profile, **more)
        started.append(editor)
        return editor

    yield begin
    for editor in started:
        if editor.server.returncode is None:
            await editor.stop()
