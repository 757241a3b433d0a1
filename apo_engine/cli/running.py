"""Drives a run from a terminal: events to their readers, Ctrl-C to an end in order."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import Any, TypeVar

from apo_engine.api import Run
from apo_engine.search.events import AnyEvent

ResultT = TypeVar("ResultT")
Reader = Callable[[AnyEvent], None]


def drive(run: Run[ResultT], *readers: Reader, remedy: str) -> ResultT:
    """The result of a run, each event having been shown to every reader in turn.

    Ctrl-C ends the run in order, with a result where it can have one; a second Ctrl-C abandons it.

    Raises:
        KeyboardInterrupt: the run was interrupted before it had a result; its text is ``remedy``.
        ApoError: the run failed.
    """
    try:
        return _completed(_driven(run, readers))
    except (KeyboardInterrupt, asyncio.CancelledError):
        raise KeyboardInterrupt(remedy) from None


async def _driven(run: Run[ResultT], readers: tuple[Reader, ...]) -> ResultT:
    loop = asyncio.get_running_loop()

    def interrupt() -> None:
        loop.remove_signal_handler(signal.SIGINT)
        run.stop()

    # Where it cannot be had (Windows), KeyboardInterrupt abandons the run.
    with suppress(NotImplementedError, RuntimeError, ValueError):
        loop.add_signal_handler(signal.SIGINT, interrupt)
    async for event in run:
        for reader in readers:
            reader(event)
    return run.result


def _completed(main: Coroutine[Any, Any, ResultT]) -> ResultT:
    """As `asyncio.run`, which would wait for busy threads after a Ctrl-C: a local model's, a package's import."""
    loop = asyncio.new_event_loop()
    try:
        return loop.run_until_complete(main)
    finally:
        try:
            for task in (pending := asyncio.all_tasks(loop)):
                task.cancel()
            if pending:
                loop.run_until_complete(asyncio.wait(pending))
            loop.run_until_complete(loop.shutdown_asyncgens())
        finally:
            loop.close()
