"""One job per prompt: a newer one cancels an older one, a burst of saves is one job, and few run in the background."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from apo_engine.search.events import Job

_log = logging.getLogger(__name__)
_RANK: dict[Job, int] = {"evaluate": 0, "gradients": 1, "optimize": 2}
# Entered by a job for the part of its work that asks models; it may have to wait for that. It can be entered again.
Turn = AbstractAsyncContextManager[None]
# How long a cancelled job may take to end, in seconds.
_ENDING = 5.0


@dataclass(frozen=True, slots=True)
class Order:
    """A job to do on a text. ``asked`` tells a command from the background work that follows a save.

    ``sources`` says how the files stand that it reads besides the text.
    """

    uri: str
    path: Path
    text: str
    job: Job
    asked: bool = False
    sources: object = None

    def covers(self, other: Order) -> bool:
        """Whether what this order does answers the other one too."""
        return (self.text, self.sources) == (other.text, other.sources) and _RANK[self.job] >= _RANK[other.job]

    def yields(self, other: Order) -> bool:
        """Whether this one, which nobody asked for, begins after the other one: only its files have changed."""
        return other.asked and not self.asked and self.text == other.text


@dataclass(frozen=True, slots=True)
class _Running:
    order: Order
    task: asyncio.Task[None]

    def answers(self, order: Order, *, waits: bool) -> bool:
        """Whether nothing is to be done for ``order``; what a user asks for is not left waiting in the background."""
        return self.order.covers(order) and not (waits and order.asked)


class _Turn(Turn):
    """A turn that is taken anew each time that it is entered."""

    def __init__(self, take: Callable[[], Turn]) -> None:
        self._take = take
        self._taken: Turn | None = None

    async def __aenter__(self) -> None:
        self._taken = self._take()
        await self._taken.__aenter__()

    async def __aexit__(self, *error: Any) -> bool | None:
        assert self._taken is not None
        return await self._taken.__aexit__(*error)


class Jobs:
    """Runs orders through ``work``, side by side for different prompts; those that follow a save wait a moment.

    What was asked for is not cancelled because rows have changed: what follows from that begins at its end.

    Of the background work, ``at_once`` jobs at most have their turn together, and the others wait in the order in which
    they came; what was asked for begins at once. ``on_change`` is called when a job begins, waits or ends.
    """

    def __init__(
        self,
        work: Callable[[Order, Turn], Awaitable[None]],
        *,
        on_change: Callable[[], None] = lambda: None,
        debounce: float = 0.3,
        at_once: int = 2,
    ) -> None:
        self._work = work
        self._on_change = on_change
        self._debounce = debounce
        self._running: dict[str, _Running] = {}
        self._turns = asyncio.Semaphore(at_once)
        self._waiting: set[str] = set()
        self._next: dict[str, Order] = {}
        # Cancelled tasks too, until they have put away what they held.
        self._tasks: set[asyncio.Task[None]] = set()

    def place(self, order: Order) -> None:
        """Begin an order, in place of what runs for its prompt; nothing where that answers the order already."""
        before = self._running.get(order.uri)
        if before is not None and before.answers(order, waits=order.uri in self._waiting):
            return
        if before is not None and order.yields(before.order):
            self._next[order.uri] = order
            return
        self._next.pop(order.uri, None)
        task = asyncio.get_running_loop().create_task(self._carry_out(order, before.task if before else None))
        self._running[order.uri] = _Running(order, task)
        self._tasks.add(task)
        task.add_done_callback(lambda task: self._ended(order, task))
        self._on_change()

    def running(self, uri: str) -> Order | None:
        """The order under way for a prompt."""
        found = self._running.get(uri)
        return found.order if found else None

    @property
    def orders(self) -> tuple[Order, ...]:
        """Every order under way."""
        return tuple(found.order for found in self._running.values())

    def waiting(self, uri: str) -> bool:
        """Whether the order under way for a prompt waits for its turn."""
        return uri in self._waiting

    def cancel(self, uri: str, *, asked_too: bool = True) -> bool:
        """Cancel what runs for a prompt; ``asked_too=False`` leaves alone what the user asked for."""
        self._next.pop(uri, None)
        found = self._running.get(uri)
        if found is None or (found.order.asked and not asked_too):
            return False
        del self._running[uri]
        self._on_change()
        return found.task.cancel()

    async def settled(self) -> None:
        """Wait for the jobs that were cancelled to end."""
        ending = self._tasks - {found.task for found in self._running.values()}
        if ending:
            await asyncio.wait(ending, timeout=_ENDING)

    async def close(self) -> None:
        """Cancel everything and wait for it."""
        self._running.clear()
        self._next.clear()
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _carry_out(self, order: Order, before: asyncio.Task[None] | None) -> None:
        try:
            if before is not None:
                before.cancel()
                await asyncio.wait([before])
            if not order.asked:
                await asyncio.sleep(self._debounce)
            await self._work(order, self._turn(order))
        except Exception as error:  # the boundary: a job that fails must not take the server along
            # What is wrong may quote the prompt.
            _log.warning("A job failed: %s", type(error).__name__)
            _log.debug("The error in full:", exc_info=error)

    def _turn(self, order: Order) -> Turn:
        return _Turn(lambda: self._take(order))

    @asynccontextmanager
    async def _take(self, order: Order) -> AsyncIterator[None]:
        if order.asked:
            yield
            return
        if self._turns.locked():
            self._waiting.add(order.uri)
            self._on_change()
        try:
            await self._turns.acquire()
        finally:
            if order.uri in self._waiting:
                self._waiting.discard(order.uri)
                self._on_change()
        try:
            yield
        finally:
            self._turns.release()

    def _ended(self, order: Order, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        found = self._running.get(order.uri)
        if found is not None and found.task is task:
            del self._running[order.uri]
            self._on_change()
            if order.uri in self._next:
                self.place(self._next.pop(order.uri))
