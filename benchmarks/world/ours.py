"""Answers the requests of this project's own engine from a simulated task."""

from __future__ import annotations

import json
import re
from typing import Any

from benchmarks.world.minds import Minds
from benchmarks.world.task import Task

_PROMPT = re.compile(r"<prompt-(\w+)>\n?(.*?)\n?</prompt-\1>", re.DOTALL)
_CRITIQUE = re.compile(r"<critique-(\w+)>\n?(.*?)\n?</critique-\1>", re.DOTALL)
_ROW = re.compile(r"^Row (\d+)\n(.*?)(?=^Row \d+\n|\Z)", re.DOTALL | re.MULTILINE)
_REASONS = re.compile(r"up to (\d+) different reasons", re.IGNORECASE)


def answer(task: Task, minds: Minds, system: str, user: str, draw: int = 0) -> str:
    """What a model would answer to these messages."""
    found = _PROMPT.search(user)
    if found is None:
        row = task.row_in(user)
        return task.answer(system, row) if row else "I cannot say."
    mark, prompt = found[1], found[2]
    salt, system = f"{draw}\0{user}", system.lstrip()
    if system.startswith("You find out why a prompt fails"):
        blocks = [(int(number), task.row_in(block)) for number, block in _ROW.findall(user)]
        shown = [(number, row) for number, row in blocks if row is not None]
        asked = _REASONS.search(system)
        reasons = minds.criticise(prompt, [row for _, row in shown], int(asked[1]) if asked else 1, salt)
        quote = prompt.split("\n", 1)[0]
        return json.dumps(
            {
                "critiques": [
                    {"quote": quote, "critique": reason.text, "rows": [shown[at][0] for at in reason.rows]}
                    for reason in reasons
                ]
            }
        )
    if system.startswith("You improve prompts"):
        critique = _CRITIQUE.search(user)
        new = minds.edit(prompt, critique[2] if critique else "", salt)
    else:
        new = minds.reword(prompt, salt)
    return f"<new-prompt-{mark}>\n{new}\n</new-prompt-{mark}>"


def script(task: Task, minds: Minds) -> Any:
    """The same for chat requests over HTTP."""

    def reply(request: dict[str, Any]) -> str:
        messages = request["messages"]
        system = "\n".join(message["content"] for message in messages if message["role"] == "system")
        users = [message["content"] for message in messages if message["role"] == "user"]
        return answer(task, minds, system, users[-1] if users else "")

    return reply
