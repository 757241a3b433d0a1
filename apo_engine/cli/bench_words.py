"""What must be said of a benchmark's table, so that nobody reads more out of it than was measured."""

from __future__ import annotations

from collections.abc import Sequence

from apo_engine.api import TASKS, Benchmark
from apo_engine.names import shown_name


def models(benchmarks: Sequence[Benchmark]) -> str:
    """Which models answered and wrote."""
    first = benchmarks[0]
    if first.task_model == first.optimizer_model:
        return f"All calls were answered by {shown_name(first.task_model)}."
    task, optimizer = shown_name(first.task_model), shown_name(first.optimizer_model)
    return f"Rows were answered by {task}; {optimizer} wrote critiques and rewrites."


def notes(benchmarks: Sequence[Benchmark]) -> list[str]:
    """What keeps the figures from being compared with the paper's, the gravest first."""
    first = benchmarks[0]
    said = []
    if any(name.startswith("embedded/") for name in (first.task_model, first.optimizer_model)):
        said.append("An embedded model is far weaker than the paper's: this table claims nothing about the paper.")
    elif first.local:
        said.append(
            "The model answers on this machine. Unless it is a capable one (a scripted endpoint is none), this table "
            "claims nothing about the paper."
        )
    said += [spec.caveat for name, spec in TASKS.items() if spec.caveat and any(one.task == name for one in benchmarks)]
    said += [
        "F1 is of the label Yes. The paper's code calls micro-F1 so, which is accuracy where a row has one label: hold "
        "its figures against accuracy too.",
        "First prompts, models and drawn rows are not the paper's, and its margins are means over all four tasks: "
        "compare margins, not levels.",
    ]
    return said
