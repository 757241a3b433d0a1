"""Short ways to make what the tests of this room need."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress

from apo_engine.models.address import Address
from apo_engine.models.budget import Budget, Caps
from apo_engine.models.cache import AnswerCache
from apo_engine.models.chat import ChatModel, ChatRequest, Completion, LabelScores, Message, Usage
from apo_engine.models.failure import FormRefused
from apo_engine.models.gateway import Gateway
from apo_engine.models.limits import Limiter
from apo_engine.models.openai_chat import OpenAIChat
from tests.scripted import ScriptedServer

KEY = "sk-canary-0123456789"


def chat(server: ScriptedServer, model: str = "scripted", **options: object) -> OpenAIChat:
    """A model at a scripted server."""
    given: dict[str, object] = {
        "model_id": model,
        "address": Address.parse(server.base_url),
        "key": KEY,
        "key_env": "OPENAI_API_KEY",
        "url_env": "OPENAI_BASE_URL",
    }
    return OpenAIChat(f"openai/{model}", **{**given, **options})  # type: ignore[arg-type]


def ask(text: str = "hello", *, draw: int = 0, system: str = "", **params: object) -> ChatRequest:
    """A request of one user message, and a system message if there is a text for it."""
    before = (Message("system", system),) if system else ()
    return ChatRequest((*before, Message("user", text)), params, draw)


async def complete(model: ChatModel, request: ChatRequest) -> Completion:
    """The model's answer, asked for again in each form that it takes a request in, as a gateway does."""
    for _ in range(10):
        with suppress(FormRefused):
            return await model.complete(request)
    return await model.complete(request)


def gateway(
    model: ChatModel,
    *,
    caps: Caps | None = None,
    cache: AnswerCache | None = None,
    budget: Budget | None = None,
    limiter: Limiter | None = None,
    fresh: bool = False,
    price: Callable[[ChatModel, Usage], float | None] = lambda model, usage: 0.0,
) -> Gateway:
    """A gateway that retries without waiting long."""
    return Gateway(
        model,
        cache=cache,
        budget=budget or Budget(caps or Caps()),
        limiter=limiter or Limiter(32, backoff=0.001),
        fresh=fresh,
        price=price,
    )


class Canned:
    """A chat model and label scorer in this process that answers when ``gate`` is open."""

    name = "canned/one"
    identity = "canned one"
    local = True

    def __init__(self, usage: Usage | None = None) -> None:
        self.asked: list[ChatRequest] = []
        self.scored: list[tuple[Sequence[Message], Sequence[str]]] = []
        self.cancelled = 0
        self.gate = asyncio.Event()
        self.gate.set()
        self._usage = usage or Usage(10, 2)

    async def complete(self, request: ChatRequest) -> Completion:
        self.asked.append(request)
        try:
            await self.gate.wait()
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        return Completion(f"answer {len(self.asked)}", self._usage)

    async def score_labels(self, messages: Sequence[Message], labels: Sequence[str]) -> LabelScores:
        self.scored.append((messages, labels))
        return LabelScores({label: 1 / len(labels) for label in labels}, self._usage)

    async def close(self) -> None:
        self.gate.set()
