"""Attacks by the size of example files: reading them keeps nobody waiting, and ends with the run."""

from __future__ import annotations

import asyncio
import os
import random
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType

import pytest

from apo_engine import api
from apo_engine.allowed_paths import open_regular
from apo_engine.problems import BudgetError
from apo_engine.prompt.file import load_prompt
from apo_server.engine import EngineClient
from apo_server.wire import Request
from tests.attacks.interruption import interrupt
from tests.cli.conftest import APO
from tests.scripted import ScriptedServer

#: Enough rows that planning takes 20 seconds and more.
ROWS = 100_000
SECONDS = 2.0
#: How long after its end a run may go on; a busy machine takes some of it.
LATE = 1.5
#: How long it takes a busy machine to start and to load the engine.
START = 4.0

needs_signals = pytest.mark.skipif(sys.platform == "win32", reason="needs Ctrl-C for one process")


@pytest.fixture(scope="module")
def rows(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file of 100,000 rows, none like another."""
    path = tmp_path_factory.mktemp("large") / "rows.csv"
    draw = random.Random(1)
    words = ["".join(draw.choices("abcdefghijklmnopqrstuvwxyz", k=draw.randint(3, 9))) for _ in range(5_000)]
    with path.open("w", encoding="utf-8") as file:
        file.write("text,label\n")
        for number in range(ROWS):
            file.write(f"{' '.join(draw.choices(words, k=40))},{'billing' if number % 2 else 'technical'}\n")
    return path


@pytest.fixture
def folder(rows: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, scripted: ScriptedServer) -> Path:
    """A folder with a prompt beside the many rows."""
    (tmp_path / "rows.csv").hardlink_to(rows)
    write_prompt(tmp_path, SECONDS)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("APO_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setenv("OPENAI_BASE_URL", scripted.base_url)
    monkeypatch.setenv("OPENAI_API_KEY", "sk-none")
    return tmp_path


def write_prompt(folder: Path, seconds: float) -> None:
    settings = f"apo.examples: rows.csv\napo.metric: label\napo.budget: {{seconds: {seconds:g}}}\n"
    text = f"---\nmodel: openai/m\n{settings}---\nSay billing or technical.\n{{{{text}}}}\n"
    (folder / "a.prompt").write_text(text, "utf-8")


def start(folder: Path, command: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [APO, command, "a.prompt"], cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def blank_lines(path: Path) -> None:
    """Lines without a row, 200 million of them."""
    path.write_bytes(b"\n" * 200_000_000)


def one_line(path: Path) -> None:
    """A line of a terabyte."""
    path.write_bytes(b'{"text": "')
    os.truncate(path, 1 << 40)


@pytest.mark.parametrize("command", ["evaluate", "optimize", "gradients"])
def test_the_command_ends_at_the_cap_on_seconds(command: str, folder: Path, scripted: ScriptedServer) -> None:
    began = time.monotonic()
    with start(folder, command) as process:
        _, said = process.communicate(timeout=100)
    assert time.monotonic() - began < SECONDS + START
    assert process.returncode == 3
    assert "The cap on seconds is reached: 2 s are over." in said
    assert len(scripted.log) == 0


@needs_signals
@pytest.mark.parametrize("after", [1.5, 4.0, 12.0])
@pytest.mark.parametrize("command", ["evaluate", "optimize"])
def test_ctrl_c_ends_the_command_while_rows_are_read(command: str, after: float, folder: Path) -> None:
    write_prompt(folder, 600)
    with start(folder, command) as process:
        assert interrupt(process, after) < LATE


@pytest.mark.parametrize("make", [blank_lines, one_line])
async def test_a_file_without_rows_is_read_no_longer(make: Callable[[Path], None], folder: Path) -> None:
    (folder / "rows.csv").unlink()
    make(folder / "rows.jsonl")
    write_prompt(folder, 0.5)
    text = (folder / "a.prompt").read_text("utf-8").replace("rows.csv", "rows.jsonl")
    (folder / "a.prompt").write_text(text, "utf-8")
    began = time.monotonic()
    with pytest.raises(BudgetError, match="cap on seconds"):
        await api.plan(load_prompt(folder / "a.prompt"))
    assert time.monotonic() - began < 0.5 + LATE
    await _readers_end()
    (folder / "rows.jsonl").unlink()


async def test_other_threads_work_on_while_lines_are_read(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    blank_lines(path)
    ended = threading.Event()

    def read() -> None:
        with open_regular(path) as file:
            while not ended.is_set() and file.readline():
                pass

    reader = threading.Thread(target=read)
    reader.start()
    began, turns = time.monotonic(), 0
    while time.monotonic() - began < 2:
        await asyncio.sleep(0.01)
        turns += 1
    was_reading = reader.is_alive()
    ended.set()
    reader.join()
    assert was_reading
    assert turns > 50, "the event loop has to wait"


@pytest.mark.parametrize("do", ["plan", "evaluate", "optimize"])
async def test_the_editor_cancels_while_rows_are_read(do: str, folder: Path) -> None:
    write_prompt(folder, 600)
    path = folder / "a.prompt"
    request = Request(
        1,
        do,  # type: ignore[arg-type]
        path=str(path),
        text=path.read_text("utf-8"),
        cache=str(folder / "cache"),
        allowed_roots=(str(folder),),
    )
    engine = EngineClient(environ=lambda: os.environ)

    async def run() -> None:
        async for _ in engine.run(request):
            pass

    task = asyncio.ensure_future(run())
    await asyncio.sleep(5)
    assert not task.done()
    process = engine.pid
    began = time.monotonic()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await engine.settled()
    assert time.monotonic() - began < LATE
    assert engine.pid == process, "it was not killed"
    if process is not None and sys.platform == "linux":
        await _rests(process)
    await engine.close()


async def _readers_end() -> None:
    """Wait until no thread reads rows."""
    for _ in range(100):
        names = [frame.f_code.co_name for top in sys._current_frames().values() for frame in _frames(top)]
        if "load_examples" not in names:
            return
        await asyncio.sleep(0.01)
    raise AssertionError("a thread reads on")


def _frames(frame: FrameType | None) -> Iterator[FrameType]:
    while frame is not None:
        yield frame
        frame = frame.f_back


async def _rests(process: int) -> None:
    """Wait until a process uses no processor."""
    for _ in range(20):
        before = _ticks(process)
        await asyncio.sleep(0.25)
        if _ticks(process) - before <= 2:
            return
    raise AssertionError("the engine works on")


def _ticks(process: int) -> int:
    fields = Path(f"/proc/{process}/stat").read_text("utf-8").rpartition(")")[2].split()
    return int(fields[11]) + int(fields[12])


def test_a_program_that_uses_the_library_ends_at_the_cap(folder: Path) -> None:
    """`asyncio.run` waits for its threads: what plans a run is none of them."""
    program = """
import asyncio, pathlib
from apo_engine import api, problems

async def main():
    await api.optimize(api.load_prompt(pathlib.Path("a.prompt")), api.Options())

try:
    asyncio.run(main())
except problems.BudgetError as error:
    print(error)
"""
    began = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=folder, capture_output=True, text=True, timeout=100, check=False
    )
    assert "The cap on seconds is reached" in done.stdout, done.stderr
    assert time.monotonic() - began < START + SECONDS + LATE
