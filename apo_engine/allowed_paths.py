"""Where files that a prompt names may lie: a prompt that others wrote must not send files from anywhere.

They lie in the prompt's own folder, or in one of the folders that the user works in. Links are followed first.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path


def is_network_path(name: str) -> bool:
    """Whether a name leads off this machine, or to no file at all.

    It is told by the name alone: on some systems, to look for such a file is to log in where it points.
    """
    return name.startswith(("\\\\", "//", "\\/", "/\\")) or "\0" in name


def is_within(path: Path, folders: Iterable[Path]) -> bool:
    """Whether a file lies in one of these folders, or below it."""
    try:
        real = path.resolve()
        return any(real.is_relative_to(folder.resolve()) for folder in folders)
    except (OSError, ValueError, RuntimeError):
        return False
