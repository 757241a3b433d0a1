"""A plan to be asked about."""

from __future__ import annotations

import msgspec

from apo_engine.search.candidate import Candidate
from apo_engine.search.events import Destination, Estimate, FileRows, RowCounts, RunStarted


def started(**changes: object) -> RunStarted:
    """A plan of 100 rows of /w/t.jsonl to one host."""
    rows = RowCounts(60, 40, 0)
    plan = RunStarted(
        run="r",
        job="evaluate",
        prompt=Candidate("s", "text", "seed"),
        task_model="openai/m",
        optimizer_model="openai/m",
        metric="label",
        labels=(),
        rows=rows,
        estimate=Estimate(100, 1000, 0.1),
        seed=0,
        destinations=(Destination("task", "openai/m", "api.example", rows, encrypted=True),),
        files=(FileRows("/w/t.jsonl", 100, 0, ("text",)),),
        file="/w/a.prompt",
        fingerprint="f1",
        rows_fingerprint="r1",
    )
    return msgspec.structs.replace(plan, **changes)
