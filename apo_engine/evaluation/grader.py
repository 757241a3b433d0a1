"""The seam at which answers are judged: at once, by a model, or by a function of the user's."""

from __future__ import annotations

import asyncio
from typing import Protocol

from apo_engine.examples.example import Example
from apo_engine.scoring.judgement import Judge, Judgement


class Grader(Protocol):
    """Says what answers are worth."""

    @property
    def calls(self) -> int:
        """How many model calls one answer takes to judge."""
        ...

    async def open(self) -> None:
        """Make ready, so that what cannot work is told before a row is paid for.

        Raises:
            InputError: answers cannot be judged this way.
        """
        ...

    async def grade(self, row: Example, answer: str) -> Judgement:
        """What ``answer`` is worth as the answer to ``row``.

        Raises:
            InputError: the user's function or rubric cannot be used.
            BudgetError: a cap leaves no room for the calls it takes.
            ModelError: the judging model cannot be reached.
        """
        ...

    async def close(self) -> None:
        """Let go of what was opened."""
        ...


class PlainGrader:
    """Judges by a plain function: at once, or in a thread if it is ``slow``, one answer after the other."""

    calls = 0

    def __init__(self, judge: Judge, *, slow: bool = False) -> None:
        self._judge = judge
        self._slow = slow
        self._turn = asyncio.Lock()

    async def open(self) -> None:
        """Nothing is needed."""

    async def grade(self, row: Example, answer: str) -> Judgement:
        """See `Grader`."""
        if self._slow:
            # One at a time: nobody waits for threads whose answers nobody needs any more.
            async with self._turn:
                return await asyncio.to_thread(self._judge, answer, row.expected)
        return self._judge(answer, row.expected)

    async def close(self) -> None:
        """Nothing is held."""
