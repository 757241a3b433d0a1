"""GEPA 0.1.4: its defaults, its `DefaultAdapter`, and textual feedback that names the expected label."""

from __future__ import annotations

import gepa
from gepa.adapters.default_adapter.default_adapter import DefaultAdapter, EvaluationResult

from benchmarks.peers.job import TASK_MODEL, WRITING_MODEL, Job, give, given

COMPONENT = "system_prompt"


class Spent(Exception):
    """The next batch would pass the cap on calls."""


class CappedAdapter(DefaultAdapter):
    """The default adapter, which refuses the batch that would pass the cap; GEPA itself would finish it."""

    def __init__(self, job: Job) -> None:
        super().__init__(f"openai/{TASK_MODEL}", evaluator=_label_match, max_litellm_workers=job.width)
        self._cap = job.calls
        self.used = 0
        self.spent = False

    def evaluate(self, batch, candidate, capture_traces=False):
        if self.used + len(batch) > self._cap:
            self.spent = True
            raise Spent
        self.used += len(batch)
        return super().evaluate(batch, candidate, capture_traces)


class Best:
    """A callback that keeps the trail of the best candidate."""

    def __init__(self, adapter: CappedAdapter, prompt: str) -> None:
        self._adapter = adapter
        self._score = 0.0
        self.trail = [(0, prompt)]

    def on_valset_evaluated(self, event) -> None:
        if event["average_score"] > self._score:
            self._score = event["average_score"]
            self.trail.append((self._adapter.used, event["candidate"][COMPONENT]))


def _label_match(data, response: str) -> EvaluationResult:
    if response.strip() == data["answer"]:
        return EvaluationResult(1.0, f"Correct: the label is '{data['answer']}'.")
    return EvaluationResult(0.0, f"Incorrect: the expected label is '{data['answer']}', not '{response}'.")


def _instances(rows):
    return [{"input": message, "additional_context": {}, "answer": label} for message, label in rows]


def main() -> None:
    job = given()
    adapter = CappedAdapter(job)
    best = Best(adapter, job.prompt)
    gepa.optimize(
        seed_candidate={COMPONENT: job.prompt},
        trainset=_instances(job.train),
        valset=_instances(job.validation),
        adapter=adapter,
        reflection_lm=f"openai/{WRITING_MODEL}",
        max_metric_calls=job.calls,
        stop_callbacks=lambda _state: adapter.spent,
        raise_on_exception=False,
        track_best_outputs=False,
        callbacks=[best],
        seed=job.seed,
    )
    give(best.trail)


if __name__ == "__main__":
    main()
