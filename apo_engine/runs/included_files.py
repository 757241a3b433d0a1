"""The prompt files, besides the prompt itself, whose text a run sends."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from pathlib import Path

from apo_engine.encodable import encodable
from apo_engine.prompt.partials import path_beside
from apo_engine.runs.plan import Plan
from apo_engine.search.events import IncludedFile


def included_files(plan: Plan) -> tuple[IncludedFile, ...]:
    """The files of the plan's partials and meta-prompts that a model elsewhere is sent, as they were read for the plan.

    A partial is sent without its front matter, so its digest does not cover that.
    """
    folder = plan.prompt.path.parent if plan.prompt.path else Path.cwd()
    return tuple(
        dict.fromkeys(
            IncludedFile(
                path=encodable(str(path.absolute())),
                digest=hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest(),
                target=encodable(link_target(path, folder)),
            )
            for path, text in _texts(plan)
        )
    )


def link_target(path: Path, folder: Path) -> str:
    """Where links lead on the way from the prompt's folder to a file; empty if there is none on it."""
    real = os.path.realpath(path)
    try:
        plain = os.path.normpath(Path(os.path.realpath(folder)) / os.path.relpath(path, folder))
    except ValueError:
        # Another drive.
        plain = os.path.normpath(path.absolute())
    return "" if real == plain else real


def _texts(plan: Plan) -> Iterator[tuple[Path, str]]:
    """The files with their texts. The task model alone is sent the partials of the prompt."""
    if plan.prompt.path is not None and not plan.task_model.local:
        for name, text in plan.partials.items():
            yield path_beside(plan.prompt.path, name), text
    if plan.meta is not None and not plan.optimizer_model.local:
        for prompt, partials in plan.meta.own:
            if prompt.path is not None:
                yield prompt.path, prompt.text
                for name, text in partials.items():
                    yield path_beside(prompt.path, name), text
