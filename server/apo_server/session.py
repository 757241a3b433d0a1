"""What the server holds for one client: settings, documents, what is known about them, and their views."""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from apo_engine.machine import cache_dir, user_layer
from apo_engine.problems import InputError, Problem
from apo_server.addresses import path_of
from apo_server.capabilities import ClientCapabilities
from apo_server.documents import Document, Documents
from apo_server.knowledge import Knowledge, KnowledgeStore, merged
from apo_server.lookups import Lookups
from apo_server.settings import ServerSettings
from apo_server.survey import SurveyOf
from apo_server.texts import Texts
from apo_server.view import PromptView, place
from apo_server.workspaces import workspace_of

if TYPE_CHECKING:
    from apo_engine.prompt.file import PromptFile

_log = logging.getLogger(__name__)


@dataclass(slots=True)
class _Memory:
    """What is remembered of one open prompt besides its text."""

    saved: str = ""
    known: Knowledge | None = None
    ignored: frozenset[str] = frozenset()
    trouble: tuple[Problem, ...] = ()
    troubled_text: str = ""
    survey: SurveyOf | None = None
    parsed: tuple[str, PromptFile] | None = None
    view: PromptView | None = None


@dataclass(slots=True)
class Session:
    """The state of one connection.

    ``changed`` is told the address of a prompt whose view is no longer what it was. ``folders`` are the addresses of
    the workspace folders; ``folder_settings`` those of their settings that differ, by workspace (`workspace_of`).
    """

    changed: Callable[[str], None]
    lookups: Lookups
    client: ClientCapabilities = field(default_factory=ClientCapabilities)
    settings: ServerSettings = field(default_factory=ServerSettings)
    documents: Documents = field(default_factory=Documents)
    texts: Texts = field(init=False)
    folders: tuple[str, ...] = ()
    folder_settings: dict[str, ServerSettings] = field(default_factory=dict)
    _memories: dict[str, _Memory] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.texts = Texts(lambda: self.documents, lambda: tuple(map(Path, self.allowed_roots)))

    @property
    def allowed_roots(self) -> tuple[str, ...]:
        """The workspace folders as paths."""
        return tuple(str(path) for folder in self.folders if (path := path_of(folder)) is not None)

    def workspace_of(self, uri: str) -> str:
        """The workspace folder that holds a document, else the document's own folder; the same for every spelling."""
        return workspace_of(uri, self.folders)

    def settings_of(self, uri: str) -> ServerSettings:
        """The settings of the workspace folder that holds a document, where folders have settings of their own."""
        return (
            self.folder_settings.get(self.workspace_of(uri), self.settings) if self.folder_settings else self.settings
        )

    @property
    def prompts(self) -> tuple[PromptView, ...]:
        """The open prompts."""
        views = (self.view(document.uri) for document in self.documents)
        return tuple(view for view in views if view is not None)

    @property
    def cache(self) -> Path:
        """The folder of everything stored."""
        return Path(self.settings.cache) if self.settings.cache else cache_dir(os.environ)

    @property
    def store(self) -> KnowledgeStore:
        """What is kept of earlier sessions."""
        return KnowledgeStore(self.cache, keeps=self._keeps)

    def _keeps(self) -> bool:
        """Whether what is found out may be written to disk; nothing may where anybody says so. Reads a file."""
        said = [self.settings.editor, *(settings.editor for settings in self.folder_settings.values())]
        try:
            said.append(user_layer().values)
        except InputError:
            # A file that cannot be read stops every run; until it is mended, nothing is known of its wishes.
            return False
        return not any(layer.get("keep") == "nothing" for layer in said)

    def view(self, uri: str) -> PromptView | None:
        """The current version of an open prompt with everything in its place; None for other documents."""
        document = self.documents.get(uri)
        if document is None or not document.is_prompt:
            return None
        memory = self._memories.setdefault(document.uri, _Memory())
        if memory.view is None or memory.view.document is not document:
            memory.view = _view(document, memory, self.texts)
        return memory.view

    async def opened(self, uri: str) -> None:
        """A prompt was opened, as it lies on disk as far as anybody knows."""
        self.saved(uri)
        await self.recall(uri)

    async def recall(self, uri: str) -> None:
        """Remember what earlier sessions found out about a prompt."""
        view = self.view(uri)
        # To load is also to move what is known of a prompt that was renamed: only for a user who trusts the workspace.
        if view is None or view.document.path is None or not self.settings.trusted:
            return
        store, path, text, roots = self.store, view.document.path, view.prompt.text, self.texts.roots
        known, ignored = await asyncio.to_thread(lambda: (store.load(path, text, roots), store.ignored(path)))
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

    def reread_partials(self) -> None:
        """Look anew at every open prompt that includes others."""
        from apo_engine.prompt.partials import partial_names

        for view in self.prompts:
            if partial_names(view.prompt.nodes):
                self._renew(view.document.uri)

    def surveyed(self, uri: str, survey: SurveyOf | None) -> None:
        """Take up what a look through a prompt's example files found; None where it names none any more."""
        memory = self._memories.get(uri)
        if memory is not None and memory.survey != survey:
            memory.survey = survey
            self._renew(uri)

    def survey(self, uri: str) -> SurveyOf | None:
        """What the last look through a prompt's example files found."""
        memory = self._memories.get(uri)
        return memory.survey if memory is not None else None

    def surveys_of(self, path: Path) -> dict[str, SurveyOf]:
        """What was found for each open prompt, by its address, that names an example file."""
        surveys = ((view.document.uri, self.survey(view.document.uri)) for view in self.prompts)
        return {uri: survey for uri, survey in surveys if survey is not None and path in survey.files}

    def saved(self, uri: str) -> None:
        """The prompt on disk is the one in the editor now."""
        view = self.view(uri)
        if view is not None:
            self._memories[view.document.uri].saved = view.document.text

    def is_saved(self, uri: str) -> bool:
        """Whether the editor shows a prompt as it was saved, or opened."""
        document, memory = self.documents.get(uri), self._memories.get(uri)
        return document is not None and memory is not None and memory.saved == document.text

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

    async def restore(self, uri: str) -> None:
        """Show again every critique of a prompt that was ignored."""
        document, memory = self.documents.get(uri), self._memories.get(uri)
        if document is None or memory is None:
            return
        memory.ignored = frozenset()
        self._renew(document.uri)
        store, path = self.store, document.path
        if path is not None:
            await asyncio.to_thread(store.restore, path)

    def _renew(self, uri: str) -> None:
        memory = self._memories.get(uri)
        if memory is not None:
            memory.view = None
            self.changed(uri)


