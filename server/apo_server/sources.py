"""What a run of a prompt reads besides the prompt: its rows and its partials, and how they stand on disk."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from apo_server.survey import example_files

if TYPE_CHECKING:
    from apo_server.texts import Texts
    from apo_server.view import PromptView

# When a file was last written, and its size; None where there is none.
Stamp = tuple[int, int] | None


def files_of(view: PromptView) -> tuple[Path, ...]:
    """The example files that a prompt names, each by its one plain path."""
    return tuple(dict.fromkeys(normal(path) for path in example_files(view.prompt)))


def partials_of(view: PromptView, texts: Texts) -> tuple[Path, ...]:
    """The partials that a prompt includes, directly or through others, as far as they can be looked for."""
    from apo_engine.prompt.partials import partial_files, partial_names

    if not partial_names(view.prompt.nodes):
        return ()
    return tuple(map(normal, partial_files(view.prompt, texts.read)))


def normal(path: Path) -> Path:
    """A path without detours, so that two spellings of it are equal."""
    return Path(os.path.normpath(path))


def stamps(paths: Iterable[Path]) -> dict[Path, Stamp]:
    """How files stand on disk."""
    return {path: _stamp(path) for path in paths}


def _stamp(path: Path) -> Stamp:
    try:
        stat = path.stat()
    except (OSError, ValueError):
        return None
    return stat.st_mtime_ns, stat.st_size
