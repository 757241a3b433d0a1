"""Attacks by the size of a model file: reading it keeps nobody waiting, and ends with the run."""

from __future__ import annotations

import asyncio
import os
import sys
import threading
import time
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

import pytest

from apo_engine.models.held_weights import hold_weights
from apo_engine.models.weights import StoppedError
from apo_engine.problems import BudgetError, ModelError
from apo_engine.prompt.file import parse_prompt
from apo_engine.runs.options import Options
from apo_engine.runs.plan import make_plan
from tests.attacks.gguf import gguf, string

WHOLE = gguf([string(b"general.architecture", b"llama")])
#: Enough to take more than a second to read.
DENSE = 3 << 30
#: How long after its end a plan may go on, and how long the event loop may stand still.
LATE, STILL = 1.0, 0.5

needs_blocks = pytest.mark.skipif(not hasattr(os, "posix_fallocate"), reason="needs files of a size without writing it")


@pytest.fixture(autouse=True)
def _machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("APO_CACHE_DIR", str(tmp_path / "cache"))
    real = metadata.version
    monkeypatch.setattr(metadata, "version", lambda name: "1.0" if name == "xllamacpp" else real(name))
    yield
    (tmp_path / "m.gguf").unlink(missing_ok=True)


def sparse(path: Path) -> None:
    """A terabyte, of which a few kilobytes are on the disk."""
    path.write_bytes(WHOLE)
    os.truncate(path, 1 << 40)


def dense(path: Path) -> None:
    """A file whose blocks are all on the disk."""
    with path.open("wb") as file:
        os.posix_fallocate(file.fileno(), 0, DENSE)
        file.write(WHOLE)


def planning(folder: Path, seconds: float) -> asyncio.Task[object]:
    """The plan of a prompt with the model file `m.gguf` of its folder."""
    rows = "".join(f'{{"text": "t{n}", "expected": "{"ab"[n % 2]}"}}\n' for n in range(60))
    (folder / "rows.jsonl").write_text(rows)
    settings = f"apo.examples: rows.jsonl\napo.metric: label\napo.budget: {{seconds: {seconds}}}\n"
    text = f"---\nmodel: embedded/m.gguf\n{settings}---\nSay a or b.\n{{{{text}}}}\n"
    prompt = parse_prompt(text, folder / "a.prompt")
    return asyncio.ensure_future(make_plan("evaluate", prompt, Options()))


async def longest_wait(task: asyncio.Task[object]) -> float:
    """How long the event loop stood still at most until the task was done."""
    longest = 0.0
    while not task.done():
        began = time.monotonic()
        await asyncio.sleep(0.01)
        longest = max(longest, time.monotonic() - began)
    return longest


async def all_readers_end() -> None:
    """Wait until no thread reads on."""
    for _ in range(100):
        if not any("load_embedded" in _functions(thread) for thread in threading.enumerate()):
            return
        await asyncio.sleep(0.01)
    raise AssertionError("a thread reads on")


def _functions(thread: threading.Thread) -> list[str]:
    frame = sys._current_frames().get(thread.ident or 0)
    names = []
    while frame is not None:
        names.append(frame.f_code.co_name)
        frame = frame.f_back
    return names


@needs_blocks
async def test_a_sparse_model_file_is_refused_at_once(tmp_path: Path) -> None:
    sparse(tmp_path / "m.gguf")
    began = time.monotonic()
    task = planning(tmp_path, seconds=60)
    with pytest.raises(ModelError) as caught:
        await asyncio.wait_for(task, 10)
    assert time.monotonic() - began < 5
    (problem,) = caught.value.problems
    assert problem.code == "model-sparse"
    assert "less than half of it is on the disk" in problem.message
    assert problem.place is not None
    assert problem.place.line == 2


@needs_blocks
async def test_a_large_model_file_is_read_no_longer_than_the_cap_on_seconds(tmp_path: Path) -> None:
    dense(tmp_path / "m.gguf")
    began = time.monotonic()
    task = planning(tmp_path, seconds=0.5)
    assert await longest_wait(task) < STILL
    assert time.monotonic() - began < 0.5 + LATE
    with pytest.raises(BudgetError, match="The cap on seconds is reached"):
        await task
    await all_readers_end()


@needs_blocks
async def test_a_plan_that_is_cancelled_reads_no_model_file_to_its_end(tmp_path: Path) -> None:
    dense(tmp_path / "m.gguf")
    task = planning(tmp_path, seconds=600)
    await asyncio.sleep(0.4)
    assert not task.done()
    began = time.monotonic()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await all_readers_end()
    assert time.monotonic() - began < LATE


@needs_blocks
def test_a_closed_model_reads_its_file_no_further(tmp_path: Path) -> None:
    dense(tmp_path / "m.gguf")
    began = time.monotonic()
    with pytest.raises(StoppedError):
        hold_weights(tmp_path / "m.gguf", "0" * 64, tmp_path / "cache", is_stopped=lambda: True)
    assert time.monotonic() - began < LATE
