"""The text of a file as the user sees it: the editor's where it is open, else what lies on disk."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path

from apo_server.documents import Document, Documents

# Partials are small, and few are in use at a time.
_KEPT = 64


class Texts:
    """Reads small files; one that has not changed on disk is read once."""

    def __init__(
        self, documents: Callable[[], Documents], folders: Callable[[], tuple[Path, ...]] = lambda: ()
    ) -> None:
        self._documents = documents
        self._folders = folders
        self._read: OrderedDict[Path, tuple[tuple[int, int], str]] = OrderedDict()

    @property
    def roots(self) -> tuple[Path, ...]:
        """Where rows may lie: in the workspace's folders, and in the folders of open prompts."""
        prompts = (document.path for document in self._documents() if document.is_prompt)
        own = dict.fromkeys(path.parent for path in prompts if path is not None)
        return (*self._folders(), *own)

    def read(self, path: Path, folder: Path) -> str | None:
        """The text at a path in a folder; None where there is no file.

        Raises:
            OSError: it cannot be read, lies elsewhere, is not a regular file or is too large.
            UnicodeDecodeError: it is not UTF-8 text.
        """
        from apo_engine.prompt.partials import read_partial

        document = self.open_at(path)
        if document is not None:
            return document.text
        try:
            stat = path.stat()
            stamp = (stat.st_mtime_ns, stat.st_size)
        except (FileNotFoundError, NotADirectoryError):
            return None
        known = self._read.get(path)
        if known is None or known[0] != stamp:
            text = read_partial(path, folder)
            if text is None:
                return None
            known = self._read[path] = (stamp, text)
        self._read.move_to_end(path)
        while len(self._read) > _KEPT:
            self._read.popitem(last=False)
        return known[1]

    def open_at(self, path: Path) -> Document | None:
        """The open document that lies at a path."""
        return next((document for document in self._documents() if document.path == path), None)
