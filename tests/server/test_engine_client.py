"""The server's side of the engine process: whatever the process does, the server lives on and says so once."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from apo_engine.problems import ApoError
from apo_engine.search.events import AnyEvent, Noted
from apo_server.engine import EngineClient, Patience, WorkerDied
from apo_server.wire import Request

PATIENCE = Patience(first_restart=0.2, longest_restart=1.0, cancel=0.5)
# A process that does what the text of each request says; it knows nothing of the engine.
ACTOR = """
import json, os, signal, sys, threading, time

def say(**reply):
    sys.stdout.write(json.dumps(reply) + "\\n")
    sys.stdout.flush()

def note(number, words):
    say(id=number, event={"event": "Noted", "message": words})

for line in sys.stdin:
    request = json.loads(line)
    number, text = request["id"], request.get("text", "")
    if request["do"] == "cancel":
        if not os.path.exists("deaf"):
            say(id=number, cancelled=True)
        open("cancels", "a").write(f"{number}\\n")
    elif text == "die":
        note(number, "last words")
        sys.stdout.flush()
        os.kill(os.getpid(), signal.SIGKILL)
    elif text == "babble":
        sys.stdout.write("this is no reply\\n{\\n")
        note(number, "after babble")
        say(id=number, done=True)
    elif text == "fail":
        place = {"path": "p", "line": 3, "column": 1}
        say(id=number, error=[{"code": "c", "message": "It failed.", "remedy": "Mend it.", **place}])
    elif text == "hang":
        note(number, "hanging")
    elif text == "large":
        note(number, "x" * 5_000_000)
        say(id=number, done=True)
    elif text == "pid":
        note(number, str(os.getpid()))
        say(id=number, done=True)
