"""The result of a benchmark as a JSON object, for programs."""

from __future__ import annotations

from collections.abc import Sequence

from apo_engine.api import TASKS, Benchmark, margins
from apo_engine.cli import bench_words
from apo_engine.cli.as_json import Object, optimization_object
from apo_engine.cli.transcript import Transcript


def bench_object(benchmarks: Sequence[tuple[Benchmark, Transcript]]) -> Object:
    """``models`` {task, optimizer}; ``results`` [{task, algorithm, paper {beam, greedy, none} or null, and all that
    `optimize` says of the run, its ``holdout`` being the test rows}]; ``margins`` of `apo` [{over, measured, tasks,
    paper}]; ``notes``, what the figures do not say. Figures are fractions of 1.
    """
    found = [benchmark for benchmark, _ in benchmarks]
    return {
        "models": {"task": found[0].task_model, "optimizer": found[0].optimizer_model},
        "results": [_result(benchmark, transcript) for benchmark, transcript in benchmarks],
        "margins": [
            {"over": margin.over, "measured": margin.measured, "tasks": margin.tasks, "paper": margin.reported}
            for margin in margins(found)
        ],
        "notes": bench_words.notes(found),
    }


def _result(benchmark: Benchmark, transcript: Transcript) -> Object:
    reported = TASKS[benchmark.task].reported
    return {
        "task": benchmark.task,
        "algorithm": benchmark.algorithm,
        "paper": {"beam": reported.beam, "greedy": reported.greedy, "none": reported.none} if reported else None,
        **optimization_object(benchmark.optimization, transcript),
    }
