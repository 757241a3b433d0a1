"""A world in which no edit can help: every prompt answers every row right by the same chance, anew in each execution.

The engine is the real one, from its plan to its verdict, with the store in a folder; the model answers in this process.
"""

from __future__ import annotations

import asyncio
import random
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest.mock import patch

from apo_engine import api
from apo_engine.models.chat import ChatRequest, Completion, Usage
from apo_engine.runs import plan as planning
from tests.scripted.world import LABELS, World, kind_of

_TICKET = re.compile(r"#(\d{4})")


@dataclass
class Luck:
    """A model; its answers depend on ``salt``, the prompt and the row. Each takes ``pause`` seconds."""

    world: World
    accuracy: float = 0.5
    salt: str = ""
    pause: float = 0.0
    name: str = "openai/luck"
    identity: str = "luck"
    local: bool = True

    async def complete(self, request: ChatRequest) -> Completion:
        """Answer in whichever role is asked for."""
        await asyncio.sleep(self.pause)
        body: dict[str, Any] = {
            "messages": [{"role": message.role, "content": message.content} for message in request.messages]
        }
        text = self._label(body) if kind_of(body) == "task" else self.world.script(body)
        return Completion(text, Usage(100, 5))

    async def close(self) -> None:
        """Nothing is held."""

    def _label(self, body: dict[str, Any]) -> str:
        asked = "\0".join(message["content"] for message in body["messages"])
        found = _TICKET.search(asked)
        assert found is not None
        expected = self.world.rows[int(found[1])].concept.label
        draw = random.Random(f"{self.salt}\0{asked}")
        return expected if draw.random() < self.accuracy else draw.choice([one for one in LABELS if one != expected])


@contextmanager
def answering(model: Luck) -> Iterator[None]:
    """Every model name means this model meanwhile."""
    with patch.object(planning, "open_model", lambda *_, **__: model):
        yield


def options(cache: Path, *, calls: int, keep: str = "all", fresh: bool = False) -> api.Options:
    """A search of two rounds within ``calls``."""
    flags = {"budget": {"calls": calls}, "optimizer": {"rounds": 2, "beam": 2}, "keep": keep}
    return api.Options(environ={"APO_CACHE_DIR": str(cache)}, flags=flags, fresh=fresh)
