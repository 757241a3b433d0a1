"""What the server puts before the user, in the ways that the client has."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from lsprotocol import types

from apo_engine.problems import Problem, Severity
from apo_server import row_lines
from apo_server.features import diagnostics
from apo_server.features.plain import said
from apo_server.features.progress import Progress

if TYPE_CHECKING:
    from apo_server.server import ApoLanguageServer
    from apo_server.view import PromptView

_log = logging.getLogger(__name__)
# Changes that come faster than this, in seconds, are shown together; what an editor asks with each is answered first.
_SOON = 0.005
# A prompt that changes while it is looked at is looked at anew, but not for ever.
_TRIES = 3
# The turns of the loop that a message takes from the pipe to its handler.
_TURNS = 4
# A lens that changes more often than this, in seconds, cannot be read.
_LENS_INTERVAL = 1.0
_MESSAGES = {
    Severity.ERROR: types.MessageType.Error,
    Severity.WARNING: types.MessageType.Warning,
    Severity.INFORMATION: types.MessageType.Info,
}


class EditorScreen:
    """Diagnostics, lenses, messages, questions, pages and progress."""

    def __init__(self, server: ApoLanguageServer) -> None:
        self._server = server
        self._due: set[str] = set()
        self._latest: dict[Path, int] = {}
        self._advanced = 0.0
        self._refreshing: asyncio.Future[None] | None = None

    def show_soon(self, uri: str) -> None:
        """Push the diagnostics of a prompt, unless the client pulls them itself."""
        if self._server.session.client.pull_diagnostics or uri in self._due:
            return
        self._due.add(uri)
        self._server.spawn(self._show(uri))

    def changed(self, uri: str) -> None:
        """What is known about a prompt has changed: diagnostics and lenses are shown anew."""
        self.show_soon(uri)
        if self._server.session.client.pull_diagnostics:
            self._server.spawn(self._server.workspace_diagnostic_refresh_async(None))
        self.refresh_lenses()

    def refresh_lenses(self) -> None:
        """Let the client ask for the lenses again."""
        self._server.status.changed()
        if self._server.session.client.code_lens_refresh:
            self._server.spawn(self._server.workspace_code_lens_refresh_async(None))

    def advanced(self) -> None:
        """A run has come further, which its lens tells; a client that cannot keep up is not asked more often."""
        self._server.status.changed()
        now = time.monotonic()
        if not self._server.session.client.code_lens_refresh or now - self._advanced < _LENS_INTERVAL:
            return
        if self._refreshing is None or self._refreshing.done():
            self._advanced = now
            refreshing = asyncio.ensure_future(self._server.workspace_code_lens_refresh_async(None))
            self._refreshing = refreshing
            self._server.spawn(refreshing)

    def refresh_hints(self) -> None:
        """Let the client ask for the inlay hints again."""
        if self._server.session.client.hint_refresh:
            self._server.spawn(self._server.workspace_inlay_hint_refresh_async(None))

    def clear(self, uri: str) -> None:
        """Take a closed document's diagnostics away."""
        if not self._server.session.client.pull_diagnostics:
            self._server.text_document_publish_diagnostics(types.PublishDiagnosticsParams(uri, []))

    def show_rows(self, path: Path, problems: Sequence[Problem]) -> None:
        """Push the diagnostics of an example file, open or not: no client pulls those of files it does not show."""
        self._latest[path] = self._latest.get(path, 0) + 1
        self._server.spawn(self._show_rows(path, problems, self._latest[path]))

    def progress(self, title: str, uri: str) -> Progress:
        """Begin to show a run; cancelling it there cancels it."""
        supported = self._server.session.client.progress
        return Progress(self._server, title, supported=supported, on_cancel=lambda: self._server.cancel(uri))

    def tell(self, message: str, severity: Severity = Severity.INFORMATION) -> None:
        """Show a message."""
        self._server.window_show_message(types.ShowMessageParams(_MESSAGES[severity], f"APO: {said(message)}"))

    def tell_problem(self, problem: Problem) -> None:
        """Show what is wrong; a client of our own gets it in parts, and offers the way out of it."""
        if not self._server.session.client.status:
            self.tell(str(problem), problem.severity)
            return
        self._server.status.tell(problem)

    def note(self, message: str) -> None:
        """Write a line into the editor's log."""
        self._server.window_log_message(types.LogMessageParams(types.MessageType.Info, said(message)))

    async def ask(self, question: str, answers: tuple[str, ...]) -> str | None:
        """Put a question; None where the client shows none, or the user chooses none."""
        actions = [types.MessageActionItem(answer) for answer in answers]
        params = types.ShowMessageRequestParams(types.MessageType.Info, f"APO: {said(question)}", actions)
        try:
            chosen = await self._server.window_show_message_request_async(params)
        except Exception as error:  # whatever a client answers instead, it is no consent
            _log.debug("The client shows no questions: %s", error)
            return None
        return chosen.title if chosen is not None else None

    async def show_page(self, file: Path) -> None:
        """Open a file beside the prompt; say where it lies where the client cannot."""
        if self._server.session.client.show_document:
            shown = await self._server.window_show_document_async(types.ShowDocumentParams(file.as_uri()))
            if shown is not None and shown.success:
                return
        self.tell(f"The page is in {file}")

    def workspace_of(self, uri: str) -> str:
        """The address of the workspace folder that a document belongs to."""
        return self._server.session.workspace_of(uri)

    async def _show_rows(self, path: Path, problems: Sequence[Problem], number: int) -> None:
        session = self._server.session
        lines = {problem.place.line for problem in problems if problem.place is not None}
        document = session.texts.open_at(path)
        if document is not None:
            ranges = row_lines.ranges_in(document, lines)
        else:
            roots = session.texts.roots
            ranges = await asyncio.to_thread(row_lines.ranges_on_disk, path, lines, session.client.encoding, roots)
        if self._latest.get(path) != number:
            return
        params = types.PublishDiagnosticsParams(
            uri=document.uri if document is not None else path.as_uri(),
            diagnostics=diagnostics.of_rows(problems, ranges),
        )
        self._server.text_document_publish_diagnostics(params)

    async def _show(self, uri: str) -> None:
        try:
            await asyncio.sleep(_SOON)
            await self._look(uri)
        finally:
            self._due.discard(uri)
        view = self._server.session.view(uri)
        if view is None:
            return
        client = self._server.session.client
        params = types.PublishDiagnosticsParams(
            uri=view.document.uri,
            diagnostics=diagnostics.diagnostics(view, client),
            version=view.document.version if client.diagnostic_versions else None,
        )
        self._server.text_document_publish_diagnostics(params)

    async def _look(self, uri: str) -> None:
        """Have a prompt looked at part by part: what is asked for meanwhile, a word to complete say, comes first."""
        session = self._server.session
        for _ in range(_TRIES):
            view = session.view(uri)
            if view is None:
                return
            for _part in _parts(view):
                for _turn in range(_TURNS):
                    await asyncio.sleep(0)
                if session.documents.get(uri) is not view.document:
                    break
            else:
                return


def _parts(view: PromptView) -> Iterator[object]:
    """What diagnostics need, each found out as it is asked for."""
    yield view.prompt.nodes
    yield view.prompt.uses
    yield view.prompt.problems
    yield view.problems
