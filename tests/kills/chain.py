"""A search that is killed again and again, at random moments, until it is let run to its end.

What was paid for is read from the files that the dead process left: an answer counts once it stands in the cache.
"""

from __future__ import annotations

import os
import random
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.server.client import Client, Message
from benchmarks.server.keystrokes import ended
from benchmarks.server.memory import family
from tests.cli.conftest import Apo, make_apo
from tests.scripted import ScriptedServer
from tests.scripted.world import World

WORLD = World(80, guess=0.2)
#: The most requests under way at once.
WIDTH = 8
_LATENCY = 0.01
_SETTINGS = f"apo.concurrency: {WIDTH}\n"
_KEYS = ("best", "holdout", "verdict", "stopped")


@dataclass(frozen=True)
class Chain:
    """What came of it.

    ``same`` says that it ended as a search does that nobody kills. ``repeated`` is the most requests that went out in
    vain before one kill, which may be as many as were under way; ``paid_twice`` how many went out after the last kill
    whose answer had been kept.
    """

    kills: int
    same: bool
    repeated: int
    paid_twice: int

    @property
    def sound(self) -> bool:
        return self.same and self.repeated <= WIDTH and self.paid_twice == 0


@dataclass(frozen=True)
class Reference:
    """A search that nobody killed: how it ended, how many answers it took, and how long, in seconds."""

    result: dict[str, Any]
    answers: int
    seconds: float


class Place:
    """A folder with a prompt and its rows, the endpoint that knows them, and the books of both."""

    def __init__(self, folder: Path, server: ScriptedServer) -> None:
        WORLD.write(folder)
        prompt = folder / "tickets.prompt"
        prompt.write_text(prompt.read_text("utf-8").replace("---\n", f"---\n{_SETTINGS}", 1), "utf-8")
        self.folder = folder
        self.server = server
        self.apo: Apo = make_apo(folder, server)

    def sent(self) -> int:
        """The requests that have come to the endpoint, once none is under way."""
        while self.server.log.active:
            time.sleep(0.01)
        return len(self.server.log)

    def result(self) -> dict[str, Any]:
        """What the search found, as `apo` tells it once it is through; that asks nothing more."""
        sent = self.sent()
        told = self.apo("optimize", "tickets.prompt", "--json", "--resume").object
        assert self.sent() == sent
        # A search that is killed after its look has looked: going on with it is one more, tested more strictly.
        told["holdout"] = {key: told["holdout"][key] for key in ("start", "best", "difference", "n")}
        return {key: told[key] for key in _KEYS}

    def kept(self) -> int:
        """The answers in the cache."""
        file = self.folder / "cache" / "answers.sqlite"
        if not file.exists():
            return 0
        with sqlite3.connect(file) as connection:
            try:
                return int(connection.execute("SELECT count(*) FROM answers").fetchone()[0])
            except sqlite3.OperationalError:
                # Killed before the table was made.
                return 0


@dataclass(frozen=True)
class Attempt:
    """Whether a search was killed, and whether it came to its end all the same."""

    killed: bool
    through: bool


#: Searches in a place, and is killed after so many seconds, if it still runs then; None lets it run.
Search = Callable[[Place, float | None], Attempt]


def command(place: Place, seconds: float | None) -> Attempt:
    """`apo optimize` as a process."""
    process = place.apo.start("optimize", "tickets.prompt", "--json", "--resume")
    try:
        _, said = process.communicate(timeout=100 if seconds is None else seconds)
    except subprocess.TimeoutExpired:
        process.kill()
        process.communicate()
        return Attempt(killed=True, through=False)
    assert process.returncode == 0, said
    return Attempt(killed=False, through=True)


def server(place: Place, seconds: float | None) -> Attempt:
    """The language server, with an editor that has the prompt open and has asked for a search."""
    with _editor(place) as (client, _):
        if _ends(client, seconds):
            return Attempt(killed=False, through=True)
        pids = family(client.process.pid)
        os.kill(pids[0], signal.SIGKILL)
        client.process.wait()
        # What it has started ends by itself, once nobody is at the other end.
        while any(Path(f"/proc/{pid}").exists() for pid in pids[1:]):
            time.sleep(0.01)
        return Attempt(killed=True, through=False)


def engine(place: Place, seconds: float | None) -> Attempt:
    """The language server's engine process; the editor and its server live on, and the search is asked for again."""
    with _editor(place) as (client, uri):
        if _ends(client, seconds):
            return Attempt(killed=False, through=True)
        pids = family(client.process.pid)[1:]
        for pid in pids:
            os.kill(pid, signal.SIGKILL)
        client.wait(_over)
        client.drain()
        client.command("apo.optimize", uri)
        client.wait(ended, 100)
        return Attempt(killed=bool(pids), through=True)


def _over(message: Message) -> bool:
    """Whether this says that a search is over; one that has shown no progress yet has a word of its own."""
    told = message.content.get("method") == "window/showMessage" and "The run ended" in message.params["message"]
    return told or ended(message)


@contextmanager
def _editor(place: Place) -> Iterator[tuple[Client, str]]:
    environ = {**place.apo.environ, "PYTHONPATH": ":".join(filter(None, sys.path))}
    with Client((sys.executable, "-m", "apo_server"), environ, place.folder) as client:
        client.start({"background": "off"})
        uri = client.open("tickets.prompt", (place.folder / "tickets.prompt").read_text("utf-8"))
        client.command("apo.optimize", uri)
        yield client, uri


def _ends(client: Client, seconds: float | None) -> bool:
    """Whether the search ends within so many seconds."""
    try:
        client.wait(ended, 100 if seconds is None else seconds)
    except TimeoutError:
        assert seconds is not None, "the search never ended"
        return False
    return True


def reference(search: Search, folder: Path) -> Reference:
    """What this way of searching comes to when nobody kills it."""
    with ScriptedServer(WORLD.script, latency=_LATENCY) as endpoint:
        place = Place(folder, endpoint)
        began = time.monotonic()
        assert search(place, None).through
        return Reference(place.result(), place.kept(), time.monotonic() - began)


def chain(search: Search, expected: Reference, folder: Path, seed: int, kills: int) -> Chain:
    """Begin a search and kill it, so many times or until it has come to its end; then let it run."""
    draw = random.Random(seed)
    done = worst = 0
    with ScriptedServer(WORLD.script, latency=_LATENCY) as endpoint:
        place = Place(folder, endpoint)
        through = False
        while done < kills and not through:
            sent, kept = place.sent(), place.kept()
            attempt = search(place, draw.uniform(0.05, expected.seconds))
            through = attempt.through
            if attempt.killed:
                done += 1
                worst = max(worst, place.sent() - sent - (place.kept() - kept))
        sent, kept = place.sent(), place.kept()
        assert through or search(place, None).through
        paid_twice = place.sent() - sent - (expected.answers - kept)
        return Chain(done, place.result() == expected.result, worst, paid_twice)
