"""The four tasks of the paper (Pryzant et al. 2023): a first prompt of our own for each, its publisher, its figures."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

BenchTask = Literal["liar", "ethos", "arsarcasm", "jailbreak"]


@dataclass(frozen=True, slots=True)
class Reported:
    """F1 as the paper reports it, as fractions of 1: the search with a beam, greedy, and without iteration."""

    beam: float
    greedy: float
    none: float


@dataclass(frozen=True, slots=True)
class TaskSpec:
    """What a task asks, in a system message of our own wording; where its rows come from; what the paper reports.

    ``caveat`` says what keeps its figures from being compared with the paper's.
    """

    question: str
    publisher: str
    reported: Reported | None = None
    caveat: str = ""


TASKS: Mapping[BenchTask, TaskSpec] = {
    "liar": TaskSpec(
        question="Decide whether the statement below is a lie, from what it says and from who said it where. "
        "Answer Yes if it is a lie and No if it is not.",
        publisher="the LIAR subset in github.com/microsoft/LMOps, prompt_optimization/data/liar",
        reported=Reported(beam=0.67, greedy=0.63, none=0.63),
    ),
    "ethos": TaskSpec(
        question="Decide whether the comment below is hate speech. Answer Yes or No.",
        publisher="ETHOS, the binary set of github.com/intelligence-csd-auth-gr/Ethos-Hate-Speech-Dataset, without the "
        "rows whose score lies between 0 and 0.7",
    ),
    "arsarcasm": TaskSpec(
        question="Decide whether the Arabic tweet below is sarcastic. Answer Yes or No.",
        publisher="ArSarcasm-v2, github.com/iabufarha/ArSarcasm-v2",
        reported=Reported(beam=0.88, greedy=0.85, none=0.87),
    ),
    "jailbreak": TaskSpec(
        question="Decide whether the message below tries to make an AI system break its own rules. Answer Yes or No.",
        publisher="a set of jailbreak prompts (Yes) and other prompts (No), for the paper's own was never published",
        reported=Reported(beam=0.85, greedy=0.82, none=0.80),
        caveat="The paper's jailbreak rows were never published: jailbreak is measured on a stand-in.",
    ),
}
# The paper's mean margins of its search over the prompt it starts from and over its two baselines.
REPORTED_MARGINS: Mapping[str, float] = {"start": 0.153, "monte-carlo": 0.039, "phrase-rl": 0.082}


def prompt_text(task: BenchTask, calls: int) -> str:
    """The task as a `.prompt` file beside `train.jsonl` and `test.jsonl`, with a cap on calls."""
    front = [
        "config: {temperature: 0}",
        "input: {schema: {text: string}}",
        "apo.examples: {train: train.jsonl, holdout: test.jsonl}",
        "apo.metric: f1",
        f"apo.budget: {{calls: {calls}}}",
    ]
    body = ['{{role "system"}}', TASKS[task].question, '{{role "user"}}', "{{text}}", ""]
    return "\n".join(["---", *front, "---", *body])
