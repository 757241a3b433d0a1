"""Answers that are kept as long as a run lasts, for those who want nothing on disk."""

from __future__ import annotations

from typing import Protocol, TypeVar

from apo_engine.models.chat import Completion, LabelScores

AnswerT = TypeVar("AnswerT", Completion, LabelScores)


class Answers(Protocol):
    """Where a gateway keeps answers by their keys (see :func:`~apo_engine.models.cache.answer_key`)."""

    async def get(self, key: str, kind: type[AnswerT]) -> AnswerT | None:
        """The stored answer, or None."""
        ...

    async def put(self, key: str, answer: Completion | LabelScores) -> None:
        """Store an answer."""
        ...

    async def close(self) -> None:
        """Let go of what is held."""
        ...


class MemoryCache:
    """Answers in memory alone: asked twice, a run pays once; afterwards nothing is left."""

    def __init__(self) -> None:
        self._answers: dict[str, Completion | LabelScores] = {}

    async def get(self, key: str, kind: type[AnswerT]) -> AnswerT | None:
        """The stored answer, or None."""
        found = self._answers.get(key)
        return found if isinstance(found, kind) else None

    async def put(self, key: str, answer: Completion | LabelScores) -> None:
        """Store an answer until `close`."""
        self._answers[key] = answer

    async def close(self) -> None:
        """Forget everything."""
        self._answers.clear()
