"""Files and folders of the user alone: made so, checked at each use, and reached through no link.

The user names one folder for everything stored (:func:`apo_engine.machine.cache_dir`), and its links are resolved
once. Below it no link is followed. A file or folder is used only if it belongs to the user and, for a file, has no
second name; rights of others are taken away first. Anything else raises :class:`NotPrivateError`.

On POSIX the checks look at what was opened, not at its name: nobody can swap a file between check and use. On Windows,
links and junctions are refused by name before the file is opened. Owners and access lists are not checked there: files
inherit them from the folder that the user names, which lies in the user's own profile by default.
"""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path

# What this program makes in its cache folder: a folder that holds anything else was not made for it alone.
_OURS = ("answers.", "spending.", "consent.", "store.", "locks", "runs", "holdouts", "editor", "models")
_POSIX = os.name == "posix"
_OTHERS, _OTHERS_WRITE = 0o077, 0o022
# Neither a link, a FIFO nor a terminal may redirect or hold up whoever opens a file.
_SAFELY = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
_FOLDER = os.O_RDONLY | getattr(os, "O_DIRECTORY", 0) | _SAFELY
# Symbolic links and junctions, as Windows marks them.
_LINK_TAGS = (0xA000000C, 0xA0000003)
#: What SQLite keeps beside a database, by the ends of the names.
SIDE_FILES = ("-wal", "-shm", "-journal")


class NotPrivateError(OSError):
    """Something is a link, belongs to somebody else, or can be written by others. It was left as it is."""

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(errno.EPERM, reason, str(path))

    def __str__(self) -> str:
        return f"{self.filename}: {self.strerror}"


class ExposedError(NotPrivateError):
    """Others can write to a file of the user's, so that its content may be theirs."""


def private_folder(folder: Path, *, shared: bool = False) -> None:
    """Make a folder, and those above it that are missing; one that is there loses the rights of others.

    A folder that others can write to and that holds anything is refused: they may have put it there. A ``shared`` one
    is the folder that the user named: it may be a link, and it may hold other things than ours. Then its rights stay as
    they are.

    Raises:
        NotPrivateError: it is a link, belongs to somebody else, or others can write to it.
        OSError: it cannot be made.
    """
    for missing in reversed([one for one in (folder, *folder.parents) if not os.path.lexists(one)]):
        missing.mkdir(mode=0o700, exist_ok=True)
    descriptor = open_root(folder) if shared else open_folder(None, folder)
    if descriptor is not None:
        os.close(descriptor)


def is_private_root(folder: Path) -> bool:
    """Whether nobody else can write to the folder that the user named; what else is wrong with it shows in its use."""
    try:
        private_folder(folder, shared=True)
    except NotPrivateError:
        return False
    except OSError:
        pass
    return True


def open_private(file: Path, flags: int) -> int:
    """A descriptor of a file, made if it is missing. Its folder must be there.

    Raises:
        NotPrivateError: the file is a link, is not a regular file, has a second name or belongs to somebody else; or
            others can write to its folder.
        OSError: it cannot be opened.
    """
    folder = _open_parent(file)
    try:
        return open_entry(folder, file, flags | os.O_CREAT)
    finally:
        if folder is not None:
            os.close(folder)


def require_private_database(file: Path, *, writable: bool = True) -> None:
    """Check a database, made if it is missing and may be written, and what SQLite keeps beside it.

    SQLite opens all of these by name.

    Raises:
        ExposedError: others can write to one of the files, and it is not empty.
        NotPrivateError: one of them is not private, or neither is their folder.
        OSError: the database cannot be made or read.
    """
    if writable:
        private_folder(file.parent, shared=True)
    folder = _open_parent(file)
    access = os.O_RDWR if writable else os.O_RDONLY
    try:
        for suffix in SIDE_FILES:
            side = file.with_name(file.name + suffix)
            try:
                os.close(open_entry(folder, side, access, believed=True))
            except FileNotFoundError:
                continue
        os.close(open_entry(folder, file, access | (os.O_CREAT if writable else 0), believed=True))
    finally:
        if folder is not None:
            os.close(folder)


