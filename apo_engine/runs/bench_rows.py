"""The rows of a benchmark: checked, and a sample of them drawn that depends on their content and a seed alone."""

from __future__ import annotations

import hashlib
import json
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from apo_engine.examples.example import Example
from apo_engine.examples.load import load_examples
from apo_engine.problems import InputError, Place, Problem
from apo_engine.runs.bench_tasks import TASKS, BenchTask
from apo_engine.settings import ExamplesSettings

_TRAIN, _TEST = "train.jsonl", "test.jsonl"
_LABELS = {"Yes", "No"}


@dataclass(frozen=True, slots=True)
class BenchRows:
    """How many rows are drawn, where there are so many: ``train`` for the search, ``test`` as its hold-out."""

    train: int = 200
    test: int = 150


def require_data(task: BenchTask, data: Path) -> None:
    """Make sure that the files of a task are there.

    Raises:
        InputError: one is not; says what to download, and where it should lie.
    """
    missing = [path for path in (data / task / _TRAIN, data / task / _TEST) if not path.is_file()]
    if missing:
        raise InputError(
            Problem(
                "bench-data-missing",
                f"There is no {' and no '.join(map(str, missing))}.",
                f"Download {TASKS[task].publisher}; write it to {_TRAIN} and {_TEST} in {data / task}, one row a line: "
                '{"text": "…", "label": "Yes"} or "No".',
            )
        )


def write_sample(task: BenchTask, data: Path, folder: Path, rows: BenchRows, seed: int) -> None:
    """Write the drawn rows of a task to `train.jsonl` and `test.jsonl` in ``folder``.

    Raises:
        InputError: the files cannot be used, or their labels are not Yes and No.
    """
    settings = ExamplesSettings(train=_TRAIN, holdout=_TEST, expected="label", input={"text": "text"})
    examples = load_examples(settings, data / task)
    if set(examples.labels) != _LABELS:
        message = f"The rows of '{task}' must be labelled Yes and No."
        raise InputError(Problem("bench-labels", message, "Correct their 'label'.", Place(data / task / _TRAIN)))
    held_out = frozenset(examples.holdout or ())
    for name, most, side in ((_TRAIN, rows.train, False), (_TEST, rows.test, True)):
        drawn = sample([row for row in examples.rows if (row.id in held_out) is side], most, seed)
        lines = (json.dumps({"text": row.inputs["text"], "label": row.expected}) + "\n" for row in drawn)
        (folder / name).write_text("".join(lines), "utf-8")


def sample(rows: Sequence[Example], most: int, seed: int) -> list[Example]:
    """At most ``most`` rows, the labels as even as they allow, whatever the order of the rows."""

    def key(row: Example) -> str:
        return hashlib.sha256(f"{seed}:{row.id}".encode()).hexdigest()

    piles: defaultdict[str, list[Example]] = defaultdict(list)
    for row in rows:
        piles[row.expected].append(row)
    dealt = [(turn, key(row), row) for pile in piles.values() for turn, row in enumerate(sorted(pile, key=key))]
    return [row for _, _, row in sorted(dealt, key=lambda item: item[:2])[:most]]
