"""Answers the requests of the peers' writing models from a simulated task.

The same critic and editor answer as for this project's engine. Where one request asks for everything at once (GEPA's
reflection) or a request shows several critiques (TextGrad's step), every failing row that is shown gets a reason of
its own and all reasons are written in: no model does better, so that the peers are not held back by the simulation.
"""

from __future__ import annotations

import re

from benchmarks.world.minds import Minds
from benchmarks.world.task import Row, Task

_INSTRUCTIONS = re.compile(r"instructions to perform a task for me:\n```\n(.*?)\n```\n", re.DOTALL)
_EXAMPLE = re.compile(r"^# Example \d+\n(.*?)(?=^# Example \d+\n|\Z)", re.DOTALL | re.MULTILINE)
_SYSTEM = re.compile(r"<LM_SYSTEM_PROMPT> (.*?) </LM_SYSTEM_PROMPT>", re.DOTALL)
_SHOWN = re.compile(r"<VARIABLE> (.*?) </VARIABLE>", re.DOTALL)
_INPUT = re.compile(r"<LM_INPUT> (.*?) </LM_INPUT>", re.DOTALL)
_FEEDBACK = re.compile(r"<FEEDBACK>(.*?)</FEEDBACK>", re.DOTALL)
_PREDICTION = re.compile(
    r"\*\*Prediction\(role: [^)]*\)\*\*: (.*?)\n\n\*\*Ground truth answer\(role: [^)]*\)\*\*: (\w+)"
)
_FINE = "The answer is right; nothing needs to change."


def answer(task: Task, minds: Minds, system: str, user: str) -> str | None:
    """What a model would answer to a request of GEPA or TextGrad; None if it is none of theirs."""
    if user.startswith("I provided an assistant"):
        return _reflection(task, minds, user)
    if system.startswith("You are part of an optimization system"):
        if "You are the gradient (feedback) engine" in system:
            return _gradient(task, minds, user)
        return _step(minds, user)
    return None


def _reflection(task: Task, minds: Minds, user: str) -> str:
    prompt = _first(_INSTRUCTIONS, user)
    failing = [row for block in _EXAMPLE.findall(user) if "Incorrect" in block for row in _row(task, block)]
    reasons = minds.criticise(prompt, failing, max(1, len(failing)), user)
    new = minds.edit(prompt, "\n".join(reason.text for reason in reasons), user)
    return f"```\n{new}\n```"


def _gradient(task: Task, minds: Minds, user: str) -> str:
    """TextGrad asks twice per row: for feedback on the answer, then on the prompt in the light of that feedback."""
    judged = _PREDICTION.search(user)
    if judged is not None:
        said, right = judged[1].strip(), judged[2]
        return _FINE if said == right else f"The prediction is {said}; the correct answer is {right}."
    if _FINE in user:
        return _FINE
    failing = _row(task, _first(_INPUT, user))
    return minds.criticise(_first(_SYSTEM, user), failing, 1, user)[0].text


def _step(minds: Minds, user: str) -> str:
    found = _SYSTEM.search(user)
    prompt = found[1] if found else _first(_SHOWN, user)
    # Its gradients are a set, in no order: the answer may depend on which they are, not on how they stand.
    shown = sorted(user.split("Here is a conversation:"))
    new = minds.edit(prompt, "\n".join(sorted(_FEEDBACK.findall(user))), "\0".join(shown))
    return f"<IMPROVED_VARIABLE>{new}</IMPROVED_VARIABLE>"


def _row(task: Task, text: str) -> list[Row]:
    row = task.row_in(text)
    return [] if row is None else [row]


def _first(pattern: re.Pattern[str], text: str) -> str:
    found = pattern.search(text)
    if found is None:
        raise ValueError(f"No {pattern.pattern!r} in {text[:80]!r}")
    return found[1]
