"""Files that a command writes where the user says: in one step, and never through a link."""

from __future__ import annotations

import os
import secrets
import stat
from contextlib import suppress
from pathlib import Path

# What the system allows a new file, but for what the umask takes away.
_NEW_FILE = 0o666


class NotWritableError(OSError):
    """What has the name already is a link, a device or a folder: it is left alone."""


def write_file(path: Path, content: bytes, *, mode: int | None = None) -> None:
    """Write a file, or replace a regular one, whose rights it keeps; readers see the old content or the new.

    Args:
        path: where; its folder must be there.
        content: what.
        mode: the rights of the file; None for those of the file before, else the system's.

    Raises:
        NotWritableError: a link or something that is not a regular file has the name.
        OSError: the file cannot be written. The old one is as it was.
    """
    with suppress(FileNotFoundError):
        found = path.lstat()
        if not stat.S_ISREG(found.st_mode):
            kind = "a link" if stat.S_ISLNK(found.st_mode) else "not a regular file"
            raise NotWritableError(0, f"there is something of that name already, and it is {kind}", str(path))
        mode = stat.S_IMODE(found.st_mode) if mode is None else mode
    draft = path.with_name(f".apo-{secrets.token_hex(8)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), _NEW_FILE)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        if mode is not None:
            draft.chmod(mode)
        draft.replace(path)
    except BaseException:
        with suppress(OSError):
            draft.unlink()
        raise
