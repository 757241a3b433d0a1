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
    """Fails when it is told to."""

    def __init__(self) -> None:
        super().__init__(lambda system, user: "")
        self.fail = asyncio.Event()

    async def complete(self, request: ChatRequest) -> Completion:
        await self.fail.wait()
        raise ModelError(Problem("refused", "No."))


async def test_a_failure_after_its_caller_left_prints_nothing() -> None:
    said: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: said.append(context))
    # The caller leaves at every step between the failure and its arrival.
    for steps in range(12):
        model = _Failing()
        caller = asyncio.ensure_future(gateway(model).complete("task", ChatRequest((Message("user", "hi"),))))
        for _ in range(10):
            await asyncio.sleep(0)
        model.fail.set()
        for _ in range(steps):
            await asyncio.sleep(0)
        caller.cancel()
        with suppress(asyncio.CancelledError, ModelError):
            await caller
        for _ in range(5):
            await asyncio.sleep(0)
        del caller, model
        gc.collect()
    assert said == []
