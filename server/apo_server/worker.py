"""The engine process: it runs the engine for the language server, which starts it as a module.

Requests come as lines on stdin and replies go as lines to stdout, which carries nothing else. The process ends when
its stdin closes, so it never outlives the server.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import sys
import threading
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import msgspec

from apo_engine.problems import ApoError, Problem
from apo_engine.search.events import AnyEvent
from apo_server.purses import Purses
from apo_server.wire import Reply, Request, Survey, Trouble, decode_request, encode

if TYPE_CHECKING:
    from apo_engine.api import Options
    from apo_engine.models.purse import Purse

_log = logging.getLogger(__name__)
# How long running jobs may take to put away what they hold once the server is gone.
_GRACE = 2.0


async def replies_to(request: Request, purses: Purses) -> AsyncIterator[Reply]:
    """What there is to say about a request, but for its end.

    Raises:
        ApoError: the user's files, a model or a cap stopped the job.
    """
    if request.do == "survey":
        yield Reply(request.id, survey=await asyncio.to_thread(_survey, request))
        return
    if request.do in ("tokens", "models", "endpoints"):
        yield await _looked_up(request)
        return
    if request.do == "report":
        yield Reply(request.id, report=await _report(request))
        return
    if request.do == "row":
        yield await _answered(request, purses.of(request))
        return
    async for event in events_of(request, purses.of(request)):
        yield Reply(request.id, event=event)


async def events_of(request: Request, purse: Purse | None) -> AsyncIterator[AnyEvent]:
    """What the engine says about a job.

    Raises:
        ApoError: the user's files, a model or a cap stopped the job.
    """
    from apo_engine import api
    from apo_engine.prompt.file import parse_prompt

    options = _options(request, purse)
    prompt = parse_prompt(request.text, Path(request.path))
    if request.do == "plan":
        yield await api.plan(prompt, options, request.job)
        return
    if request.do == "gradients":
        run: api.Run[Any] = api.gradients(prompt, options, fixes=True)
    else:
        run = api.evaluate(prompt, options) if request.do == "evaluate" else api.optimize(prompt, options)
    async for event in run:
        yield event


def _options(request: Request, purse: Purse | None = None) -> Options:
    from apo_engine.api import Options

    environ = {**os.environ, "APO_CACHE_DIR": request.cache} if request.cache else None
    # A plan runs no code and loads no model; it says what has to be agreed to.
    agreed = request.do != "plan"
    allowed_roots = tuple(map(Path, request.allowed_roots))
    return Options(
        flags=request.flags,
        editor=request.editor,
        environ=environ,
        custom_metric=request.custom_metric if agreed else None,
        model_files=request.model_files if agreed else None,
        purse=purse,
        allowed_roots=allowed_roots,
        own_models=request.own_models,
        agreed=request.agreed,
        may_send=_may_send(request),
    )


def _may_send(request: Request) -> Callable[[], bool] | None:
    """Whether consent still holds; looks for a withdrawal by any server of the user's each time that it is asked."""
    if request.withdrawal is None:
        return None
    from apo_engine.machine import cache_dir
    from apo_server.consent_file import ConsentFile

    file = ConsentFile(cache_dir(os.environ))
    return lambda: file.withdrawals().mark(request.workspace, request.concerned) == request.withdrawal


def _survey(request: Request) -> Survey:
    from apo_engine.api import check_rows
    from apo_engine.prompt.file import parse_prompt

    buffers = {Path(path): text for path, text in request.buffers.items()}
    found = check_rows(parse_prompt(request.text, Path(request.path)), _options(request), buffers)
    return Survey(found.facts, tuple(Trouble.of(problem) for problem in found.problems))


async def _report(request: Request) -> str:
    from apo_engine.api import past_run

    folder = Path(request.cache) if request.cache else None
    return msgspec.json.encode(await past_run(request.run, folder)).decode()