def open_root(root: Path) -> int | None:
    """A descriptor of the folder that the user named, with its links resolved; None on Windows.

    Raises:
        NotPrivateError: it belongs to somebody else, or others can write to it.
        OSError: it cannot be opened.
    """
    if not _POSIX:
        return None
    descriptor = _open_folder(None, root.resolve())
    try:
        found = os.fstat(descriptor)
        is_ours = found.st_uid == os.geteuid() and not _holds_others(descriptor)
        if is_ours and found.st_mode & _OTHERS and not _may_hold_foreign(descriptor):
            _narrow(descriptor, root)
        _require_no_strangers(descriptor, root)
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def open_folder(above: int | None, folder: Path) -> int | None:
    """A descriptor of a folder in the folder ``above``, which loses the rights of others; None on Windows.

    Raises:
        NotPrivateError: it is a link, belongs to somebody else, or holds what others could have put there.
        OSError: it cannot be opened.
    """
    if not _POSIX:
        _require_no_link(folder, os.lstat(folder))
        return None
    descriptor = _open_folder(above, folder)
    try:
        if os.fstat(descriptor).st_uid != os.geteuid():
            raise NotPrivateError(folder, "it belongs to another user")
        if _may_hold_foreign(descriptor):
            _require_no_strangers(descriptor, folder)
        _narrow(descriptor, folder)
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def open_entry(folder: int | None, file: Path, flags: int, *, believed: bool = False) -> int:
    """A descriptor of a file in an open folder, which loses the rights of others.

    Raises:
        ExposedError: the file is to be ``believed``, others can write to it, and it is not empty.
        NotPrivateError: it is a link, is not a regular file, has a second name or belongs to somebody else.
        OSError: it cannot be opened.
    """
    name = entry_name(folder, file)
    try:
        _require_regular(file, os.stat(name, dir_fd=folder, follow_symlinks=False))
    except FileNotFoundError:
        if not flags & os.O_CREAT:
            raise
    # What is there is cut short only once it is known to be the user's own.
    descriptor = os.open(name, (flags & ~os.O_TRUNC) | _SAFELY, 0o600, dir_fd=folder)
    try:
        _require_own(descriptor, file, believed=believed)
        if flags & os.O_TRUNC:
            os.ftruncate(descriptor, 0)
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def entry_name(folder: int | None, path: Path) -> str | Path:
    """How the system is told of an entry of an open folder: by its name there, or by its path on Windows."""
    return path if folder is None else path.name


def _open_parent(file: Path) -> int | None:
    if not _POSIX:
        return None
    descriptor = _open_folder(None, file.parent)
    try:
        _require_no_strangers(descriptor, file.parent)
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def _open_folder(above: int | None, folder: Path) -> int:
    name = entry_name(above, folder)
    try:
        return os.open(name, _FOLDER, dir_fd=above)
    except OSError as error:
        if error.errno in (errno.ELOOP, errno.ENOTDIR):
            _require_no_link(folder, os.stat(name, dir_fd=above, follow_symlinks=False))
        raise


def _require_no_strangers(descriptor: int, folder: Path) -> None:
    """Whoever may write to a folder may put anything in the place of what is in it; the superuser may anyway."""
    found = os.fstat(descriptor)
    if found.st_uid not in (os.geteuid(), 0):
        raise NotPrivateError(folder, "it belongs to another user")
    if found.st_mode & _OTHERS_WRITE:
        raise NotPrivateError(folder, "others can write to this folder; take that right away, or name another")


def _require_no_link(path: Path, found: os.stat_result) -> None:
    if stat.S_ISLNK(found.st_mode) or getattr(found, "st_reparse_tag", 0) in _LINK_TAGS:
        raise NotPrivateError(path, "it is a link")


def _require_regular(path: Path, found: os.stat_result) -> None:
    _require_no_link(path, found)
    if not stat.S_ISREG(found.st_mode):
        raise NotPrivateError(path, "it is not a regular file")


def _require_own(descriptor: int, file: Path, *, believed: bool) -> None:
    found = os.fstat(descriptor)
    _require_regular(file, found)
    if found.st_nlink > 1:
        raise NotPrivateError(file, "it has a second name (a hard link)")
    if not _POSIX:
        return
    if found.st_uid != os.geteuid():
        raise NotPrivateError(file, "it belongs to another user")
    if believed and found.st_size and found.st_mode & _OTHERS_WRITE:
        raise ExposedError(file, "others can write to it, so its content may be theirs")
    _narrow(descriptor, file)


def _narrow(descriptor: int, path: Path) -> None:
    """Take away the rights of others.

    Raises:
        NotPrivateError: this file system keeps no rights, or cannot be written.
    """
    mode = stat.S_IMODE(os.fstat(descriptor).st_mode)
    if not mode & _OTHERS:
        return
    try:
        os.fchmod(descriptor, mode & 0o700)
    except OSError as error:
        raise NotPrivateError(path, f"others can read it ({error.strerror})") from None
    if os.fstat(descriptor).st_mode & _OTHERS:
        raise NotPrivateError(path, "others can read it, and this file system keeps no rights")


def _may_hold_foreign(descriptor: int) -> bool:
    """Whether others can write to a folder that holds more than empty files and folders.

    What they moved here may have been the user's own before: a file of a clone, or an older one of ours.
    """
    if not os.fstat(descriptor).st_mode & _OTHERS_WRITE:
        return False
    with os.scandir(descriptor) as entries:
        return not all(_is_empty(entry, descriptor) for entry in entries)


def _is_empty(entry: os.DirEntry[str], folder: int) -> bool:
    if not entry.is_dir(follow_symlinks=False):
        return entry.is_file(follow_symlinks=False) and not entry.stat(follow_symlinks=False).st_size
    descriptor = os.open(entry.name, _FOLDER, dir_fd=folder)
    try:
        with os.scandir(descriptor) as entries:
            return next(entries, None) is None
    finally:
        os.close(descriptor)


def _holds_others(descriptor: int) -> bool:
    return any(not name.startswith(_OURS) for name in os.listdir(descriptor))
