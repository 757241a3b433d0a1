"""A simulated task behind the OpenAI protocol: ``python -m benchmarks.world.serve --seed 0 --latency 0.1``.

Prints the base URL and serves until ended. ``GET /log`` gives every request; those to a model in `TASK_MODELS` are
the task model's, all others are to a model that writes.
"""

from __future__ import annotations

import argparse
import time
from typing import Any

from benchmarks.peers.job import TASK_MODEL
from benchmarks.world import ours, peers
from benchmarks.world.minds import Minds
from benchmarks.world.task import Task
from tests.scripted import Script, ScriptedServer

TASK_MODELS = frozenset({"task", TASK_MODEL})


def script(task: Task, minds: Minds) -> Script:
    """Answers this project's engine and the peers alike."""

    def reply(request: dict[str, Any]) -> str:
        messages = request["messages"]
        system = "\n".join(message["content"] for message in messages if message["role"] == "system")
        user = next((message["content"] for message in reversed(messages) if message["role"] == "user"), "")
        if request["model"] in TASK_MODELS:
            row = task.row_in(user)
            return task.answer(system, row) if row else "I cannot say."
        return peers.answer(task, minds, system, user) or ours.answer(task, minds, system, user)

    return reply


def main() -> None:
    parser = argparse.ArgumentParser(prog="benchmarks.world.serve")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--latency", type=float, default=0.0, help="seconds before each answer")
    given = parser.parse_args()
    task = Task(given.seed)
    with ScriptedServer(script(task, Minds(task)), latency=given.latency) as server:
        print(server.base_url, flush=True)
        while True:
            time.sleep(3600)


if __name__ == "__main__":
    main()
