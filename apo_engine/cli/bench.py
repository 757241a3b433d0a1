"""`apo bench`: the paper's four tasks, with any algorithm and model, beside the paper's figures."""

from __future__ import annotations

from pathlib import Path
from typing import get_args

import click

from apo_engine.api import Benchmark, BenchRows, BenchTask, bench
from apo_engine.cli.as_json import emit
from apo_engine.cli.bench_json import bench_object
from apo_engine.cli.console import remarks, results, say
from apo_engine.cli.options import (
    algorithms_option,
    engine_options,
    engine_run_options,
    optimizer_model_option,
    resume_option,
    search_options,
)
from apo_engine.cli.plain import literal
from apo_engine.cli.progress import LiveView
from apo_engine.cli.render_bench import print_benchmarks, unfinished
from apo_engine.cli.running import drive
from apo_engine.cli.transcript import Transcript
from apo_engine.settings import Algorithm

_FINE, _FAILED, _INTERRUPTED = 0, 3, 130
_REMEDY = "What was answered is kept: the same command with --resume goes on from there."
_TASKS: tuple[BenchTask, ...] = get_args(BenchTask)


@click.command("bench")
@click.option("--task", "tasks", multiple=True, type=click.Choice(_TASKS), help="Only this task; may be repeated.")
@click.option(
    "--data",
    required=True,
    metavar="DIR",
    type=click.Path(path_type=Path),
    help="Holds a folder per task with train.jsonl and test.jsonl.",
)
@algorithms_option
@search_options
@click.option("--train-rows", type=click.IntRange(23), default=200, metavar="N", help="Draw N rows to search on (200).")
@click.option("--test-rows", type=click.IntRange(10), default=150, metavar="N", help="Draw N rows to judge on (150).")
@engine_run_options(calls=2000)
@optimizer_model_option
@resume_option
def command(
    tasks: tuple[BenchTask, ...],
    data: Path,
    algorithms: tuple[Algorithm, ...],
    train_rows: int,
    test_rows: int,
    as_json: bool,
    **given: object,
) -> int:
    """Repeat the comparison of the paper (Pryzant et al. 2023) on its four tasks.

    Optimizes a first prompt for each task, and prints what the best one gains on test rows beside what the paper
    reports. A cap holds for each run, of one task with one algorithm. Nothing is written to DIR.
    """
    options, rows = engine_options(given), BenchRows(train_rows, test_rows)
    # All of them first: what is missing is said before anything is spent.
    runs = [
        (task, bench(task, data, options, algorithm=algorithm, rows=rows))
        for task in dict.fromkeys(tasks or _TASKS)
        for algorithm in dict.fromkeys(algorithms or ("apo",))
    ]
    found: list[Benchmark] = []
    transcripts: list[Transcript] = []
    for task, run in runs:
        transcripts.append(Transcript())
        with LiveView(Path(f"{task}.prompt")) as view:
            found.append(drive(run, transcripts[-1].read, view.read, remedy=_REMEDY))
        if found[-1].optimization.stopped in ("cancelled", "endpoint"):
            break
    if as_json:
        emit(bench_object(list(zip(found, transcripts, strict=True))))
    else:
        print_benchmarks(results(), found)
    missing = unfinished(found)
    if missing:
        say(remarks(), literal(f"{missing}\n{_REMEDY}", "bold"))
    return _exit_code(found)


def _exit_code(found: list[Benchmark]) -> int:
    if found[-1].optimization.stopped == "cancelled":
        return _INTERRUPTED
    return _FAILED if any(one.optimization.verdict is None for one in found) else _FINE
