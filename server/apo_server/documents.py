"""The documents that the editor has open, as immutable snapshots."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from urllib.parse import unquote

from lsprotocol import types

from apo_server.addresses import path_of
from apo_server.positions import Encoding, PositionMapper


@dataclass(frozen=True)
class Document:
    """One version of one open document. ``path`` is None for what is not a file."""

    uri: str
    language: str
    version: int | None
    text: str
    encoding: Encoding

    @cached_property
    def path(self) -> Path | None:
        """Where the document lies on disk."""
        return path_of(self.uri)

    @cached_property
    def positions(self) -> PositionMapper:
        """The positions of this version."""
        return PositionMapper(self.text, self.encoding)

    @property
    def is_prompt(self) -> bool:
        """Whether this is a `.prompt` file, saved or not."""
        return self.language == "dotprompt" or unquote(self.uri).lower().endswith(".prompt")

    @property
    def is_partial(self) -> bool:
        """Whether other prompts may include this one."""
        return self.is_prompt and self.path is not None and self.path.name.startswith("_")

    def changed(self, changes: list[types.TextDocumentContentChangeEvent], version: int | None) -> Document:
        """The next version: the changes applied in order, each to the outcome of the one before."""
        document = self
        for change in changes:
            text = change.text
            if isinstance(change, types.TextDocumentContentChangePartial):
                span = document.positions.span(change.range)
                text = document.text[: span.start] + text + document.text[span.end :]
            document = Document(self.uri, self.language, version, text, self.encoding)
        return document if changes else replace(self, version=version)


class Documents:
    """What is open now. Spellings of an address that differ in percent-encoding alone are the same document."""

    def __init__(self, encoding: Encoding = "utf-16") -> None:
        self._encoding: Encoding = encoding
        self._open: dict[str, Document] = {}

    def open(self, item: types.TextDocumentItem) -> None:
        """A document was opened (again)."""
        document = Document(item.uri, item.language_id, item.version, item.text, self._encoding)
        self._open[unquote(item.uri)] = document

    def change(self, params: types.DidChangeTextDocumentParams) -> None:
        """A document was changed; a change of one that is not open is ignored."""
        document = self.get(params.text_document.uri)
        if document is not None:
            changed = document.changed(list(params.content_changes), params.text_document.version)
            self._open[unquote(document.uri)] = changed

    def close(self, uri: str) -> None:
        """A document was closed."""
        self._open.pop(unquote(uri), None)

    def get(self, uri: str) -> Document | None:
        """The current version, if the document is open."""
        return self._open.get(unquote(uri))

    def __iter__(self) -> Iterator[Document]:
        return iter(list(self._open.values()))