async def _answered(request: Request, purse: Purse | None) -> Reply:
    from apo_engine.api import answer_row
    from apo_engine.prompt.file import parse_prompt

    prompt = parse_prompt(request.text, Path(request.path))
    row = await answer_row(prompt, _options(request, purse), Path(request.row), request.line)
    return Reply(request.id, row=row)


async def _looked_up(request: Request) -> Reply:
    from apo_engine import api

    if request.do == "tokens":
        return Reply(request.id, tokens=await api.token_counts(request.texts, request.model))
    if request.do == "endpoints":
        return Reply(request.id, endpoints=await api.list_models(_options(request)))
    models = await asyncio.to_thread(api.known_models, _options(request), request.model)
    return Reply(request.id, models=models)


class Worker:
    """Serves requests side by side, each as a task that a cancel request ends."""

    def __init__(self, send: Callable[[Reply], None]) -> None:
        self._send = send
        self._tasks: dict[int, asyncio.Task[None]] = {}
        self._purses = Purses()

    def receive(self, line: bytes) -> None:
        """Take up one line; what is no request is left out, for there is nobody to tell."""
        try:
            request = decode_request(line)
        except msgspec.DecodeError:
            _log.warning("A line that is no request was left out.")
            return
        if request.do == "cancel":
            task = self._tasks.get(request.id)
            if task is not None:
                task.cancel()
            return
        task = asyncio.get_running_loop().create_task(self._serve(request))
        self._tasks[request.id] = task
        task.add_done_callback(lambda _: self._tasks.pop(request.id, None))

    async def close(self) -> None:
        """Cancel everything and wait for it, within the time of grace."""
        tasks = list(self._tasks.values())
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks, timeout=_GRACE)

    async def _serve(self, request: Request) -> None:
        end = Reply(request.id, cancelled=True)
        try:
            async for reply in replies_to(request, self._purses):
                self._send(reply)
            end = Reply(request.id, done=True)
        except ApoError as error:
            end = Reply(request.id, error=tuple(Trouble.of(problem) for problem in error.problems))
        except Exception as error:  # the boundary: whatever went wrong is one sentence for the editor
            _log.debug("The job failed.", exc_info=True)
            message = f"The engine failed unexpectedly ({type(error).__name__})."
            problem = Problem("engine-failure", message, "Please report this, with the server's log.")
            end = Reply(request.id, error=(Trouble.of(problem),))
        finally:
            self._send(end)


async def serve(stdin: BinaryIO, stdout: BinaryIO) -> None:
    """Serve until ``stdin`` closes."""
    loop = asyncio.get_running_loop()
    lines: asyncio.Queue[bytes] = asyncio.Queue()

    def read() -> None:
        # A thread, because pipes given as stdin cannot be watched on every platform.
        while line := stdin.readline():
            loop.call_soon_threadsafe(lines.put_nowait, line)
        loop.call_soon_threadsafe(lines.put_nowait, b"")

    def send(reply: Reply) -> None:
        stdout.write(encode(reply))
        stdout.flush()

    threading.Thread(target=read, name="requests", daemon=True).start()
    worker = Worker(send)
    while line := await lines.get():
        worker.receive(line)
    await worker.close()


def main() -> None:
    """Run the process."""
    logging.basicConfig(stream=sys.stderr, level=logging.WARNING)
    # Where processors are scarce, the next keystroke matters more than the next answer.
    if hasattr(os, "nice"):
        os.nice(5)
    requests = os.fdopen(os.dup(0), "rb")
    replies = os.fdopen(os.dup(1), "wb")
    # Whatever a library prints must not land between the replies.
    os.dup2(2, 1)
    with contextlib.suppress(KeyboardInterrupt, BrokenPipeError):
        asyncio.run(serve(requests, replies))
    # Threads of a library may hang; the replies are out and the answers stored.
    os._exit(0)


if __name__ == "__main__":
    main()