"""


class Client(EngineClient):
    """An engine client with an actor as its process."""

    def __init__(self, folder: Path, patience: Patience = PATIENCE) -> None:
        self.deaths: list[str] = []
        script = folder / "actor.py"
        script.write_text(ACTOR, "utf-8")
        code = f"import os; os.chdir({str(folder)!r}); exec(open('actor.py').read())"
        super().__init__((sys.executable, "-c", code), on_death=self.deaths.append, patience=patience)

    async def play(self, text: str) -> list[AnyEvent]:
        return [event async for event in self.run(Request(0, "evaluate", "p", text))]


@pytest_asyncio.fixture
async def client(tmp_path: Path) -> AsyncIterator[Client]:
    client = Client(tmp_path)
    yield client
    await client.close()


async def test_the_process_starts_with_the_first_job_and_stays(client: Client) -> None:
    assert client.pid is None
    first = await client.play("pid")
    assert first == [Noted(str(client.pid))]
    assert await client.play("pid") == first


async def test_jobs_run_side_by_side(client: Client) -> None:
    hanging = client.run(Request(0, "evaluate", "p", "hang"))
    assert await hanging.__anext__() == Noted("hanging")
    assert await asyncio.wait_for(client.play("pid"), 5) == [Noted(str(client.pid))]
    await hanging.aclose()  # type: ignore[attr-defined]


async def test_problems_arrive_with_their_place(client: Client) -> None:
    with pytest.raises(ApoError) as raised:
        await client.play("fail")
    assert str(raised.value) == "p:3:1: It failed. Mend it."


async def test_what_is_no_reply_is_left_out(client: Client) -> None:
    assert await client.play("babble") == [Noted("after babble")]


async def test_long_lines_arrive_whole(client: Client) -> None:
    (note,) = await client.play("large")
    assert isinstance(note, Noted)
    assert len(note.message) == 5_000_000


async def test_leaving_the_iteration_cancels_the_job(client: Client, tmp_path: Path) -> None:
    events = client.run(Request(0, "evaluate", "p", "hang"))
    await events.__anext__()
    await events.aclose()  # type: ignore[attr-defined]
    for _ in range(100):
        if (tmp_path / "cancels").exists():
            break
        await asyncio.sleep(0.02)
    assert (tmp_path / "cancels").read_text().split() == ["1"]
    assert await client.play("pid")
    assert client.deaths == []


async def test_a_death_is_told_once_and_the_next_job_has_a_new_process(client: Client) -> None:
    waiting = asyncio.ensure_future(client.play("hang"))
    await asyncio.sleep(0.3)
    before = client.pid
    for job in (client.play("die"), waiting):
        with pytest.raises(WorkerDied):
            await job
    assert len(client.deaths) == 1
    assert "signal 9" in client.deaths[0]
    assert client.pid is None
    assert await client.play("pid") == [Noted(str(client.pid))]
    assert client.pid != before


async def test_deaths_in_a_row_make_restarts_rarer(client: Client) -> None:
    for _ in range(3):
        with pytest.raises(WorkerDied):
            await client.play("die")
    began = time.monotonic()
    await client.play("pid")
    assert time.monotonic() - began > 0.6
    with pytest.raises(WorkerDied):
        await client.play("die")
    began = time.monotonic()
    await client.play("pid")
    assert time.monotonic() - began < 0.6, "a job that went well starts the count anew"


async def test_a_process_that_does_not_obey_is_killed(client: Client, tmp_path: Path) -> None:
    (tmp_path / "deaf").touch()
    events = client.run(Request(0, "evaluate", "p", "hang"))
    await events.__anext__()
    deaf = client.pid
    await events.aclose()  # type: ignore[attr-defined]
    await asyncio.sleep(1.0)
    assert client.pid != deaf
    (tmp_path / "deaf").unlink()
    assert await client.play("pid") == [Noted(str(client.pid))]


async def test_a_command_that_does_not_exist_is_a_problem(tmp_path: Path) -> None:
    client = EngineClient((str(tmp_path / "missing"),))
    with pytest.raises(WorkerDied, match="cannot be started"):
        await client.plan(Request(0, "evaluate", "p"))
    await client.close()


async def test_close_ends_the_process(tmp_path: Path) -> None:
    client = Client(tmp_path)
    await client.play("pid")
    pid = client.pid
    assert pid is not None
    await client.close()
    with pytest.raises(ProcessLookupError):
        os.kill(pid, signal.SIGCONT)
    assert client.deaths == []
    with pytest.raises(WorkerDied):
        await client.play("pid")


@pytest.fixture
def drowsy(tmp_path: Path) -> Client:
    return Client(tmp_path, Patience(cancel=0.5, rest=0.3))


async def test_a_process_with_nothing_to_do_is_ended_and_started_again_unseen(drowsy: Client) -> None:
    await drowsy.play("pid")
    before = drowsy.pid
    assert before is not None
    for _ in range(100):
        if drowsy.pid is None:
            break
        await asyncio.sleep(0.02)
    assert drowsy.pid is None
    began = time.monotonic()
    assert await drowsy.play("pid") == [Noted(str(drowsy.pid))]
    assert time.monotonic() - began < 0.5, "a rest is no death that a restart would wait for"
    assert drowsy.pid != before
    assert drowsy.deaths == []
    with pytest.raises(ProcessLookupError):
        os.kill(before, signal.SIGCONT)
    await drowsy.close()


async def test_a_process_that_something_runs_in_does_not_rest(drowsy: Client) -> None:
    hanging = drowsy.run(Request(0, "evaluate", "p", "hang"))
    await hanging.__anext__()
    before = drowsy.pid
    await drowsy.play("pid")
    await asyncio.sleep(0.6)
    assert drowsy.pid == before is not None
    await hanging.aclose()  # type: ignore[attr-defined]
    await asyncio.sleep(0.6)
    assert drowsy.pid is None, "once the last has ended it rests, a cancelled one too"
    await drowsy.close()


async def test_each_request_puts_the_rest_off(drowsy: Client) -> None:
    await drowsy.play("pid")
    before = drowsy.pid
    for _ in range(4):
        await asyncio.sleep(0.15)
        await drowsy.play("pid")
    assert drowsy.pid == before
    await drowsy.close()
