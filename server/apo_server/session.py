"""What the server holds for one client: settings, documents, what is known about them, and their views."""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from apo_engine.problems import Problem
from apo_engine.settings import cache_dir
from apo_server.capabilities import ClientCapabilities
from apo_server.documents import Document, Documents
from apo_server.knowledge import Knowledge, KnowledgeStore, merged
from apo_server.settings import ServerSettings
from apo_server.view import PromptView, place

if TYPE_CHECKING:
    from apo_engine.prompt.file import PromptFile

_log = logging.getLogger(__name__)


@dataclass(slots=True)
class _Memory:
    """What is remembered of one open prompt besides its text."""

    known: Knowledge | None = None
    ignored: frozenset[str] = frozenset()
    trouble: tuple[Problem, ...] = ()
    troubled_text: str = ""
    parsed: tuple[str, PromptFile, tuple[Problem, ...]] | None = None
    view: PromptView | None = None


@dataclass(slots=True)
class Session:
    """The state of one connection. ``changed`` is told the address of a prompt whose view is no longer what it was."""

    changed: Callable[[str], None]
    client: ClientCapabilities = field(default_factory=ClientCapabilities)
    settings: ServerSettings = field(default_factory=ServerSettings)
    documents: Documents = field(default_factory=Documents)
    _memories: dict[str, _Memory] = field(default_factory=dict)

    @property
    def cache(self) -> Path:
        """The folder of everything stored."""
        return Path(self.settings.cache).expanduser() if self.settings.cache else cache_dir(os.environ)

    @property
    def store(self) -> KnowledgeStore:
        """What is kept of earlier sessions."""
        return KnowledgeStore(self.cache)

    def view(self, uri: str) -> PromptView | None:
        """The current version of an open prompt with everything in its place; None for other documents."""
        document = self.documents.get(uri)
        if document is None or not document.is_prompt:
            return None
        memory = self._memories.setdefault(document.uri, _Memory())
        if memory.view is None or memory.view.document is not document:
            memory.view = _view(document, memory)
        return memory.view

    async def opened(self, uri: str) -> None:
        """Remember what earlier sessions found out about a prompt."""
        view = self.view(uri)
        if view is None or view.document.path is None:
            return
        store, path, text = self.store, view.document.path, view.prompt.text
        known, ignored = await asyncio.to_thread(lambda: (store.load(path, text), store.ignored(path)))
        memory = self._memories.get(view.document.uri)
        # A run may have been quicker, or the document may be closed again.
        if memory is not None and memory.known is None and self.settings.trusted:
            memory.known, memory.ignored = known, ignored
            self._renew(view.document.uri)

    def closed(self, uri: str) -> None:
        """Forget an open prompt; what is kept on disk stays."""
        document = self.documents.get(uri)
        self.documents.close(uri)
        self._memories.pop(document.uri if document else uri, None)

    def learned(self, uri: str, found: Knowledge) -> Knowledge:
        """Take up what a run found, joined with what was known about the same text."""
        memory = self._memories.get(uri)
        known = merged(memory.known if memory else None, found)
        if memory is not None:
            memory.known, memory.trouble = known, ()
            self._renew(uri)
        return known

    def troubled(self, uri: str, text: str, problems: tuple[Problem, ...]) -> None:
        """Remember what stopped a run on a text; it is shown until the text changes or a run succeeds."""
        memory = self._memories.get(uri)
        if memory is not None:
            memory.trouble, memory.troubled_text = problems, text
            self._renew(uri)

    async def ignore(self, uri: str, critique: str) -> None:
        """Do not show a critique of a prompt again, in this session and later ones."""
        document, memory = self.documents.get(uri), self._memories.get(uri)
        if document is None or memory is None:
            return
        memory.ignored |= {critique}
        self._renew(document.uri)
        store, path = self.store, document.path
        if path is not None:
            await asyncio.to_thread(store.ignore, path, critique)

    def _renew(self, uri: str) -> None:
        memory = self._memories.get(uri)
        if memory is not None:
            memory.view = None
            self.changed(uri)


def _view(document: Document, memory: _Memory) -> PromptView:
    if memory.parsed is None or memory.parsed[0] != document.text:
        memory.parsed = (document.text, *_parsed(document))
    _, prompt, problems = memory.parsed
    known = memory.known
    passages = place(known.findings, known.text, prompt.text, memory.ignored) if known else ()
    trouble = memory.trouble if prompt.text == memory.troubled_text else ()
    return PromptView(document, prompt, problems, known, passages, trouble)


def _parsed(document: Document) -> tuple[PromptFile, tuple[Problem, ...]]:
    from apo_engine.prompt.checks import check_prompt
    from apo_engine.prompt.file import parse_prompt

    prompt = parse_prompt(document.text, document.path)
    return prompt, tuple(dict.fromkeys((*prompt.problems, *check_prompt(prompt, None))))
