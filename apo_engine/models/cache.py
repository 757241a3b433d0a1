"""Answers that were paid for, kept for good: an answered request is never sent again."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import json
import queue
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import msgspec

from apo_engine import parameters
from apo_engine.decoding import decoded
from apo_engine.models.answer_store import AnswerStore
from apo_engine.models.chat import Completion, LabelScores, Message, Params, Shape

AnswerT = TypeVar("AnswerT", Completion, LabelScores)
T = TypeVar("T")

# Part of every key: a change of what an answer means gets a new one.
_FORMAT = "apo-answer/2"


def answer_key(
    identity: str,
    messages: Sequence[Message],
    *,
    params: Params | None = None,
    draw: int = 0,
    labels: Sequence[str] | None = None,
    shape: Shape | None = None,
) -> str:
    """A digest of everything that determines an answer: SHA-256, in hex, of canonical JSON.

    Args:
        identity: the model's (:attr:`~apo_engine.models.chat.ChatModel.identity`).
        messages: what is asked.
        params: the parameters of a completion, in whatever spelling.
        draw: the number of the sample.
        labels: for scores of labels, these labels in their order; None for a completion.
        shape: the form of the answer that is asked for.
    """
    asked = {
        "format": _FORMAT,
        "kind": "complete" if labels is None else "labels",
        "model": identity,
        "messages": [[message.role, message.content] for message in messages],
        "params": parameters.canonical(params or {}),
        "draw": draw,
        "labels": None if labels is None else list(labels),
        "shape": None if shape is None else [shape.name, shape.schema],
    }
    canonical = json.dumps(asked, sort_keys=True, separators=(",", ":"), default=str)
    return hashlib.sha256(canonical.encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class _Job:
    """Work for the store's thread: a read (key), a write (key and value), or anything else (work)."""

    future: asyncio.Future[object]
    loop: asyncio.AbstractEventLoop
    key: str | None = None
    value: bytes | None = None
    work: Callable[[AnswerStore], object] | None = None


class AnswerCache:
    """Answers in an SQLite file, one row each, readable by the owner only.

    All work on the file is done by one thread of its own, which commits together whatever waits for it; the event
    loop is never blocked. Several processes may use the same file. It takes 10 GiB at most
    (:class:`~apo_engine.models.answer_store.AnswerStore`).
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._jobs: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None

    @property
    def path(self) -> Path:
        """The database file."""
        return self._path

    @property
    def size(self) -> int:
        """Bytes on disk."""
        files = (self._path, *(Path(f"{self._path}{suffix}") for suffix in ("-wal", "-shm")))
        return sum(file.stat().st_size for file in files if file.exists())

    async def get(self, key: str, kind: type[AnswerT]) -> AnswerT | None:
        """The stored answer, or None; one that cannot be read counts as none."""
        value = await self._do(key=key)
        if not isinstance(value, bytes):
            return None
        try:
            return decoded(value, kind)
        except (msgspec.DecodeError, UnicodeDecodeError):
            return None

    async def put(self, key: str, answer: Completion | LabelScores) -> None:
        """Store an answer; it is committed when this returns (or a warning said that it cannot be)."""
        await self._do(key=key, value=msgspec.json.encode(answer))

    async def count(self) -> int:
        """How many answers are stored."""
        count = await self._do(work=AnswerStore.count)
        assert isinstance(count, int)
        return count

    async def clear(self) -> int:
        """Delete every answer; how many there were."""
        count = await self._do(work=AnswerStore.clear)
        assert isinstance(count, int)
        return count

    async def close(self) -> None:
        """Finish what is under way and close the file."""
        if self._thread is not None:
            # Not by a thread of the loop's: those may all wait for names that are looked up for ever.
            await self._do(work=AnswerStore.close)
            self._jobs.put(None)
            self._thread = None

    async def _do(
        self, key: str | None = None, value: bytes | None = None, work: Callable[[AnswerStore], object] | None = None
    ) -> object:
        if self._thread is None:
            self._thread = threading.Thread(target=self._serve, name="apo-answers", daemon=True)
            self._thread.start()
        loop = asyncio.get_running_loop()
        future: asyncio.Future[object] = loop.create_future()
        self._jobs.put(_Job(future, loop, key, value, work))
        return await future

    def _serve(self) -> None:
        store = AnswerStore(self._path)
        going = True
        while going:
            jobs = _drain(self._jobs)
            going = None not in jobs
            asked = [job for job in jobs if job is not None]
            try:
                results = _results(store, asked)
            except Exception as error:
                # Whoever waits must be told; a thread that died would leave them waiting for ever.
                results = [error] * len(asked)
            _deliver(asked, results)
        store.close()


def _drain(jobs: queue.SimpleQueue[_Job | None]) -> list[_Job | None]:
    """Everything that waits, and at least one."""
    drained = [jobs.get()]
    while True:
        try:
            drained.append(jobs.get_nowait())
        except queue.Empty:
            return drained


def _results(store: AnswerStore, jobs: Sequence[_Job]) -> list[object]:
    """Do what waits, all writes in one transaction."""
    writes = {job.key: job.value for job in jobs if job.key is not None and job.value is not None}
    if writes:
        store.write(writes)
    reads = [job.key for job in jobs if job.key is not None and job.value is None]
    # Reading opens the file, which may just have been closed.
    found = store.read(reads) if reads else {}
    return [
        job.work(store) if job.work is not None else found.get(job.key) if job.key and job.value is None else None
        for job in jobs
    ]


def _deliver(jobs: Sequence[_Job], results: Sequence[object]) -> None:
    """Wake each event loop once."""
    by_loop: dict[asyncio.AbstractEventLoop, list[tuple[asyncio.Future[object], object]]] = {}
    for job, result in zip(jobs, results, strict=True):
        by_loop.setdefault(job.loop, []).append((job.future, result))
    for loop, pairs in by_loop.items():
        # The loop may have been closed in the meantime.
        with contextlib.suppress(RuntimeError):
            loop.call_soon_threadsafe(_resolve, pairs)


def _resolve(pairs: Sequence[tuple[asyncio.Future[object], object]]) -> None:
    for future, result in pairs:
        if future.done():
            continue
        if isinstance(result, Exception):
            future.set_exception(result)
        else:
            future.set_result(result)
