"""TextGrad 0.1.8 as its own script for prompts has it: batches of three, and a step back after a worse validation.

The script ends after twelve steps; this goes on until the calls are spent. It measures the test set after each step;
this does not, so that all calls go into the search.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import textgrad as tg
from textgrad.autograd.string_based_ops import StringBasedFunction
from textgrad.tasks import DataLoader

from benchmarks.peers.job import TASK_MODEL, WRITING_MODEL, Job, Trail, give, given

BATCH = 3
ROLE = (
    "structured system prompt to a somewhat capable language model that specifies the behavior and strategies "
    "for the QA task"
)


class Meter:
    """Counts the requests that leave; TextGrad answers some from its own cache."""

    def __init__(self, engine) -> None:
        self.count = 0
        self._send = engine.client.chat.completions.create
        engine.client.chat.completions.create = self

    def __call__(self, **request):
        self.count += 1
        return self._send(**request)


def _same_label(prediction, ground_truth_answer) -> int:
    return int(prediction.value.strip() == ground_truth_answer.value)


def optimize(job: Job) -> Trail:
    """Ends when the next step could pass the cap: a step counts only once it is validated."""
    np.random.seed(job.seed)
    writer, reader = tg.get_engine(WRITING_MODEL), tg.get_engine(TASK_MODEL)
    meter = Meter(reader)
    tg.set_backward_engine(writer, override=True)
    prompt = tg.Variable(job.prompt, requires_grad=True, role_description=ROLE)
    model = tg.BlackboxLLM(reader, prompt)
    loss = StringBasedFunction(
        _same_label, "The runtime of string-based function that checks if the prediction is correct."
    )
    optimizer = tg.TextualGradientDescent(engine=writer, parameters=[prompt])

    def evaluated(row):
        message = tg.Variable(row[0], requires_grad=False, role_description="query to the language model")
        label = tg.Variable(row[1], requires_grad=False, role_description="correct answer for the query")
        return loss(inputs={"prediction": model(message), "ground_truth_answer": label})

    def validated() -> float:
        with ThreadPoolExecutor(max_workers=job.width) as pool:
            return float(np.mean([int(answer.value) for answer in pool.map(evaluated, job.validation)]))

    batches = DataLoader(list(job.train), batch_size=BATCH, shuffle=True)
    best, trail = validated(), [(0, job.prompt)]
    while True:
        for messages, labels in batches:
            if meter.count + BATCH + len(job.validation) > job.calls:
                return trail
            optimizer.zero_grad()
            tg.sum([evaluated(row) for row in zip(messages, labels, strict=True)]).backward()
            optimizer.step()
            now = validated()
            if now < best:
                prompt.set_value(trail[-1][1])
            else:
                best = now
                trail.append((meter.count, prompt.get_value()))


if __name__ == "__main__":
    give(optimize(given()))
