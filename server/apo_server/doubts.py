"""What a search makes one doubt about the example rows, said at the row."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path

from apo_engine.problems import Place, Problem, Severity
from apo_server.features.plain import visible
from apo_server.knowledge import Doubt
from apo_server.rows import excerpts


def doubts(doubtful: tuple[Doubt, ...], buffers: Mapping[Path, str], roots: Sequence[Path]) -> tuple[Problem, ...]:
    """A piece of information for each doubtful row that still stands on its line. Reads the files.

    They lie in the folders ``roots``; what lies elsewhere is not read. ``buffers`` are unsaved texts of files, which
    count in their place.
    """
    files: defaultdict[str, list[Doubt]] = defaultdict(list)
    for doubt in doubtful:
        files[doubt.path].append(doubt)
    found = []
    for name, rows in files.items():
        path = Path(name)
        there = excerpts(path, {doubt.line: doubt.expected for doubt in rows}, roots, buffers.get(path))
        found += [_problem(doubt, path) for doubt in rows if doubt.text and there.get(doubt.line) == doubt.text]
    return tuple(found)


def _problem(doubt: Doubt, path: Path) -> Problem:
    message = (
        f"The label may be wrong: none of {doubt.candidates} prompts answered “{visible(doubt.expected)}”, and "
        f"{doubt.agreeing} of them said “{visible(doubt.answered)}”."
    )
    remedy = "Correct the label, or say in the prompt what decides here."
    return Problem("label-doubtful", message, remedy, Place(path, doubt.line), Severity.INFORMATION)
