"""Files of ours that cannot be used as they are: kept under another name, so that a new one can take their place."""

from __future__ import annotations

import contextlib
import itertools
import os
import stat
import time
from pathlib import Path

from apo_engine.private import SIDE_FILES


def set_aside(path: Path, why: str) -> Path:
    """Rename a file, a folder or a link (not what it leads to) and return its new name.

    ``why`` is one word of the new name, as in ``answers.sqlite.damaged-20260102-030405-77``. Nothing is overwritten.

    Raises:
        OSError: it cannot be renamed.
    """
    stamp = f"{path.name}.{why}-{time.strftime('%Y%m%d-%H%M%S')}-{os.getpid()}"
    names = (stamp if number == 0 else f"{stamp}-{number}" for number in itertools.count())
    aside = next(new for name in names if not os.path.lexists(new := path.with_name(name)))
    path.rename(aside)
    return aside


def set_database_aside(path: Path, why: str) -> Path:
    """Rename a database, with what SQLite keeps beside it, and return its new name.

    Raises:
        OSError: it cannot be renamed.
    """
    aside = set_aside(path, why)
    for suffix in SIDE_FILES:
        with contextlib.suppress(OSError):
            Path(f"{path}{suffix}").replace(f"{aside}{suffix}")
    return aside


def set_aside_what_is_no_file(path: Path) -> Path | None:
    """Rename a folder, a FIFO or a socket of the user's that stands where a file belongs; its new name.

    A link stays: what it leads to is not ours to judge.

    Raises:
        OSError: it cannot be renamed.
    """
    try:
        found = path.lstat()
    except OSError:
        return None
    if stat.S_ISREG(found.st_mode) or stat.S_ISLNK(found.st_mode):
        return None
    if os.name == "posix" and found.st_uid != os.geteuid():
        return None
    return set_aside(path, "damaged")
