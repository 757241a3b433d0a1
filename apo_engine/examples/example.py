"""Example rows, and sets of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from apo_engine.problems import Problem


@dataclass(frozen=True, slots=True)
class Example:
    """One row: the inputs of a prompt and the answer that should come out.

    ``id`` is a hash of the row's content, so it survives reordering of the file; ``line`` is the 1-based line of
    ``path`` on which the row begins.
    """

    id: str
    inputs: Mapping[str, str]
    expected: str
    line: int
    path: Path


@dataclass(frozen=True, slots=True)
class ExampleSet:
    """The usable rows of one or two example files, and what was wrong with the others.

    ``columns`` are the input names, in the file's order. ``labels`` are the distinct expected values in the order
    they first appear, when they are few and short, else empty. ``holdout`` holds the ids of the rows that the user
    set aside, or None where the split is left to us. ``fingerprint`` is a hash of the rows' content in order.
    ``expected`` is the column of the files that holds the answers.
    """

    rows: tuple[Example, ...]
    problems: tuple[Problem, ...]
    columns: tuple[str, ...]
    labels: tuple[str, ...]
    holdout: tuple[str, ...] | None
    fingerprint: str
    expected: str = ""
