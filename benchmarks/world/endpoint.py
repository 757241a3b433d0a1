"""A simulated task's endpoint in a process of its own, and what its log tells of a run."""

from __future__ import annotations

import json
import subprocess
import sys
import urllib.request
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.world.serve import TASK_MODELS

ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Traffic:
    """Requests to the task model and to models that write; ``repeated`` ones had been asked before, word for word.

    ``chain`` is the most requests of which each began after the one before had ended. It counts waits that are not
    needed too, so it is an upper bound of the dependent chain, and says nothing at latency 0.
    """

    task: int
    writing: int
    repeated: int
    chain: int

    @property
    def requests(self) -> int:
        return self.task + self.writing


@dataclass(frozen=True)
class Endpoint:
    """``base_url`` is what OPENAI_BASE_URL is set to."""

    base_url: str

    def traffic(self) -> Traffic:
        """What it has seen up to now."""
        with urllib.request.urlopen(self.base_url.removesuffix("/v1") + "/log") as answer:
            exchanges: list[dict[str, Any]] = json.load(answer)["exchanges"]
        task = sum(exchange["body"]["model"] in TASK_MODELS for exchange in exchanges)
        bodies = Counter(json.dumps(exchange["body"], sort_keys=True) for exchange in exchanges)
        return Traffic(task, len(exchanges) - task, len(exchanges) - len(bodies), _chain(exchanges))


@contextmanager
def endpoint(seed: int, latency: float = 0.0) -> Iterator[Endpoint]:
    """The endpoint of the task drawn by ``seed``; every answer takes ``latency`` seconds."""
    command = [sys.executable, "-m", "benchmarks.world.serve", "--seed", str(seed), "--latency", str(latency)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            yield Endpoint(process.stdout.readline().strip())
        finally:
            process.terminate()


def _chain(exchanges: Sequence[dict[str, Any]]) -> int:
    """Greedy by earliest end, which finds the longest."""
    length, free_at = 0, float("-inf")
    answered = (exchange for exchange in exchanges if exchange["ended"] is not None)
    for exchange in sorted(answered, key=lambda exchange: exchange["ended"]):
        if exchange["began"] >= free_at:
            length, free_at = length + 1, exchange["ended"]
    return length
