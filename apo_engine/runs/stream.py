"""A run under way: its events as an async stream, and its result."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Generator
from typing import Generic, TypeVar

from apo_engine.search.events import AnyEvent
from apo_engine.search.reporter import Emit

ResultT = TypeVar("ResultT")


class Stop:
    """Says whether a cancellation is the user's wish to end in order, with the best so far."""

    def __init__(self) -> None:
        self.requested = False


Job = Callable[[Emit, Stop], Awaitable[ResultT]]


class Run(Generic[ResultT]):
    """Iterate it for its events, or await it for its result; nothing happens before either.

    ``stop`` ends the run in order within a second: the last event and the result say what was found so far. Leaving
    the iteration, or cancelling the task that awaits, abandons it. Whatever was answered is kept either way.
    """

    def __init__(self, job: Job[ResultT]) -> None:
        self._job = job
        self._stop = Stop()
        self._task: asyncio.Task[ResultT] | None = None

    def stop(self) -> None:
        """End in order, with the best so far. Asking again while it ends changes nothing."""
        if self._stop.requested:
            return
        self._stop.requested = True
        if self._task is not None:
            self._task.cancel()

    async def __aiter__(self) -> AsyncIterator[AnyEvent]:
        queue: asyncio.Queue[AnyEvent | None] = asyncio.Queue()
        task = self._begin(queue.put_nowait)
        task.add_done_callback(lambda _: queue.put_nowait(None))
        try:
            while (event := await queue.get()) is not None:
                yield event
        finally:
            if not task.done():
                task.cancel()
            await asyncio.wait([task])
        task.result()

    def __await__(self) -> Generator[object, None, ResultT]:
        return self._finish().__await__()

    @property
    def result(self) -> ResultT:
        """The result.

        Raises:
            RuntimeError: the run has not ended.
            ApoError: the run failed.
        """
        if self._task is None or not self._task.done():
            raise RuntimeError("the run has no result yet: iterate or await it first")
        return self._task.result()

    async def _finish(self) -> ResultT:
        if self._task is None:
            self._begin(lambda _: None)
        assert self._task is not None
        return await self._task

    def _begin(self, emit: Emit) -> asyncio.Task[ResultT]:
        if self._task is not None:
            raise RuntimeError("a run can be iterated once")

        async def work() -> ResultT:
            return await self._job(emit, self._stop)

        self._task = asyncio.ensure_future(work())
        return self._task
