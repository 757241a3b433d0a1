"""The server: one connection to an editor, and the engine process behind it."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Collection
from pathlib import Path
from typing import Any

from pygls.lsp.server import LanguageServer

from apo_engine.problems import Severity
from apo_engine.search.events import Job
from apo_server.addresses import is_elsewhere, is_held_by
from apo_server.consent import Consent
from apo_server.engine import EngineClient
from apo_server.jobs import Jobs, Order, Turn
from apo_server.lookups import Lookups
from apo_server.protocol import ApoProtocol
from apo_server.runner import Runner
from apo_server.screen import EditorScreen
from apo_server.session import Session
from apo_server.settings import NO_TOKEN_TO_CHANGE
from apo_server.sources import files_of, normal, partials_of, stamps
from apo_server.status import StatusFeed
from apo_server.surveys import Surveys
from apo_server.transports import Line
from apo_server.view import PromptView

_log = logging.getLogger(__name__)
# How long the end of everything may take once the editor is gone, in seconds.
_PATIENCE = 10.0


class ApoLanguageServer(LanguageServer):
    """One connection to an editor, and the engine process behind it."""

    protocol: ApoProtocol

    def __init__(self, version: str) -> None:
        super().__init__("apo-language-server", version, protocol_cls=ApoProtocol)
        self.screen = EditorScreen(self)
        self.engine = EngineClient(on_death=lambda words: self.screen.tell(words, Severity.WARNING))
        lookups = Lookups(self.engine.ask, self.screen.refresh_hints, lambda: self.session.settings.cache)
        self.session = Session(self.screen.changed, lookups)
        self.consent = Consent(self.screen.ask, note=self.screen.note)
        self.runner = Runner(self.session, self.engine, self.consent, self.screen)
        self.surveys = Surveys(self.session, self.engine, self.screen.show_rows)
        self.status = StatusFeed(self)
        self.jobs = Jobs(self._carry_out, on_change=self.screen.refresh_lenses)
        self.complaints: tuple[str, ...] = ()
        # Whether the peer started this process or has shown the token.
        self.authenticated = False
        self.said_cache_ignored = False
        self._said_no_token = False
        self.configured = asyncio.Event()
        self.exit_code = 0
        self._closed = False
        self._left = False
        self._tasks: set[asyncio.Future[Any]] = set()

    async def serve(self, line: Line) -> None:
        """Serve the editor at the other end of a line until it leaves or is gone, then end everything."""
        self.authenticated = line.authenticated
        self.protocol.set_writer(line.writer, include_headers=line.framed)
        try:
            async for body in line.bodies:
                self.protocol.take(body)
                await self.protocol.settled()
                if self._left:
                    break
        finally:
            with contextlib.suppress(asyncio.TimeoutError):
                await asyncio.wait_for(self.close(), _PATIENCE)

    def spawn(self, work: Awaitable[object]) -> None:
        """Do something beside the answering of requests; a failure is logged."""
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._spawned_ended)

    def report_server_error(self, error: Exception, source: type[Exception]) -> None:
        """Errors go to the log: a message for each would bury the editor, and may quote prompts."""
        _log.error("%s while handling a message", type(error).__name__)
        _log.debug("The error in full:", exc_info=error)

    def order(self, uri: str, job: Job, *, asked: bool) -> None:
        """Begin a job on the current text of a prompt; what keeps it from beginning is told to who asked."""
        view = self.session.view(uri)
        reason = self._obstacle(view)
        if reason is not None or view is None or view.document.path is None:
            if asked:
                self.screen.tell(reason or "Open the prompt first.", Severity.WARNING)
            return
        document = view.document
        assert document.path is not None
        sources = stamps((*files_of(view), *partials_of(view, self.session.texts)))
        self.jobs.place(Order(document.uri, document.path, view.prompt.text, job, asked, sources))

    def background(self, uri: str) -> None:
        """Begin what the settings ask for in the background, for a prompt that has examples and is as it was saved."""
        wanted = self.session.settings_of(uri).background
        view = self.session.view(uri)
        if wanted != "off" and view is not None and "examples" in view.prompt.layer().values:
            self.order(view.document.uri, wanted, asked=False)

    def file_changed(self, path: Path) -> None:
        """A file has changed on disk that a prompt may be reading: rows, or a partial."""
        if path.suffix.lower() == ".prompt":
            self.partial_written(path)
        else:
            self.rows_changed(path)

    def rows_changed(self, path: Path) -> None:
        """An example file has changed: what is said of its rows is no longer certain, nor what was measured on them."""
        for uri in self.surveys.changed(path):
            if self.session.is_saved(uri):
                self.background(uri)

    def partials_changed(self) -> None:
        """A partial has changed: what is said of the prompts that include it is looked at anew."""
        self.session.reread_partials()

    def partial_written(self, path: Path) -> None:
        """A partial has changed on disk: so has what was measured with it."""
        self.partials_changed()
        for view in self.session.prompts:
            included = normal(path) in partials_of(view, self.session.texts)
            if included and self.session.is_saved(view.document.uri):
                self.background(view.document.uri)

    def named(self, arguments: tuple[object, ...]) -> str | None:
        """The prompt that a command is about: the one it names, else the only one; some editors can name none."""
        if arguments:
            return str(arguments[0])
        prompts = self.session.prompts
        if len(prompts) == 1:
            return prompts[0].document.uri
        lead = "Several prompts are open: close the others" if prompts else "Open the prompt first"
        self.screen.tell(f"{lead}, or name one by its address.", Severity.WARNING)
        return None

    def may_change_stored(self) -> bool:
        """Whether the client may change what is stored for the user; one without a token is told why not, once."""
        if not self.authenticated and not self._said_no_token:
            self._said_no_token = True
            self.screen.tell(NO_TOKEN_TO_CHANGE, Severity.WARNING)
        return self.authenticated

    async def _carry_out(self, order: Order, turn: Turn) -> None:
        try:
            await self.runner.carry_out(order, turn)
        finally:
            if order.job == "optimize" and not self._closed:
                # What a search makes one doubt is said at the rows.
                self.surveys.due(order.uri)

    def cancel(self, uri: str) -> bool:
        """Cancel what runs for a prompt."""
        document = self.session.documents.get(uri)
        return self.jobs.cancel(document.uri if document else uri)

    async def revoke_consent(self, workspaces: Collection[str]) -> None:
        """Withdraw what was agreed to for workspaces and those in them, and end what runs there.

        Nothing is sent once this returns.
        """
        for order in self.jobs.orders:
            own = self.session.workspace_of(order.uri)
            if any(is_held_by(own, one) or self.runner.sends_from(order.uri, one) for one in workspaces):
                self.jobs.cancel(order.uri)
        for workspace in workspaces:
            self.runner.withdraw(workspace)
        try:
            taken = [self.consent.revoke(workspace) for workspace in workspaces]
        except OSError as error:
            self.screen.tell(f"The consent cannot be taken back: {error.strerror}.", Severity.ERROR)
            return
        finally:
            await self.jobs.settled()
            await self.engine.settled()
        if self.session.settings.consent:
            said = (
                "Rows are still sent, for your settings allow it: set 'apo.consent' to false and start the server again"
            )
            self.screen.tell(f"{said}.", Severity.WARNING)
            return
        said = "Your consent is taken back" if any(taken) else "There was no consent to take back"
        self.screen.tell(f"{said}. Nothing is sent from this workspace until you allow it again.", Severity.INFORMATION)

    async def close(self) -> None:
        """End jobs, tasks and the engine process."""
        self._closed = True
        await self.jobs.close()
        await self.surveys.close()
        await self.session.lookups.close()
        for task in list(self._tasks):
            task.cancel()
        await self.engine.close()

    def leave(self) -> None:
        """The client says `exit`: in order after `shutdown`, and a failure before it."""
        self._left = True
        self.exit_code = 0 if self._closed else 1

    def _obstacle(self, view: PromptView | None) -> str | None:
        if not self.session.settings.trusted:
            return "This workspace is not trusted: prompts are checked, and not run."
        if view is None:
            return "Open the prompt first."
        if view.document.path is not None:
            return None
        if is_elsewhere(view.document.uri):
            return "The prompt lies on another machine, by its address. Open it by a local path."
        return "Save the prompt to a file first."

    def _spawned_ended(self, task: asyncio.Future[Any]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            _log.warning("A task failed: %s", type(error).__name__)
            _log.debug("The error in full:", exc_info=error)
