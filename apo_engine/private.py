"""Files and folders that nobody but their owner can read, whatever the umask is and whatever was there before."""

from __future__ import annotations

import os
import stat
from pathlib import Path

# What this program makes in its cache folder: a folder that holds anything else was not made for it alone.
_OURS = ("answers.", "spending.", "consent.", "store.", "locks", "runs", "holdouts", "editor", "models")


def private_folder(folder: Path, *, shared: bool = False) -> None:
    """Make a folder, and those above it that are missing; one that is there loses the rights of others.

    A ``shared`` one may be the user's choice, and hold other things than ours: then it is left as it is.

    Raises:
        OSError: it cannot be made.
    """
    for missing in reversed([one for one in (folder, *folder.parents) if not one.exists()]):
        missing.mkdir(mode=0o700, exist_ok=True)
    if os.name == "posix" and not (shared and _holds_others(folder)):
        _narrow(folder)


def open_private(file: Path, flags: int) -> int:
    """A descriptor of a file, made where it is missing. Its folder must be there.

    Raises:
        OSError: it cannot be opened.
    """
    descriptor = os.open(file, flags | os.O_CREAT, 0o600)
    if os.name == "posix" and os.fstat(descriptor).st_uid == os.geteuid():
        os.fchmod(descriptor, 0o600)
    return descriptor


def _narrow(folder: Path) -> None:
    found = folder.stat()
    if found.st_uid == os.geteuid() and stat.S_IMODE(found.st_mode) & 0o077:
        folder.chmod(0o700)


def _holds_others(folder: Path) -> bool:
    return any(not entry.name.startswith(_OURS) for entry in folder.iterdir())
