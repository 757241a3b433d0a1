"""The one door through which files that a user, a prompt or a workspace names are opened.

A prompt that others wrote must not send files from anywhere. What it names lies in the prompt's own folder or in one
of the folders that the user works in (the ``roots``); links are followed before that is decided, and none is followed
afterwards. A path that the user names has no such bounds. In both cases only regular files are opened: a device, a
FIFO or a socket may never end, or may act on being read, and what the kernel shows in /proc is no file of anybody.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterable
from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from typing import BinaryIO

# Opening a FIFO or a terminal must not wait for somebody to write.
_READING = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
_NO_LINK = getattr(os, "O_NOFOLLOW", 0)
_FOLDER = os.O_RDONLY | getattr(os, "O_DIRECTORY", 0) | _NO_LINK
# Each read of the disk releases Python's lock for a moment. Other threads, such as that of the event loop, demand the
# lock only once it was held for 5 ms: a thread that reads small blocks keeps them waiting for seconds.
_BUFFER = 2**18
_POSIX = os.name == "posix"
_KERNEL = ("/proc", "/sys")
_KINDS = {
    stat.S_IFDIR: "a folder",
    stat.S_IFIFO: "a FIFO",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}


class OutsideError(OSError):
    """A file lies outside the folders that it may lie in."""

    def __init__(self, path: Path) -> None:
        super().__init__(errno.EACCES, "it lies outside the folders that may be read", str(path))


class NotRegularError(OSError):
    """What a path leads to is not a regular file."""

    def __init__(self, path: Path, kind: str) -> None:
        super().__init__(errno.EINVAL, f"it is {kind}, not a regular file", str(path))


class TooLargeError(OSError):
    """A file is larger than anything of its kind."""

    def __init__(self, path: Path, limit: int) -> None:
        super().__init__(errno.EFBIG, f"it is larger than {limit:,} bytes", str(path))


def is_network_path(name: str) -> bool:
    """Whether a name leads off this machine, or to no file at all.

    It is told by the name alone: on some systems, to look for such a file is to log in where it points.
    """
    return name.startswith(("\\\\", "//", "\\/", "/\\")) or "\0" in name


def is_within(path: Path, folders: Iterable[Path]) -> bool:
    """Whether a file lies in one of these folders, or below it. Links are followed first."""
    try:
        return _root_of(path.resolve(), folders) is not None
    except (OSError, ValueError, RuntimeError):
        return False


def open_allowed(path: Path, roots: Iterable[Path]) -> BinaryIO:
    """The bytes of a regular file in one of these folders.

    Links are followed first; a link that is put in the way afterwards is not.

    Raises:
        OutsideError: the file lies elsewhere.
        NotRegularError: it is not a regular file.
        OSError: it is missing or cannot be read.
    """
    try:
        real = path.resolve()
        root = _root_of(real, roots)
    except (ValueError, RuntimeError):
        raise FileNotFoundError(errno.ENOENT, "there is no such file", str(path)) from None
    if root is None:
        # A device is no file to be moved where it may be read: that is said first.
        with suppress(FileNotFoundError, PermissionError, NotADirectoryError):
            _require_regular(real.stat(), path)
        raise OutsideError(path)
    return _regular(_open_below(root, real), path)


def open_regular(path: Path) -> BinaryIO:
    """The bytes of a regular file that the user named, wherever it lies.

    Raises:
        NotRegularError: it is not a regular file.
        OSError: it is missing or cannot be read.
    """
    try:
        # Some devices act on being opened: the name is looked at first.
        _require_regular(path.stat(), path)
        return _regular(os.open(path, _READING), path)
    except ValueError:
        raise FileNotFoundError(errno.ENOENT, "there is no such file", str(path)) from None


def read_allowed(path: Path, roots: Iterable[Path], limit: int) -> bytes:
    """The content of a regular file of at most ``limit`` bytes in one of these folders.

    Raises:
        TooLargeError: it is larger.
        OSError: as of :func:`open_allowed`.
    """
    with open_allowed(path, roots) as file:
        return _read(file, path, limit)


def read_regular(path: Path, limit: int) -> bytes:
    """The content of a regular file of at most ``limit`` bytes that the user named.

    Raises:
        TooLargeError: it is larger.
        OSError: as of :func:`open_regular`.
    """
    with open_regular(path) as file:
        return _read(file, path, limit)


def require_regular(path: Path) -> None:
    """Make sure that a path leads to a regular file, without opening it.

    Raises:
        NotRegularError: it does not.
        OSError: there is none.
    """
    try:
        _require_regular(path.stat(), path)
    except ValueError:
        raise FileNotFoundError(errno.ENOENT, "there is no such file", str(path)) from None


def require_same_kind(path: Path) -> None:
    """Make sure that a link leads to a file with the same suffix: nobody would expect another one to be sent.

    Raises:
        OSError: it does not.
    """
    if path.resolve().suffix.casefold() != path.suffix.casefold():
        raise OSError(errno.EINVAL, "it is a link to a file of another kind", str(path))


def _root_of(real: Path, folders: Iterable[Path]) -> Path | None:
    resolved = (folder.resolve() for folder in folders)
    return next((folder for folder in resolved if real.is_relative_to(folder)), None)


def _open_below(root: Path, real: Path) -> int:
    """A descriptor of a resolved path, reached folder by folder: none of them may have become a link meanwhile."""
    if not _POSIX:
        return os.open(real, _READING)
    folder = os.open(root, _FOLDER)
    try:
        *above, name = real.relative_to(root).parts or (".",)
        for part in above:
            below = os.open(part, _FOLDER, dir_fd=folder)
            os.close(folder)
            folder = below
        _require_regular(os.stat(name, dir_fd=folder, follow_symlinks=False), real)
        return os.open(name, _READING | _NO_LINK, dir_fd=folder)
    finally:
        os.close(folder)


def _regular(descriptor: int, path: Path) -> BinaryIO:
    try:
        _require_regular(os.fstat(descriptor), path)
        return os.fdopen(descriptor, "rb", _BUFFER)
    except BaseException:
        os.close(descriptor)
        raise


def _require_regular(found: os.stat_result, path: Path) -> None:
    if not stat.S_ISREG(found.st_mode):
        raise NotRegularError(path, _KINDS.get(stat.S_IFMT(found.st_mode), "something else"))
    if found.st_dev in _kernel_devices():
        raise NotRegularError(path, "a view into the kernel")


@lru_cache(maxsize=1)
def _kernel_devices() -> frozenset[int]:
    """The file systems in which the kernel shows itself: what is read there changes, waits or has no end."""
    found = set()
    for folder in _KERNEL:
        if os.path.ismount(folder):
            found.add(Path(folder).stat().st_dev)
    return frozenset(found)


def _read(file: BinaryIO, path: Path, limit: int) -> bytes:
    content = file.read(limit + 1)
    if len(content) > limit:
        raise TooLargeError(path, limit)
    return content
