"""The workspace that a document belongs to: one for each folder on disk, however its address is spelled."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from apo_engine.allowed_paths import is_network_path
from apo_server.addresses import path_of


def workspace_of(uri: str, folders: Iterable[str]) -> str:
    """The address of the workspace folder that holds a document, else of the document's own folder.

    Consent and daily limits are kept under it. Links are followed, so that two spellings of one folder are one
    workspace. ``uri`` may be the address of a folder, which holds itself. What is not a file belongs to itself alone.
    """
    path = path_of(uri)
    if path is None:
        return uri
    try:
        own = path if path.is_dir() else path.parent
        real = _real(own)
        known = {found: _real(found) for folder in folders if (found := path_of(folder)) is not None}
        holding = [folder for folder in known.values() if real.is_relative_to(folder)]
        if os.pardir in own.parts and _real(plain := Path(os.path.normpath(own))) == real:
            own = plain
        if not holding and os.pardir not in own.parts:
            # A link within the folder leads out of it: to the user, the document lies where the link does.
            holding = [real for folder, real in known.items() if own.is_relative_to(folder)]
        return max(holding, key=lambda folder: len(folder.parts), default=real).as_uri()
    except (OSError, ValueError):
        return uri


def _real(folder: Path) -> Path:
    """A folder with its links followed, but for one of another machine: to look there is to log in there."""
    if os.name == "nt" and is_network_path(str(folder)):
        return Path(os.path.normcase(os.path.normpath(folder)))
    return Path(os.path.normcase(os.path.realpath(folder)))
