"""The job `bench`: one task of the paper with one algorithm, from its first prompt to the figures on its test rows."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory

from apo_engine.prompt.file import load_prompt
from apo_engine.runs.bench_rows import BenchRows, write_sample
from apo_engine.runs.bench_tasks import BenchTask, prompt_text
from apo_engine.runs.optimize import optimize_job
from apo_engine.runs.options import Options
from apo_engine.runs.results import Optimization
from apo_engine.runs.stream import Job, Stop
from apo_engine.search.events import AnyEvent, RunStarted
from apo_engine.search.reporter import Emit
from apo_engine.settings import Algorithm

# Enough for a hold-out of 150 rows, and for several rounds of each algorithm.
CALLS = 2000


@dataclass(frozen=True, slots=True)
class Benchmark:
    """A task that was run. ``optimization.verdict`` holds F1 and accuracy of the first and the best prompt on the test
    rows; it is None where the run was stopped before. ``local`` says that both models answer on this machine.
    """

    task: BenchTask
    algorithm: Algorithm
    task_model: str
    optimizer_model: str
    local: bool
    optimization: Optimization


def bench_job(task: BenchTask, data: Path, options: Options, algorithm: Algorithm, rows: BenchRows) -> Job[Benchmark]:
    """The job that `apo bench` runs for each task and algorithm."""
    given, seed = options.flags.get("optimizer"), options.flags.get("seed")
    optimizer = {**(given if isinstance(given, dict) else {}), "algorithm": algorithm}
    flags = {**options.flags, "optimizer": optimizer}

    async def job(emit: Emit, stop: Stop) -> Benchmark:
        started: RunStarted | None = None

        def tell(event: AnyEvent) -> None:
            nonlocal started
            if isinstance(event, RunStarted):
                started = event
            emit(event)

        with TemporaryDirectory(prefix="apo-bench-") as name:
            folder = Path(name)
            await asyncio.to_thread(write_sample, task, data, folder, rows, seed if isinstance(seed, int) else 0)
            path = folder / f"{task}.prompt"
            path.write_text(prompt_text(task, CALLS), "utf-8")
            run = optimize_job(load_prompt(path), replace(options, flags=flags), judge_always=True)
            optimization = await run(tell, stop)
        assert started is not None
        models = (started.task_model, started.optimizer_model)
        return Benchmark(task, algorithm, *models, started.local, optimization)

    return job
