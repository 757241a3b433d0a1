"""The files in one folder below the folder that the user named: read, written, moved and deleted without links."""

from __future__ import annotations

import contextlib
import logging
import os
import secrets
import shutil
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import BinaryIO

from apo_engine.private import entry_name, open_entry, open_folder, open_root, private_folder

_BEGINNING = 50
_LOG = logging.getLogger(__name__)


@lru_cache(maxsize=256)
def warn_once(message: str) -> None:
    """Log a warning, the same one only once: what is not private is met again with every use."""
    _LOG.warning("%s", message)


@dataclass(frozen=True, slots=True)
class PrivateFolder:
    """A folder below ``root``, the one that the user named; ``parts`` are the names that lead to it.

    Each use walks from the root down and checks every folder on the way (see :mod:`apo_engine.private`). Every method
    raises NotPrivateError where something on the way, or the file itself, is a link or not the user's own, and
    OSError where the system refuses.
    """

    root: Path
    parts: tuple[str, ...] = ()

    @property
    def path(self) -> Path:
        """Where the folder lies."""
        return self.root.joinpath(*self.parts)

    def child(self, name: str) -> PrivateFolder:
        """A folder in this one, whether it is there or not."""
        return PrivateFolder(self.root, (*self.parts, name))

    def read(self, name: str) -> bytes:
        """The content of a file that nobody else can have written.

        Raises:
            FileNotFoundError: there is no such file.
            ExposedError: others can write to it.
        """
        with self.open(name) as file:
            return file.read()

    def open(self, name: str) -> BinaryIO:
        """A file that nobody else can have written, for reading. Raises as `read` does."""
        with self._opened() as folder:
            return os.fdopen(open_entry(folder, self.path / name, os.O_RDONLY, believed=True), "rb")

    def write(self, name: str, content: bytes) -> None:
        """Write a file in one step: readers see the old content or the new. Missing folders are made.

        Whatever had the name before is replaced, and not written to: a link leads nowhere.
        """
        with self.replacing(name) as file:
            file.write(content)

    @contextlib.contextmanager
    def replacing(self, name: str) -> Iterator[BinaryIO]:
        """As `write`, piece by piece; after an error everything is as it was."""
        # The longest names that there may be leave no room for more.
        draft = f"{name[:_BEGINNING]}.{secrets.token_hex(8)}.part"
        with self._opened(make=True) as folder:
            descriptor = open_entry(folder, self.path / draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL)
            try:
                with os.fdopen(descriptor, "wb") as file:
                    yield file
                self._rename(folder, draft, folder, self, name)
            except BaseException:
                with contextlib.suppress(OSError):
                    os.unlink(entry_name(folder, self.path / draft), dir_fd=folder)
                raise

    def entries(self) -> dict[str, os.stat_result]:
        """What is in the folder, by name; of links the link itself. Nothing where there is no folder."""
        found = {}
        with contextlib.suppress(FileNotFoundError), self._opened() as folder:
            for name in os.listdir(self.path if folder is None else folder):  # noqa: PTH208 (an open folder)
                with contextlib.suppress(FileNotFoundError):
                    entry = entry_name(folder, self.path / name)
                    found[name] = os.stat(entry, dir_fd=folder, follow_symlinks=False)
        return found

    def remove(self, name: str) -> None:
        """Delete a file, a link (not what it leads to) or a folder with everything in it; nothing if it is missing."""
        with contextlib.suppress(FileNotFoundError), self._opened() as folder:
            entry = entry_name(folder, self.path / name)
            if stat.S_ISDIR(os.stat(entry, dir_fd=folder, follow_symlinks=False).st_mode):
                shutil.rmtree(entry, dir_fd=folder)
            else:
                os.unlink(entry, dir_fd=folder)

    def move(self, name: str, target: PrivateFolder) -> None:
        """Give a file of this folder to another one, under the same name."""
        with self._opened() as folder, target._opened(make=True) as other:
            os.close(open_entry(folder, self.path / name, os.O_RDONLY, believed=True))
            self._rename(folder, name, other, target, name)

    def _rename(self, folder: int | None, old: str, other: int | None, target: PrivateFolder, new: str) -> None:
        before, now = entry_name(folder, self.path / old), entry_name(other, target.path / new)
        os.replace(before, now, src_dir_fd=folder, dst_dir_fd=other)

    @contextlib.contextmanager
    def _opened(self, *, make: bool = False) -> Iterator[int | None]:
        """The folder, open and checked; None on Windows."""
        if make:
            private_folder(self.root, shared=True)
        with contextlib.ExitStack() as opened:
            folder = open_root(self.root)
            path = self.root
            for part in (None, *self.parts):
                if part is not None:
                    path /= part
                    if make:
                        with contextlib.suppress(FileExistsError):
                            os.mkdir(entry_name(folder, path), 0o700, dir_fd=folder)
                    folder = open_folder(folder, path)
                if folder is not None:
                    opened.callback(os.close, folder)
            yield folder
