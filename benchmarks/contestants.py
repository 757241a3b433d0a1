"""Optimizers on the simulated task, each a process of its own that speaks to the task's endpoint over HTTP."""

from __future__ import annotations

import json
import os
import resource
import shutil
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.peers.job import Job, Trail, taken
from benchmarks.world.endpoint import ROOT, Endpoint
from benchmarks.world.task import Task

PEERS = {"GEPA 0.1.4": "benchmarks.peers.with_gepa", "TextGrad 0.1.8": "benchmarks.peers.with_textgrad"}
LONGEST = 900  # seconds; a run that takes longer hangs
PEERS_PYTHON = ROOT / ".venv-peers" / "bin" / "python"
ROWS = 600
# As many as this project shows its critics.
TRAIN = 160


@dataclass(frozen=True)
class Cost:
    """Of one process from its start to its end: seconds on the wall, and of CPU."""

    seconds: float
    cpu: float


@dataclass(frozen=True)
class Found:
    """What `apo optimize` found: the text of its best prompt, and whether its verdict is to adopt it."""

    prompt: str
    adopted: bool
    cost: Cost


def apo(task: Task, endpoint: Endpoint, calls: int) -> Found:
    """This project, as its users run it; ``calls`` caps the calls of all roles, the hold-out's included."""
    with TemporaryDirectory() as name:
        folder = Path(name)
        rows = ({"text": row.text, "label": row.concept.label} for row in task.rows(ROWS))
        (folder / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
        (folder / "task.prompt").write_text(_HEAD + task.seed_text + _TAIL, "utf-8")
        program = shutil.which("apo", path=str(Path(sys.executable).parent)) or "apo"
        command = [program, "optimize", "task.prompt", "--json", "--max-calls", str(calls)]
        output, cost = _run(command, folder, {"OPENAI_BASE_URL": endpoint.base_url})
    result = json.loads(output)
    prompt = result["best"]["prompt"].removesuffix(_TAIL).split('{{role "system"}}\n', 1)[1]
    return Found(prompt, result["verdict"] == "adopt", cost)


def validation_rows(calls: int) -> int:
    """How many rows a peer validates on. Each prompt it accepts costs a call per row: few rows suit a small budget."""
    return 20 if calls <= 1000 else 40


def peer(name: str, task: Task, endpoint: Endpoint, calls: int, seed: int) -> tuple[Trail, Cost]:
    """Another optimizer, by its name in `PEERS`; ``calls`` caps the calls of the task model alone."""
    rows = [(row.text, row.concept.label) for row in task.rows(TRAIN + validation_rows(calls))]
    job = Job(task.seed_text, tuple(rows[:TRAIN]), tuple(rows[TRAIN:]), calls, seed)
    environ = {
        "OPENAI_BASE_URL": endpoint.base_url,
        "PYTHONPATH": str(ROOT),
        "LITELLM_LOCAL_MODEL_COST_MAP": "True",  # its price list comes over the network otherwise
    }
    with TemporaryDirectory() as folder:
        output, cost = _run([str(PEERS_PYTHON), "-m", PEERS[name]], Path(folder), environ, job.dump())
    return taken(output), cost


_HEAD = """---
model: openai/task
apo.optimizer: {model: openai/minds}
input: {schema: {text: string}}
apo.examples: rows.jsonl
---
{{role "system"}}
"""
_TAIL = '\n{{role "user"}}\n{{text}}\n'


def _run(command: Sequence[str], folder: Path, environ: Mapping[str, str], given: str = "") -> tuple[str, Cost]:
    """Output and cost of a process that finds nothing stored and keeps nothing but in ``folder``.

    The CPU time is right only while no other child process of this one ends.
    """
    at_home = {name: str(folder) for name in ("HOME", "XDG_CACHE_HOME", "XDG_CONFIG_HOME", "APO_CACHE_DIR")}
    environ = {**os.environ, **at_home, "OPENAI_API_KEY": "none", **environ}
    began, before = time.perf_counter(), _cpu()
    done = subprocess.run(
        command, cwd=folder, env=environ, input=given, capture_output=True, text=True, check=False, timeout=LONGEST
    )
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)} ended with {done.returncode}:\n{done.stderr[-4000:]}")
    return done.stdout, Cost(time.perf_counter() - began, _cpu() - before)


def _cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime
