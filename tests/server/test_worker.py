"""The engine process itself, spoken to as the server does."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest_asyncio

from apo_engine.search.events import CandidateScored, GradientFound, RunEnded, RunStarted
from apo_server.wire import Reply, Request, decode_reply, encode
from tests.scripted import ScriptedServer
from tests.server.editor import environment


class Process:
    """A worker and its two pipes."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process

    def send(self, line: bytes) -> None:
        assert self.process.stdin
        self.process.stdin.write(line)

    async def reply(self) -> Reply:
        assert self.process.stdout
        line = await asyncio.wait_for(self.process.stdout.readline(), 20)
        return decode_reply(line)

    async def replies(self, number: int) -> list[Reply]:
        """All replies to a request; the last one ends it."""
        found = []
        while True:
            reply = await self.reply()
            if reply.id == number:
                found.append(reply)
                if reply.event is None:
                    return found


@pytest_asyncio.fixture
async def worker(tmp_path: Path, scripted: ScriptedServer) -> AsyncIterator[Process]:
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "apo_server.worker"),
        stdin=pipe,
        stdout=pipe,
        limit=2**26,
        env=environment(tmp_path / "cache", scripted.base_url),
    )
    yield Process(process)
    if process.returncode is None:
        process.kill()
        await process.wait()


def request(workspace: Path, number: int, do: str, **more: object) -> bytes:
    file = workspace / "tickets.prompt"
    return encode(Request(number, do, str(file), file.read_text("utf-8"), **more))  # type: ignore[arg-type]


async def test_a_plan_asks_no_model(worker: Process, workspace: Path, scripted: ScriptedServer) -> None:
    worker.send(request(workspace, 7, "plan", job="gradients"))
    started, end = await worker.replies(7)
    assert isinstance(started.event, RunStarted)
    assert started.event.job == "gradients"
    assert started.event.local
    assert end == Reply(7, done=True)
    assert len(scripted.log) == 0


async def test_jobs_run_side_by_side_and_end_each(worker: Process, workspace: Path) -> None:
    worker.send(request(workspace, 1, "gradients"))
    worker.send(request(workspace, 2, "evaluate"))
    replies: list[Reply] = []
    while sum(reply.event is None for reply in replies) < 2:
        replies.append(await worker.reply())
    events = [reply.event for reply in replies if reply.id == 1]
    assert isinstance(events[0], RunStarted)
    assert isinstance(events[-2], RunEnded)
    assert any(isinstance(event, GradientFound) for event in events)
    assert any(isinstance(event, CandidateScored) and event.against_seed for event in events)
    assert [reply for reply in replies if reply.event is None and not reply.done] == []


async def test_a_cancelled_job_ends_while_others_go_on(
    worker: Process, workspace: Path, scripted: ScriptedServer
) -> None:
    scripted.latency = 1.0
    worker.send(request(workspace, 1, "gradients"))
    assert isinstance((await worker.reply()).event, RunStarted)
    worker.send(encode(Request(1, "cancel")))
    assert (await worker.replies(1))[-1] == Reply(1, cancelled=True)
    worker.send(request(workspace, 2, "plan"))
    assert (await worker.replies(2))[-1].done


async def test_problems_come_with_place_and_remedy(worker: Process, workspace: Path) -> None:
    (workspace / "tickets.jsonl").unlink()
    worker.send(request(workspace, 1, "evaluate"))
    (end,) = await worker.replies(1)
    (trouble,) = end.error
    assert "tickets.jsonl" in trouble.message
    assert trouble.remedy
    assert (trouble.path, trouble.line) == (str(workspace / "tickets.prompt"), 4)


async def test_nonsense_is_left_out(worker: Process, workspace: Path) -> None:
    worker.send(b'nonsense\n{"id": "x"}\n{}\n\xff\xfe\n')
    worker.send(encode(Request(99, "cancel")))
    worker.send(request(workspace, 1, "plan"))
    assert (await worker.replies(1))[-1].done


async def test_the_process_ends_with_its_stdin_even_in_the_middle_of_a_job(
    worker: Process, workspace: Path, scripted: ScriptedServer
) -> None:
    scripted.latency = 30
    worker.send(request(workspace, 1, "evaluate"))
    await worker.reply()
    assert worker.process.stdin
    worker.process.stdin.close()
    assert await asyncio.wait_for(worker.process.wait(), 5) == 0
