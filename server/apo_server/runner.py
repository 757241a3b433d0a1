"""One run in the background: plan, consent, engine, and what it found, put before the user."""

from __future__ import annotations

import asyncio
import re
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import msgspec

from apo_engine.evaluation.result import RowAnswer
from apo_engine.models.purse import EMPTY, DailyCaps
from apo_engine.names import shown_name
from apo_engine.problems import ApoError, Problem, Severity
from apo_engine.search.events import AnyEvent, CustomMetric, Job, ModelFile, Noted, RunEnded, RunStarted, VerdictReached
from apo_server.addresses import holds_any
from apo_server.advance import Advance
from apo_server.code_questions import code_not_allowed, files_in_full, model_file_not_allowed
from apo_server.consent import Consent
from apo_server.consent_file import Grant
from apo_server.consent_scope import needed_scope
from apo_server.engine import EngineClient, WorkerDied
from apo_server.jobs import Order, Turn
from apo_server.session import Session
from apo_server.settings import ServerSettings
from apo_server.wire import Reply, Request

if TYPE_CHECKING:
    from apo_server.collector import Collector

_TITLES: dict[Job, str] = {"evaluate": "Evaluating", "gradients": "Finding critiques of", "optimize": "Optimizing"}
# What a run says when its rows, its prompt or its endpoints are no longer those of the plan.
_STALE = "consent-stale"
_WITHDRAWN = Problem("consent-withdrawn", "The run ended: consent to it was withdrawn.", severity=Severity.INFORMATION)
# A prompt whose files change each time that somebody looks is not run.
_TRIES = 5
# Findings come in bursts; they are shown together.
_BURST = 0.05
_FIGURE = re.compile(r"\d[\d.,]*")


class Progress(Protocol):
    """Shows how far a run has come."""

    def update(self, advance: Advance) -> None:
        """The run has come this far."""

    def end(self, words: str) -> None:
        """The run is over."""


class Screen(Protocol):
    """What a run may put before the user."""

    def progress(self, title: str, uri: str) -> Progress:
        """Begin to show a run."""
        ...

    def tell(self, message: str, severity: Severity) -> None:
        """Show a message."""

    def tell_problem(self, problem: Problem) -> None:
        """Show what is wrong."""

    def advanced(self) -> None:
        """A run has come further."""

    def note(self, message: str) -> None:
        """Write a line into the editor's log."""

    def workspace_of(self, uri: str) -> str:
        """The address of the workspace that a document belongs to."""
        ...


@dataclass(frozen=True, slots=True)
class _Permit:
    """A request that may be made, and what it will say first.

    ``needed`` is what the user's yes must cover, as it was when the rows were counted; None if a setting allows it.
    """

    request: Request
    started: RunStarted
    needed: Grant | None

    def concerns(self, folder: str) -> bool:
        """Whether it is for a folder, given by its address: for a workspace in it, or for files that lie in it."""
        return holds_any(folder, self.request.workspace, self.request.concerned)


