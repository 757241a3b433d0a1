"""Many awaitables at once, answered in order; when one fails, the others are cancelled and waited for."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Iterable
from typing import TypeVar

T = TypeVar("T")


async def fan_out(awaitables: Iterable[Awaitable[T]]) -> list[T]:
    """The results in the order of the awaitables.

    Unlike ``asyncio.gather``, nothing is left running when one raises or the caller is cancelled; of several failures
    the first in order is raised, so that the outcome does not depend on timing.
    """
    tasks = [asyncio.ensure_future(awaitable) for awaitable in awaitables]
    try:
        if tasks:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_EXCEPTION)
    finally:
        for task in tasks:
            task.cancel()
        outcomes = await asyncio.gather(*tasks, return_exceptions=True)
    for outcome in outcomes:
        if isinstance(outcome, BaseException) and not isinstance(outcome, asyncio.CancelledError):
            raise outcome
    return [task.result() for task in tasks]
