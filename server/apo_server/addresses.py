"""Addresses of files: the path that each names on this machine, and which folder holds which."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path
from urllib.parse import unquote, urlsplit

_DRIVE = re.compile(r"/[a-zA-Z]:")


@lru_cache(maxsize=1024)
def path_of(uri: str) -> Path | None:
    """The absolute path that a `file:` address names, else None.

    The authority ``localhost`` is the same as none. Any other is another machine, whose files have a path on Windows
    alone.
    """
    try:
        parts = urlsplit(uri)
    except ValueError:
        return None
    if parts.scheme != "file":
        return None
    authority, name = unquote(parts.netloc), unquote(parts.path)
    if authority.lower() == "localhost":
        authority = ""
    if os.name != "nt":
        # Two slashes in front are one here, and would be another folder to a comparison.
        path = Path(f"/{name.lstrip('/')}") if not authority and name.startswith("/") else None
    elif authority:
        path = Path(f"//{authority}{name}")
    else:
        path = Path(name[1].lower() + name[2:] if _DRIVE.match(name) else name)
    return path if path is not None and path.is_absolute() else None


def is_elsewhere(uri: str) -> bool:
    """Whether a `file:` address names another machine, whose files have no path here."""
    try:
        parts = urlsplit(uri)
    except ValueError:
        return False
    return parts.scheme == "file" and bool(parts.netloc) and path_of(uri) is None


def is_held_by(workspace: str, folder: str) -> bool:
    """Whether a workspace is a folder or lies in it. Both are addresses without links (`workspace_of`)."""
    if workspace == folder:
        return True
    inner, outer = path_of(workspace), path_of(folder)
    return inner is not None and outer is not None and inner.is_relative_to(outer)


def holds_any(folder: str, workspace: str, paths: Iterable[str]) -> bool:
    """Whether a folder, given by its address, holds a workspace or any of these files, whose paths have no links."""
    if is_held_by(workspace, folder):
        return True
    outer = path_of(folder)
    return outer is not None and any(Path(path).is_relative_to(outer) for path in paths)