def _view(document: Document, memory: _Memory, texts: Texts) -> PromptView:
    from apo_engine.prompt.file import parse_prompt

    if memory.parsed is None or memory.parsed[1].path != document.path:
        memory.parsed = (document.text, parse_prompt(document.text, document.path))
    elif memory.parsed[0] != document.text:
        memory.parsed = (document.text, memory.parsed[1].changed(document.text))
    prompt, known, survey = memory.parsed[1], memory.known, memory.survey
    facts = survey.facts if survey else None
    placed = place(known.findings, known.text, prompt.text) if known else ()
    passages = tuple(passage for passage in placed if passage.finding.id not in memory.ignored)
    ignored = tuple(passage for passage in placed if passage.finding.id in memory.ignored)
    trouble = memory.trouble if prompt.text == memory.troubled_text else ()
    check = partial(_problems, prompt, survey, texts)
    return PromptView(document, prompt, check, known, passages, ignored, trouble, facts)


def _problems(prompt: PromptFile, survey: SurveyOf | None, texts: Texts) -> tuple[Problem, ...]:
    """What can be said of a prompt at once, given what is known of its rows."""
    from apo_engine.evaluation.checks import check_labels
    from apo_engine.prompt.checks import check_prompt
    from apo_engine.prompt.partials import partial_problems

    facts = survey.facts if survey else None
    columns = [column.name for column in facts.columns] if facts else None
    found = [*prompt.problems, *check_prompt(prompt, columns), *partial_problems(prompt, texts.read)]
    found += survey.in_prompt(prompt) if survey else ()
    found += check_labels(prompt, facts) if facts else ()
    return tuple(dict.fromkeys(found))
