"""Prompt × rows → results: each pair is asked once, whoever needs it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial

from apo_engine.evaluation.fanout import fan_out
from apo_engine.evaluation.flights import Flights, Tick, silent
from apo_engine.evaluation.grader import Grader, PlainGrader
from apo_engine.evaluation.result import RowResult
from apo_engine.examples.example import Example
from apo_engine.models.chat import ChatRequest, Completion, Params
from apo_engine.models.gateway import Gateway
from apo_engine.prompt.file import PromptFile
from apo_engine.prompt.message import Message
from apo_engine.prompt.render import Renderer, compiles_slowly
from apo_engine.scoring.figure import Judged
from apo_engine.scoring.judgement import Judgement
from apo_engine.scoring.metric import Metric

__all__ = ["Evaluator", "Tick", "judged", "silent"]

_Key = tuple[str, str]
# The messages for a row are large if a thousand such rows would fill the memory; so many of them are held at once.
_LARGE_CHARS, _MOST_LARGE = 300_000, 16


class Evaluator:
    """Scores prompts on rows through one gateway.

    Where the metric reads labels and the model can score them, the answer is the most probable label; otherwise the
    model writes an answer, and the metric reads it, or the ``grader`` where the metric cannot judge by itself. With
    ``calibration`` rows, each label's probability is divided by its mean over those rows (which costs their calls once
    per prompt, and looks at their inputs only).

    A prompt and a row that are under way are asked once, however many wait for them; a cancelled caller leaves them to
    the others. ``partials`` are the texts that the prompts include, by name; they are read from disk if None.
    """

    def __init__(
        self,
        gateway: Gateway,
        metric: Metric,
        *,
        labels: Sequence[str] = (),
        params: Params | None = None,
        calibration: Sequence[Example] = (),
        grader: Grader | None = None,
        partials: Mapping[str, str] | None = None,
    ) -> None:
        if grader is None:
            if metric.judge is None:
                raise ValueError(f"the metric '{metric.name}' needs a grader")
            grader = PlainGrader(metric.judge, slow=metric.slow)
        self.metric = metric
        self._grader = grader
        self._gateway = gateway
        self._labels = tuple(labels)
        self._params: Params = dict(params or {})
        self._by_probability = metric.by_label and gateway.scores_labels
        self._calibration = tuple(calibration) if self._by_probability else ()
        self._results: dict[_Key, RowResult] = {}
        self._probabilities: dict[_Key, Mapping[str, float]] = {}
        self._base_rates: dict[str, Mapping[str, float]] = {}
        self._scoring: Flights[_Key, RowResult] = Flights()
        self._weighing: Flights[_Key, Mapping[str, float]] = Flights()
        self._measuring: Flights[str, Mapping[str, float]] = Flights()
        self._renderers: dict[str, Renderer] = {}
        self._partials = partials
        self._rendering = asyncio.Lock()
        self._large = asyncio.Semaphore(_MOST_LARGE)
        self._renders_slowly = False

    @property
    def calls_per_row(self) -> int:
        """How many calls a row takes that nothing is known of: the answer, and what it takes to judge it."""
        return 1 + self._grader.calls

    async def score(self, prompt: PromptFile, rows: Sequence[Example], tick: Tick = silent) -> tuple[RowResult, ...]:
        """The results of the rows, in their order; ``tick`` is called once per row as answers come.

        Raises:
            ModelError: the endpoint fails for good. What was answered is kept.
            BudgetError: a cap was reached. What was answered is kept.
            InputError: a row cannot be judged.
        """
        if self._calibration and rows:
            await self._base_rate(prompt)
        work = []
        for row in rows:
            key = (prompt.fingerprint, row.id)
            if key in self._results:
                tick()
            else:
                work.append((key, partial(self._score_row, prompt, row)))
        if work:
            await self._scoring.all(work, tick)
        return tuple(self._results[prompt.fingerprint, row.id] for row in rows)

    def known(self, prompt: PromptFile, rows: Sequence[Example]) -> tuple[RowResult, ...]:
        """The results at hand for the longest fully scored prefix of ``rows``."""
        found = []
        for row in rows:
            result = self._results.get((prompt.fingerprint, row.id))
            if result is None:
                break
            found.append(result)
        return tuple(found)

    def cost(self, prompt: PromptFile, rows: Sequence[Example]) -> int:
        """How many calls ``score`` would make for these rows now; those under way are made already."""
        wanted = {row.id for row in (*rows, *self._calibration)} if rows else set()
        return self.calls_per_row * sum(not self._asked((prompt.fingerprint, row)) for row in wanted)

    def cost_of_new(self, rows: Sequence[Example]) -> int:
        """How many calls ``score`` would make for a prompt that nothing is known of."""
        return self.calls_per_row * len({row.id for row in (*rows, *self._calibration)}) if rows else 0

    def _asked(self, key: _Key) -> bool:
        answered = self._probabilities if self._by_probability else self._results
        return key in answered or key in self._scoring or key in self._weighing

    async def _score_row(self, prompt: PromptFile, row: Example) -> RowResult:
        if self._by_probability:
            answer, no_answer = await self._likeliest(prompt, row), ""
        else:
            completion = await self._written(prompt, row)
            answer, no_answer = completion.text, completion.no_answer
        # What is no answer is never right, whatever stands in it, and is not worth a grade.
        if no_answer:
            judgement = Judgement(0.0, "", invalid=True, remark=no_answer)
        else:
            judgement = await self._gateway.budget.deadline.bound(self._grader.grade(row, answer))
        result = self._results[prompt.fingerprint, row.id] = RowResult(
            row=row.id,
            line=row.line,
            path=str(row.path),
            expected=row.expected,
            answer=answer,
            score=judgement.score,
            predicted=judgement.predicted,
            invalid=judgement.invalid,
            marks=judgement.marks,
            remark=judgement.remark,
        )
        return result

    async def _written(self, prompt: PromptFile, row: Example) -> Completion:
        async with self._rendered(prompt, row) as messages:
            return await self._gateway.complete("task", ChatRequest(messages, self._params))

    async def _likeliest(self, prompt: PromptFile, row: Example) -> str:
        probabilities = await self._probability(prompt, row)
        if self._calibration:
            base = await self._base_rate(prompt)
            probabilities = {label: p / max(base[label], 1e-9) for label, p in probabilities.items()}
        return max(self._labels, key=lambda label: probabilities[label])

    async def _probability(self, prompt: PromptFile, row: Example) -> Mapping[str, float]:
        key = (prompt.fingerprint, row.id)
        if key not in self._probabilities:
            await self._weighing.all([(key, partial(self._weigh, prompt, row))])
        return self._probabilities[key]

    async def _weigh(self, prompt: PromptFile, row: Example) -> Mapping[str, float]:
        async with self._rendered(prompt, row) as messages:
            scores = await self._gateway.score_labels("task", messages, self._labels)
        total = sum(scores.probabilities.values()) or 1.0
        shares = {label: p / total for label, p in scores.probabilities.items()}
        self._probabilities[prompt.fingerprint, row.id] = shares
        return shares

    async def _base_rate(self, prompt: PromptFile) -> Mapping[str, float]:
        if prompt.fingerprint not in self._base_rates:
            await self._measuring.all([(prompt.fingerprint, partial(self._measure_base_rate, prompt))])
        return self._base_rates[prompt.fingerprint]

    async def _measure_base_rate(self, prompt: PromptFile) -> Mapping[str, float]:
        each = await fan_out(self._probability(prompt, row) for row in self._calibration)
        rates = {label: sum(p[label] for p in each) / len(each) for label in self._labels}
        self._base_rates[prompt.fingerprint] = rates
        return rates

    @asynccontextmanager
    async def _rendered(self, prompt: PromptFile, row: Example) -> AsyncIterator[tuple[Message, ...]]:
        """The messages for a row; few large ones are held at a time."""
        # Rows are rendered in the order in which they come, one at a time, so that a run asks in the same order again.
        async with AsyncExitStack() as held:
            async with self._rendering:
                messages = await self._messages(prompt, row)
                if sum(len(message.content) for message in messages) > _LARGE_CHARS:
                    await held.enter_async_context(self._large)
            yield messages

    async def _messages(self, prompt: PromptFile, row: Example) -> tuple[Message, ...]:
        if self._renders_slowly or compiles_slowly(prompt, self._partials or {}):
            deadline = self._gateway.budget.deadline
            return await deadline.run_in_thread(lambda _: self._renderer(prompt).messages(row.inputs))
        renderer = self._renderer(prompt)
        try:
            return renderer.messages(row.inputs)
        finally:
            self._renders_slowly = renderer.is_slow

    def _renderer(self, prompt: PromptFile) -> Renderer:
        renderer = self._renderers.get(prompt.fingerprint)
        if renderer is None:
            renderer = self._renderers[prompt.fingerprint] = Renderer(prompt, self._partials)
        return renderer


def judged(results: Sequence[RowResult]) -> tuple[Judged, ...]:
    """The results as metrics read them."""
    return tuple(Judged(result.expected, result.predicted, result.score) for result in results)
