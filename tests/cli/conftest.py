"""The `apo` command as a process, against a scripted model server."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.scripted import ScriptedServer
from tests.scripted.world import World

APO = shutil.which("apo", path=str(Path(sys.executable).parent)) or "apo"


@dataclass(frozen=True)
class Outcome:
    """How a process ended, and what it said."""

    code: int
    out: str
    err: str

    @property
    def object(self) -> dict[str, Any]:
        """The one JSON object on stdout."""
        value = json.loads(self.out)
        assert isinstance(value, dict)
        return value


@dataclass
class Apo:
    """Runs `apo` in ``folder`` with an environment of its own."""

    folder: Path
    environ: dict[str, str] = field(default_factory=dict)

    def __call__(self, *args: str, **environ: str) -> Outcome:
        done = subprocess.run(
            [APO, *args],
            cwd=self.folder,
            env={**self.environ, **environ},
            capture_output=True,
            check=False,
            timeout=100,
        )
        return Outcome(done.returncode, done.stdout.decode(), done.stderr.decode())

    def start(self, *args: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [APO, *args],
            cwd=self.folder,
            env=self.environ,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            encoding="utf-8",
        )

    def edit(self, old: str, new: str, name: str = "tickets.prompt") -> None:
        path = self.folder / name
        text = path.read_bytes().decode()
        assert old in text
        path.write_bytes(text.replace(old, new).encode())


def make_apo(folder: Path, server: ScriptedServer) -> Apo:
    environ = {
        "PATH": os.environ["PATH"],
        "HOME": str(folder),
        "XDG_CONFIG_HOME": str(folder / "config"),
        "APO_CACHE_DIR": str(folder / "cache"),
        "OPENAI_BASE_URL": server.base_url,
    }
    return Apo(folder, environ)


@pytest.fixture
def apo(tmp_path: Path, scripted: ScriptedServer) -> Apo:
    """`apo` in a folder with 60 tickets; the server knows the world they come from."""
    world = World(60)
    world.write(tmp_path)
    scripted.script = world.script
    return make_apo(tmp_path, scripted)


@dataclass(frozen=True)
class Finished:
    """A search that is through: the command that ran it, its outcome, and the server."""

    apo: Apo
    outcome: Outcome
    server: ScriptedServer
    requests: int


@pytest.fixture(scope="package")
def adopted(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Finished]:
    """A finished search over 240 tickets whose winner is much better. Tests copy its folder before they change it."""
    folder = tmp_path_factory.mktemp("adopted")
    world = World(240, guess=0.2)
    world.write(folder)
    with ScriptedServer(world.script) as server:
        apo = make_apo(folder, server)
        outcome = apo("optimize", "tickets.prompt", "--json")
        assert outcome.code == 0, outcome.err
        yield Finished(apo, outcome, server, len(server.log))


@pytest.fixture
def again(adopted: Finished, tmp_path: Path) -> Apo:
    """The folder of the finished search, to be changed at will."""
    folder = tmp_path / "again"
    shutil.copytree(adopted.apo.folder, folder)
    return make_apo(folder, adopted.server)


def stored_events(apo: Apo) -> list[bytes]:
    """The events of the only run in the store."""
    with closing(sqlite3.connect(apo.folder / "cache" / "store.sqlite")) as database:
        return [bytes(data) for (data,) in database.execute("SELECT data FROM events ORDER BY position, number")]


def store_events(apo: Apo, events: Sequence[bytes], *, finished: bool = True) -> None:
    """Put these events in place of those of the only run."""
    with closing(sqlite3.connect(apo.folder / "cache" / "store.sqlite")) as database, database:
        ((position,),) = database.execute("SELECT position FROM runs").fetchall()
        database.execute("DELETE FROM events")
        rows = [(position, number, data) for number, data in enumerate(events, start=1)]
        database.executemany("INSERT INTO events VALUES (?, ?, ?)", rows)
        database.execute("UPDATE runs SET finished = ?", (int(finished),))
