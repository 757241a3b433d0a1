"""By what a prompt is known again when hold-out rows are opened for it, whatever its rows have become."""

from __future__ import annotations

import hashlib
import os

from apo_engine.runs.plan import Plan


def prompt_names(plan: Plan, winner: str) -> tuple[bytes, ...]:
    """Digests of the files of the prompt and of its rows, of its text, and of the ``winner``'s that may replace it."""
    files = {row.path for row in plan.examples.rows}
    if plan.prompt.path is not None:
        files.add(plan.prompt.path)
    known_by = {f"file {os.path.realpath(file)}" for file in files}
    known_by.update(f"text {text}" for text in (plan.prompt.text, winner) if text)
    return tuple(sorted(hashlib.sha256(name.encode("utf-8", "surrogatepass")).digest() for name in known_by))
