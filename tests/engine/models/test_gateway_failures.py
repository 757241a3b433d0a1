"""Failures that come when nobody waits any more."""

from __future__ import annotations

import asyncio
import gc
from contextlib import suppress
from typing import Any

from apo_engine.models.chat import ChatRequest, Completion, Message
from apo_engine.problems import ModelError, Problem
from tests.engine.table_model import TableModel, gateway


class _Failing(TableModel):
    """Fails when it is cancelled, as a client does whose refusal had just arrived."""

    async def complete(self, request: ChatRequest) -> Completion:
        try:
            await asyncio.sleep(30)
        except asyncio.CancelledError:
            raise ModelError(Problem("refused", "No.")) from None
        raise AssertionError


async def test_a_failure_after_its_caller_left_prints_nothing() -> None:
    said: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: said.append(context))
    model = _Failing(lambda system, user: "")
    caller = asyncio.ensure_future(gateway(model).complete("task", ChatRequest((Message("user", "hi"),))))
    await asyncio.sleep(0.05)
    caller.cancel()
    with suppress(asyncio.CancelledError):
        await caller
    await asyncio.sleep(0.05)
    del caller
    gc.collect()
    assert said == []
