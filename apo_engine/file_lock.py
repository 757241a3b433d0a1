"""Locks of the operating system on files: they end with their process, so none is ever stale."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from apo_engine.private import open_private, private_folder

if sys.platform == "win32":
    import msvcrt
else:
    import fcntl

_PAUSE = 0.02
_LONGEST_NOTE = 200
# Windows locks bytes and keeps others from reading them: one far behind the text that says who holds the lock.
_LOCKED_BYTE = 1 << 30


class FileLock:
    """An exclusive lock. Whoever holds it may write a short note into its file, which others can read."""

    def __init__(self, path: Path, descriptor: int) -> None:
        self._path = path
        self._descriptor = descriptor

    @classmethod
    def acquire(cls, path: Path, *, note: str = "", seconds: float = 0.0) -> FileLock | None:
        """Take the lock, waiting so long at most; None while somebody else holds it.

        The file lies in a folder that is in the one that the user named.

        Raises:
            OSError: the file cannot be made or locked.
        """
        private_folder(path.parent.parent, shared=True)
        private_folder(path.parent)
        deadline = time.monotonic() + seconds
        while True:
            lock = cls._try(path)
            if lock is not None:
                lock._write(note)
                return lock
            if time.monotonic() >= deadline:
                return None
            time.sleep(_PAUSE)

    @classmethod
    def _try(cls, path: Path) -> FileLock | None:
        descriptor = open_private(path, os.O_RDWR)
        try:
            if _lock(descriptor) and _is_file_of(descriptor, path):
                return cls(path, descriptor)
        except BaseException:
            os.close(descriptor)
            raise
        os.close(descriptor)
        return None

    @staticmethod
    def holder(path: Path) -> str | None:
        """The note of whoever holds the lock; None where nobody does, or the note is not written yet.

        Raises:
            OSError: the file cannot be read.
        """
        if not os.path.lexists(path):
            return None
        descriptor = open_private(path, os.O_RDWR)
        try:
            if _lock(descriptor, shared=True):
                return None
            os.lseek(descriptor, 0, os.SEEK_SET)
            return os.read(descriptor, _LONGEST_NOTE).decode("ascii", "replace") or None
        finally:
            os.close(descriptor)

    def release(self) -> None:
        """Let go of the lock and delete its file."""
        # Whoever opened the file before it goes sees that it is not the one of this name any more. Windows deletes no
        # open file.
        with suppress(OSError):
            self._path.unlink()
        os.close(self._descriptor)

    def _write(self, note: str) -> None:
        os.ftruncate(self._descriptor, 0)
        os.lseek(self._descriptor, 0, os.SEEK_SET)
        os.write(self._descriptor, note.encode("ascii"))


@contextmanager
def hold_lock(path: Path, seconds: float) -> Iterator[None]:
    """Hold the lock of a file in the folder ``locks`` beside it, so that others neither begin, change nor rename it.

    Raises:
        TimeoutError: another process has not let go of it in time.
        OSError: the lock cannot be made.
    """
    lock = FileLock.acquire(path.parent / "locks" / path.stem, seconds=seconds)
    if lock is None:
        raise TimeoutError(None, "another process has kept it locked for too long")
    try:
        yield
    finally:
        lock.release()


def _lock(descriptor: int, *, shared: bool = False) -> bool:
    """Lock an open file, unless somebody else has; ``shared`` locks only keep out those that are not."""
    try:
        if sys.platform == "win32":
            os.lseek(descriptor, _LOCKED_BYTE, os.SEEK_SET)
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        else:
            fcntl.flock(descriptor, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
    except (BlockingIOError, PermissionError):
        return False
    return True


def _is_file_of(descriptor: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(descriptor), path.stat())
    except FileNotFoundError:
        return False
