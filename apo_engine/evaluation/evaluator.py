"""Prompt × rows → results: each pair is asked once, whoever needs it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence

from apo_engine.evaluation.fanout import fan_out
from apo_engine.evaluation.result import RowResult
from apo_engine.examples.example import Example
from apo_engine.models.chat import ChatRequest, Params
from apo_engine.models.gateway import Gateway
from apo_engine.prompt.file import PromptFile
from apo_engine.prompt.render import Renderer
from apo_engine.scoring.metric import Judged, Metric

Tick = Callable[[], None]


def silent() -> None:
    """A progress tick that nobody watches."""


class Evaluator:
    """Scores prompts on rows through one gateway.

    Where the metric reads labels and the model can score them, the answer is the most probable label; otherwise the
    model writes an answer, and the metric reads it. With ``calibration`` rows, each label's probability is divided by
    its mean over those rows (which costs their calls once per prompt, and looks at their inputs only).
    """

    def __init__(
        self,
        gateway: Gateway,
        metric: Metric,
        *,
        labels: Sequence[str] = (),
        params: Params | None = None,
        calibration: Sequence[Example] = (),
    ) -> None:
        self.metric = metric
        self._gateway = gateway
        self._labels = tuple(labels)
        self._params: Params = dict(params or {})
        self._by_probability = metric.by_label and gateway.scores_labels
        self._calibration = tuple(calibration) if self._by_probability else ()
        self._results: dict[tuple[str, str], RowResult] = {}
        self._probabilities: dict[tuple[str, str], Mapping[str, float]] = {}
        self._base_rates: dict[str, asyncio.Task[Mapping[str, float]]] = {}
        self._renderers: dict[str, Renderer] = {}

    async def score(self, prompt: PromptFile, rows: Sequence[Example], tick: Tick = silent) -> tuple[RowResult, ...]:
        """The results of the rows, in their order; ``tick`` is called once per row as answers come.

        Raises:
            ModelError: the endpoint fails for good. What was answered is kept.
            BudgetError: a cap was reached. What was answered is kept.
        """
        if self._calibration and rows:
            await self._base_rate(prompt)
        return tuple(await fan_out(self._ticked(prompt, row, tick) for row in rows))

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
        """How many calls ``score`` would make for these rows now."""
        asked = self._probabilities if self._by_probability else self._results
        wanted = {row.id for row in (*rows, *self._calibration)} if rows else set()
        return sum((prompt.fingerprint, row) not in asked for row in wanted)

    def cost_of_new(self, rows: Sequence[Example]) -> int:
        """How many calls ``score`` would make for a prompt that nothing is known of."""
        return len({row.id for row in (*rows, *self._calibration)}) if rows else 0

    async def _ticked(self, prompt: PromptFile, row: Example, tick: Tick) -> RowResult:
        key = (prompt.fingerprint, row.id)
        if key not in self._results:
            answer = await (self._likeliest(prompt, row) if self._by_probability else self._written(prompt, row))
            judgement = self.metric.judge(answer, row.expected)
            self._results[key] = RowResult(
                row=row.id,
                line=row.line,
                path=str(row.path),
                expected=row.expected,
                answer=answer,
                score=judgement.score,
                predicted=judgement.predicted,
                invalid=judgement.invalid,
            )
        tick()
        return self._results[key]

    async def _written(self, prompt: PromptFile, row: Example) -> str:
        messages = self._renderer(prompt).messages(row.inputs)
        return (await self._gateway.complete("task", ChatRequest(messages, self._params))).text

    async def _likeliest(self, prompt: PromptFile, row: Example) -> str:
        probabilities = await self._probability(prompt, row)
        if self._calibration:
            base = await self._base_rate(prompt)
            probabilities = {label: p / max(base[label], 1e-9) for label, p in probabilities.items()}
        return max(self._labels, key=lambda label: probabilities[label])

    async def _probability(self, prompt: PromptFile, row: Example) -> Mapping[str, float]:
        key = (prompt.fingerprint, row.id)
        if key not in self._probabilities:
            messages = self._renderer(prompt).messages(row.inputs)
            scores = await self._gateway.score_labels("task", messages, self._labels)
            total = sum(scores.probabilities.values()) or 1.0
            self._probabilities[key] = {label: p / total for label, p in scores.probabilities.items()}
        return self._probabilities[key]

    async def _base_rate(self, prompt: PromptFile) -> Mapping[str, float]:
        task = self._base_rates.get(prompt.fingerprint)
        if task is None or task.cancelled() or (task.done() and task.exception()):
            task = asyncio.ensure_future(self._measure_base_rate(prompt))
            self._base_rates[prompt.fingerprint] = task
        return await task

    async def _measure_base_rate(self, prompt: PromptFile) -> Mapping[str, float]:
        each = await fan_out(self._probability(prompt, row) for row in self._calibration)
        return {label: sum(p[label] for p in each) / len(each) for label in self._labels}

    def _renderer(self, prompt: PromptFile) -> Renderer:
        renderer = self._renderers.get(prompt.fingerprint)
        if renderer is None:
            renderer = self._renderers[prompt.fingerprint] = Renderer(prompt)
        return renderer


def judged(results: Sequence[RowResult]) -> tuple[Judged, ...]:
    """The results as metrics read them."""
    return tuple(Judged(result.expected, result.predicted, result.score) for result in results)