class Runner:
    """Carries out orders."""

    def __init__(self, session: Session, engine: EngineClient, consent: Consent, screen: Screen) -> None:
        self._session = session
        self._engine = engine
        self._consent = consent
        self._screen = screen
        self._told: set[tuple[str, str]] = set()
        self._noted: set[tuple[str, str]] = set()
        # The digests of the code whose files are listed in the log.
        self._listed: set[str] = set()
        self._advances: dict[str, Advance] = {}
        self._runs: dict[str, str] = {}
        self._told_empty: set[tuple[str, str]] = set()
        self._paused: dict[str, date] = {}
        # By prompt, what its job may do.
        self._permits: dict[str, _Permit] = {}
        # Single rows that are being answered.
        self._answering: dict[asyncio.Future[Reply], _Permit] = {}

    def advance(self, uri: str) -> Advance | None:
        """How far the run of a prompt has come; None where none has begun."""
        return self._advances.get(uri)

    def run(self, uri: str) -> str | None:
        """The id of the run of a prompt that is under way; None where none is."""
        return self._runs.get(uri)

    async def report(self, uri: str) -> object:
        """The report of the run under way for a prompt, else of the last one there is most to read of; None without.

        It is what `apo report --json` prints.

        Raises:
            ApoError: the run is not kept any more, or cannot be read.
        """
        view = self._session.view(uri)
        ran = view.known.ran if view is not None and view.known is not None else None
        run = self.run(uri) or (ran.run if ran else None)
        if run is None:
            return None
        reply = await self._engine.ask(Request(0, "report", run=run, cache=self._session.settings.cache))
        return msgspec.json.decode(reply.report)

    async def carry_out(self, order: Order, turn: Turn) -> None:
        """Run a job to its end; whatever stops it is told once, and shown in the prompt where it has a place there.

        The turn is taken last: a question that nobody answers keeps no other job waiting.
        """
        try:
            for _ in range(_TRIES):
                permit = await self._permitted(order)
                if permit is None:
                    return
                self._permits[order.uri] = permit
                try:
                    async with turn:
                        await self._run(order, permit)
                    return
                except ApoError as error:
                    self._require_replan(permit, error)
                finally:
                    self._permits.pop(order.uri, None)
            self._tell_once(order, _never_the_same(order))
        except WorkerDied:
            # The engine client has told so; a job that was asked for says what became of it.
            if order.asked:
                self._screen.tell("The run ended with the engine process. Start it again.", Severity.WARNING)
        except ApoError as error:
            self._stopped_by(order, error.problems)

    async def answer(self, order: Order, row: Path, line: int) -> RowAnswer | None:
        """What the prompt of an order answers on one row; None where it may not be asked, which is told."""
        try:
            for _ in range(_TRIES):
                permit = await self._permitted(order)
                if permit is None:
                    return None
                try:
                    return await self._answer(order, permit, row, line)
                except ApoError as error:
                    self._require_replan(permit, error)
            self._tell_once(order, _never_the_same(order))
        except WorkerDied:
            self._screen.tell("The engine process ended before the answer came. Try again.", Severity.WARNING)
        except ApoError as error:
            if error.problems[0].code == _WITHDRAWN.code:
                self._screen.tell_problem(_WITHDRAWN)
                return None
            for problem in error.problems:
                self._screen.tell_problem(problem)
        return None

    def sends_from(self, uri: str, folder: str) -> bool:
        """Whether the job of a prompt may send something that consent for a folder, given by its address, is about."""
        permit = self._permits.get(uri)
        return permit is not None and permit.concerns(folder)

    def withdraw(self, folder: str) -> None:
        """End the single rows that are being answered by consent for a folder: it is withdrawn."""
        for asking in [asking for asking, permit in self._answering.items() if permit.concerns(folder)]:
            asking.cancel()

    async def _answer(self, order: Order, permit: _Permit, row: Path, line: int) -> RowAnswer | None:
        self._require_consent(permit)
        workspace = permit.request.workspace
        request = msgspec.structs.replace(permit.request, do="row", row=str(row), line=line)
        asking = asyncio.ensure_future(self._engine.ask(request))
        self._answering[asking] = permit
        try:
            await asyncio.wait([asking])
        finally:
            del self._answering[asking]
            asking.cancel()
        if asking.cancelled():
            return None
        reply = asking.result()
        self._consent.begun(workspace, permit.started)
        return reply.row

    def _require_consent(self, permit: _Permit) -> None:
        """Make sure that no server of the user's has withdrawn what a request needs since it was permitted.

        Raises:
            ApoError: one has; the code is ``consent-withdrawn``.
        """
        workspace = permit.request.workspace
        mark = self._consent.withdrawals().mark(workspace, permit.request.concerned)
        same = mark == permit.request.withdrawal
        if not same or (
            permit.needed is not None and not self._consent.holds(workspace, permit.started, permit.needed)
        ):
            raise ApoError(_WITHDRAWN)

    def _require_replan(self, permit: _Permit, error: ApoError) -> None:
        """Make sure that an error means no more than that the plan is out of date, so that a new one may be made.

        Raises:
            ApoError: it means something else, or the user has just been asked about the plan: then nothing but that may
                be sent, and the next run asks anew.
        """
        if error.problems[0].code != _STALE or self._consent.waits(permit.request.workspace, permit.started):
            raise error

    async def _permitted(self, order: Order) -> _Permit | None:
        """The request for an order, once everything it needs is allowed; None where it is not, which is told.

        Raises:
            ApoError: the prompt, its settings or its rows cannot be used.
        """
        for _ in range(_TRIES):
            settings = self._session.settings_of(order.uri)
            permit = await self._permitted_under(order, settings)
            # Settings that changed while a question was open hold for what it is about.
            if permit is None or settings == self._session.settings_of(order.uri):
                return permit
        self._tell_once(order, _never_the_same(order))
        return None

    async def _permitted_under(self, order: Order, settings: ServerSettings) -> _Permit | None:
        workspace = self._screen.workspace_of(order.uri)
        # As it is before anything is asked: a withdrawal in another server ends what is agreed to meanwhile, too.
        before = self._consent.withdrawals()
        request = Request(
            id=0,
            do=order.job,
            path=str(order.path),
            text=order.text,
            editor=dict(settings.editor),
            cache=settings.cache,
            workspace=workspace,
            allowed_roots=self._session.allowed_roots,
            own_models=settings.own_models,
            daily=settings.daily if settings.daily != DailyCaps() else None,
        )
        started = await self._engine.plan(request)
        code = started.custom_metric
        if code is not None:
            if not await self._may_run(order, workspace, code):
                self._tell_once(order, code_not_allowed(order.path.name, code))
                return None
            request = msgspec.structs.replace(request, custom_metric=code.digest)
        for file in started.model_files:
            if not await self._may_load(order, workspace, file):
                self._tell_once(order, model_file_not_allowed(order.path.name, file))
                return None
            request = msgspec.structs.replace(request, model_files=(*request.model_files, file))
        # A link that is put in a file's place later changes nothing of what was read, and of what a yes covers.
        needed = needed_scope(workspace, started)
        mark = before.mark(workspace, needed.paths)
        # Whoever allowed it, the engine sends what was planned here, and to nobody else.
        request = msgspec.structs.replace(request, agreed=started.fingerprint, withdrawal=mark, concerned=needed.paths)
        if started.local or settings.consent:
            return _Permit(request, started, None)
        if not await self._consent.to_send(workspace, started, asked=order.asked):
            self._explain_consent(order)
            return None
        view = self._session.view(order.uri)
        if self._consent.waits(workspace, started) and view is not None and view.prompt.text != order.text:
            message = f"Nothing was sent: {shown_name(order.path.name)} changed while the question was open."
            self._tell_once(order, Problem(_STALE, message, "Start the run again.", severity=Severity.WARNING))
            return None
        return _Permit(request, started, needed)

    def paused(self, uri: str) -> bool:
        """Whether the last run of a prompt was stopped by what may be spent today."""
        return self._paused.get(uri) == date.today()

    async def _may_run(self, order: Order, workspace: str, code: CustomMetric) -> bool:
        # Without trust in a workspace nothing of it is run; no question may lead around that.
        if code.digest not in self._listed:
            # The question names a few of the files.
            self._listed.add(code.digest)
            self._screen.note(files_in_full(order.path.name, code))
        return self._session.settings.trusted and await self._consent.to_run(
            workspace, order.path.name, code, asked=order.asked
        )

    async def _may_load(self, order: Order, workspace: str, file: ModelFile) -> bool:
        return self._session.settings.trusted and await self._consent.to_load(
            workspace, order.path.name, file, asked=order.asked
        )

    async def _run(self, order: Order, permit: _Permit) -> None:
        from apo_server.collector import Collector

        self._require_consent(permit)
        collector = Collector(order.text, (order.path.parent, *self._session.texts.roots))
        progress = self._screen.progress(f"{_TITLES[order.job]} {shown_name(order.path.name)}", order.uri)
        workspace = permit.request.workspace
        self._paused.pop(order.uri, None)
        if order.asked:
            self._noted = {(uri, words) for uri, words in self._noted if uri != order.uri}
        advance = self._advances[order.uri] = Advance()
        words = "cancelled"
        showing: asyncio.Task[None] | None = None
        try:
            async for event in self._engine.run(permit.request):
                if isinstance(event, RunStarted):
                    self._runs[order.uri] = event.run
                    self._consent.begun(workspace, permit.started)
                self._require_consent(permit)
                if advance.add(event):
                    progress.update(advance)
                    self._screen.advanced()
                self._note(order, event)
                if collector.add(event) and (showing is None or showing.done()):
                    showing = asyncio.ensure_future(self._show(order, collector))
                words = _closing_words(event) or words
            if showing is not None:
                await showing
            await self._show(order, collector, keep=True)
        except ApoError:
            words = "stopped"
            raise
        finally:
            if showing is not None:
                showing.cancel()
            self._advances.pop(order.uri, None)
            self._runs.pop(order.uri, None)
            progress.end(words)

    async def _show(self, order: Order, collector: Collector, *, keep: bool = False) -> None:
        if not keep:
            await asyncio.sleep(_BURST)
        found = await asyncio.to_thread(collector.knowledge)
        if found.empty:
            return
        known = self._session.learned(order.uri, found)
        self._told = {(uri, words) for uri, words in self._told if uri != order.uri}
        if keep:
            await asyncio.to_thread(self._session.store.save, order.path, known)

    def _note(self, order: Order, event: AnyEvent) -> None:
        if isinstance(event, Noted):
            self._screen.note(f"{shown_name(order.path.name)}: {event.message}")
            if event.severity is not Severity.INFORMATION:
                self._advise(order, event.message, event.severity)
        elif isinstance(event, VerdictReached) and not self._session.client.status:
            # A client that follows what runs tells the verdict itself, with its own ways on from there.
            advice = "Adopt the winner" if event.verdict.decision == "adopt" else "Keep your prompt"
            self._screen.tell(f"{shown_name(order.path.name)}: {advice}: {event.verdict.words}.", Severity.INFORMATION)
        elif isinstance(event, RunEnded) and event.code == EMPTY:
            self._pause(order, event.reason)
        elif isinstance(event, RunEnded) and event.stopped in ("budget", "endpoint"):
            stopped = Problem(event.code, f"The run stopped: {event.reason}.", severity=Severity.WARNING)
            self._tell_once(order, stopped)

    def _stopped_by(self, order: Order, problems: tuple[Problem, ...]) -> None:
        if problems[0].code == EMPTY:
            self._pause(order, str(problems[0]))
            return
        if problems[0].code == _WITHDRAWN.code:
            self._tell_once(order, _WITHDRAWN)
            return
        self._session.troubled(order.uri, order.text, problems)
        here = [problem for problem in problems if problem.place is not None and problem.place.path == order.path]
        elsewhere = [problem for problem in problems if problem not in here]
        # What stands in the prompt as a diagnostic needs a message only where the user waits for the answer.
        for problem in problems if order.asked else elsewhere:
            self._tell_once(order, problem)

    def _pause(self, order: Order, message: str) -> None:
        """Tell that the day's money is spent: once a day for a workspace, and to whoever asks."""
        empty = (self._screen.workspace_of(order.uri), date.today().isoformat())
        self._paused[order.uri] = date.today()
        if order.asked or empty not in self._told_empty:
            self._told_empty.add(empty)
            paused = Problem(EMPTY, f"Paused by budget. {message}", severity=Severity.INFORMATION)
            self._screen.tell_problem(paused)

    def _tell_once(self, order: Order, problem: Problem) -> None:
        """Tell; of background work each problem once until a run succeeds, for every save would bring it again."""
        if order.asked or (order.uri, str(problem)) not in self._told:
            self._told.add((order.uri, str(problem)))
            self._screen.tell_problem(problem)

    def _advise(self, order: Order, message: str, severity: Severity) -> None:
        """Tell what a run notes by the way, each note once: in background work not again until a run is asked for.

        With other figures it is the same note.
        """
        note = (order.uri, _FIGURE.sub("#", message))
        if note not in self._noted:
            self._noted.add(note)
            self._screen.tell(f"{shown_name(order.path.name)}: {message}", severity)

    def _explain_consent(self, order: Order) -> None:
        if order.asked:
            self._screen.tell(
                "Nothing was sent: this run needs your consent. Allow it when asked, or set 'apo.consent' to true in "
                "your own settings (in the initialization options, where the editor has no settings of yours).",
                Severity.INFORMATION,
            )


def _never_the_same(order: Order) -> Problem:
    message = f"{shown_name(order.path.name)} was not run: what it would send changes all the time."
    return Problem(_STALE, message, "Let its files rest, and start the run again.", severity=Severity.WARNING)


def _closing_words(event: AnyEvent) -> str | None:
    return event.reason if isinstance(event, RunEnded) else None
