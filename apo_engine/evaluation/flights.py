"""Work under way, by what it is for: whoever asks for the same thing shares it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Hashable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

KeyT = TypeVar("KeyT", bound=Hashable)
T = TypeVar("T")

Begin = Callable[[], Coroutine[Any, Any, T]]
Tick = Callable[[], None]


def silent() -> None:
    """A progress tick that nobody watches."""


@dataclass(slots=True)
class _Flight(Generic[T]):
    task: asyncio.Task[T]
    waiters: int = 0


class Flights(Generic[KeyT, T]):
    """One task per key. It outlives a waiter that is cancelled, and is cancelled itself when nobody waits any more."""

    def __init__(self) -> None:
        self._flights: dict[KeyT, _Flight[T]] = {}

    def __contains__(self, key: KeyT) -> bool:
        return key in self._flights

    async def all(self, work: Sequence[tuple[KeyT, Begin[T]]], tick: Tick = silent) -> list[T]:
        """The results in the order of ``work``, of which only what is not under way is begun; a tick for each.

        When one fails, or the caller is cancelled, nothing is left running that nobody else waits for; of several
        failures the first in order is raised.
        """

        def landed(task: asyncio.Task[T]) -> None:
            if not task.cancelled() and task.exception() is None:
                tick()

        joined = [(key, self._join(key, begin)) for key, begin in work]
        for _, task in joined:
            task.add_done_callback(landed)
        try:
            if joined:
                await asyncio.wait({task for _, task in joined}, return_when=asyncio.FIRST_EXCEPTION)
        finally:
            for _, task in joined:
                task.remove_done_callback(landed)
            left = [task for key, task in joined if self._leave(key, task)]
            await asyncio.gather(*left, return_exceptions=True)
        for _, task in joined:
            if task.done() and not task.cancelled():
                task.result()
        return [task.result() for _, task in joined]

    def _join(self, key: KeyT, begin: Begin[T]) -> asyncio.Task[T]:
        flight = self._flights.get(key)
        if flight is None:
            flight = self._flights[key] = _Flight(asyncio.ensure_future(begin()))
            flight.task.add_done_callback(lambda task: self._landed(key, task))
        flight.waiters += 1
        return flight.task

    def _leave(self, key: KeyT, task: asyncio.Task[T]) -> bool:
        """Wait for it no longer; whether that cancelled it."""
        flight = self._flights.get(key)
        if flight is None or flight.task is not task:
            return False
        flight.waiters -= 1
        if flight.waiters:
            return False
        del self._flights[key]
        return task.cancel()

    def _landed(self, key: KeyT, task: asyncio.Task[T]) -> None:
        flight = self._flights.get(key)
        if flight is not None and flight.task is task:
            del self._flights[key]
        if not task.cancelled():
            # Seen, though nobody may wait any more: asyncio would print it as a traceback.
            task.exception()
