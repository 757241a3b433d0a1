"""A chat model in the process: answers come from a function, so that properties can be tried thousands of times."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path

from apo_engine.evaluation.evaluator import Evaluator
from apo_engine.examples.example import Example
from apo_engine.models.budget import Budget, Caps
from apo_engine.models.chat import ChatRequest, Completion, Usage
from apo_engine.models.gateway import Gateway
from apo_engine.models.limits import Limiter
from apo_engine.prompt.file import PromptFile, parse_prompt
from apo_engine.scoring.metric import make_metric


class TableModel:
    """Answers with ``answer(system text, user text)``, once ``pause(request)`` is over."""

    name = "table/model"
    identity = "table"
    local = True

    def __init__(
        self, answer: Callable[[str, str], str], pause: Callable[[ChatRequest], Awaitable[object]] | None = None
    ) -> None:
        self._answer = answer
        self._pause = pause
        self.requests: list[ChatRequest] = []

    async def complete(self, request: ChatRequest) -> Completion:
        self.requests.append(request)
        if self._pause is not None:
            await self._pause(request)
        system = "\n".join(message.content for message in request.messages if message.role == "system")
        user = "\n".join(message.content for message in request.messages if message.role == "user")
        return Completion(self._answer(system, user), Usage(10, 1))

    async def close(self) -> None:
        return None


def gateway(model: TableModel, calls: int | None = None) -> Gateway:
    return Gateway(model, cache=None, budget=Budget(Caps(calls=calls)), limiter=Limiter(8, well=True))


def evaluator(model: TableModel, labels: Sequence[str] = ("yes", "no"), calls: int | None = None) -> Evaluator:
    return Evaluator(gateway(model, calls), make_metric("label", labels), labels=labels)


def prompt(text: str = "Say yes or no.") -> PromptFile:
    return parse_prompt(f'{{{{role "system"}}}}\n{text}\n{{{{role "user"}}}}\n{{{{text}}}}\n', None)


def row(number: int, expected: str = "yes", text: str | None = None) -> Example:
    return Example(f"r{number:03d}", {"text": text or f"row {number}"}, expected, number + 1, Path("rows.jsonl"))
