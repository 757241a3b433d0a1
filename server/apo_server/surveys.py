"""Looking through the example files of open prompts, in the engine process, whenever one of them may have changed."""

from __future__ import annotations

import asyncio
import logging
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from apo_engine.problems import ApoError, Problem
from apo_server.engine import EngineClient
from apo_server.session import Session
from apo_server.sources import Stamp, files_of, normal, partials_of, stamps
from apo_server.survey import SurveyOf
from apo_server.view import PromptView
from apo_server.wire import Request

_log = logging.getLogger(__name__)
# Changes that come within this time, in seconds, are looked at together.
_DEBOUNCE = 0.3
# Edits that come within this time, in seconds, are looked at together: looking means parsing the prompt.
_BURST = 0.02
# Shows the problems of an example file; none takes back what was shown.
Show = Callable[[Path, Sequence[Problem]], None]


class Surveys:
    """Keeps what is known of example files true to the files. One file set is looked through at a time."""

    def __init__(self, session: Session, engine: EngineClient, show: Show) -> None:
        self._session = session
        self._engine = engine
        self._show = show
        self._turn = asyncio.Semaphore(1)
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._again: set[str] = set()
        self._edited: set[str] = set()
        self._keys: dict[str, object] = {}
        self._files: defaultdict[str, tuple[Path, ...]] = defaultdict(tuple)
        self._stamps: dict[str, dict[Path, Stamp]] = {}
        self._shown: set[Path] = set()

    def due(self, uri: str) -> None:
        """Look through the example files of a prompt soon."""
        if uri in self._tasks:
            self._again.add(uri)
            return
        task = self._tasks[uri] = asyncio.ensure_future(self._survey_soon(uri))
        task.add_done_callback(lambda task: self._ended(uri, task))

    def edited(self, uri: str) -> None:
        """A prompt was edited: look again where what it says about its rows has changed, once for a burst of edits."""
        if uri not in self._edited:
            self._edited.add(uri)
            asyncio.get_running_loop().call_later(_BURST, self._compare, uri)

    def changed(self, path: Path) -> list[str]:
        """An example file has changed: look again for every open prompt that names it, and give their addresses."""
        naming = [view.document.uri for view in self._session.prompts if normal(path) in files_of(view)]
        for uri in naming:
            self.due(uri)
        return naming

    def closed(self, uri: str) -> None:
        """A prompt was closed: what only it had to say about its files goes."""
        task = self._tasks.pop(uri, None)
        if task is not None:
            task.cancel()
        self._again.discard(uri)
        self._keys.pop(uri, None)
        self._files.pop(uri, None)
        self._stamps.pop(uri, None)
        self._show_all()

    async def outdated(self, wanted: Callable[[Path], bool]) -> dict[Path, Stamp]:
        """The wanted files, of rows and partials, that are no longer as they were looked through, and what they are."""
        looked = [(path, stamp) for known in self._stamps.values() for path, stamp in known.items() if wanted(path)]
        if not looked:
            return {}
        now = await asyncio.to_thread(stamps, dict(looked))
        return {path: now[path] for path, stamp in looked if now[path] != stamp}

    async def close(self) -> None:
        """Look no more."""
        tasks = list(self._tasks.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _compare(self, uri: str) -> None:
        self._edited.discard(uri)
        view = self._session.view(uri)
        if view is not None and self._keys.get(view.document.uri) != _key(view):
            self.due(view.document.uri)

    async def _survey_soon(self, uri: str) -> None:
        while True:
            await asyncio.sleep(_DEBOUNCE)
            self._again.discard(uri)
            async with self._turn:
                await self._survey(uri)
            if uri not in self._again:
                return

    async def _survey(self, uri: str) -> None:
        view = self._session.view(uri)
        if view is None:
            return
        self._keys[uri] = _key(view)
        files = files_of(view)
        read = (*files, *partials_of(view, self._session.texts))
        self._stamps[uri] = await asyncio.to_thread(stamps, read)
        # A name that leads off this machine stands for no file; that much is to be said of it, and of a metric's.
        named = view.document.path is not None and bool(view.prompt.layer().values.keys() & {"examples", "metric"})
        found = await self._found(view, files) if named else None
        if self._session.view(uri) is not None:
            self._files[uri] = files
            self._session.surveyed(uri, found)
            self._show_all()

    async def _found(self, view: PromptView, files: tuple[Path, ...]) -> SurveyOf | None:
        settings, prompt = self._session.settings_of(view.document.uri), view.prompt
        opened = [(path, self._session.texts.open_at(path)) for path in files]
        request = Request(
            0,
            "survey",
            path=str(prompt.path),
            text=prompt.text,
            editor=dict(settings.editor),
            cache=settings.cache,
            allowed_roots=self._session.allowed_roots,
            buffers={str(path): document.text for path, document in opened if document is not None},
        )
        try:
            reply = await self._engine.ask(request)
        except ApoError as error:
            _log.warning("The example files could not be looked through: %s", error.problems[0].code)
            return self._session.survey(view.document.uri)
        if reply.survey is None:
            return None
        problems = [_normal(trouble.problem()) for trouble in reply.survey.troubles]
        doubtful = view.known.doubtful if view.known is not None else ()
        if doubtful:
            from apo_server.doubts import doubts

            roots = self._session.texts.roots
            buffers = {path: document.text for path, document in opened if document is not None}
            problems += [_normal(found) for found in await asyncio.to_thread(doubts, doubtful, buffers, roots)]
        return SurveyOf(prompt.text, files, reply.survey.facts, tuple(problems))

    def _show_all(self) -> None:
        """Every file's problems, as all open prompts that name it have them, each once.

        What is shown stays while a prompt that was just opened may have the same to say.
        """
        found: defaultdict[Path, dict[Problem, None]] = defaultdict(dict)
        for uri, files in self._files.items():
            survey = self._session.survey(uri)
            for path in files if survey else ():
                assert survey is not None
                found[path].update(dict.fromkeys(survey.in_file(path)))
        gone = self._shown - found.keys() - self._awaited()
        for path in gone:
            self._show(path, ())
        for path, problems in found.items():
            self._show(path, tuple(problems))
        self._shown = (self._shown | found.keys()) - gone

    def _awaited(self) -> set[Path]:
        """The files of open prompts that are still to be looked through for the first time."""
        fresh = (view for view in self._session.prompts if view.document.uri not in self._files)
        return {path for view in fresh for path in files_of(view)}

    def _ended(self, uri: str, task: asyncio.Task[None]) -> None:
        if self._tasks.get(uri) is task:
            del self._tasks[uri]
        if not task.cancelled() and (error := task.exception()) is not None:
            _log.warning("The example files could not be looked through: %s", type(error).__name__)
            _log.debug("The error in full:", exc_info=error)


def _normal(problem: Problem) -> Problem:
    place = problem.place
    if place is None or place.path is None:
        return problem
    return replace(problem, place=replace(place, path=normal(place.path)))


def _key(view: PromptView) -> object:
    """What of a prompt decides what there is to say about its rows as long as it is not saved."""
    front = view.prompt.front_matter
    head = front.span.of(view.prompt.text) if front else ""
    return head, frozenset(view.prompt.required_inputs), view.document.path
