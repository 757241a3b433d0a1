"""The server's side of the engine process: starts it when needed, feeds it, and survives its death."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import logging
import os
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, field

import msgspec

from apo_engine.child_environment import engine_environment
from apo_engine.child_process import ChildProcess, python_command, start_child
from apo_engine.machine import user_variables
from apo_engine.problems import ApoError, Problem
from apo_engine.search.events import AnyEvent, RunStarted
from apo_server.wire import Reply, Request, decode_reply, encode

_log = logging.getLogger(__name__)
# One line may hold the results of every row with their answers.
_LONGEST_LINE = 256 * 1024 * 1024


class WorkerDied(ApoError):
    """The engine process ended in the middle of a job."""


@dataclass(frozen=True, slots=True)
class Patience:
    """How long the client waits, in seconds.

    Before a restart after the first death, and at most; for a cancel; for the process to end when told; and for another
    request before a process with nothing to do is ended.
    """

    first_restart: float = 0.5
    longest_restart: float = 30.0
    cancel: float = 30.0
    end: float = 3.0
    rest: float = 30.0

    def before_restart(self, deaths: int) -> float:
        """The wait after this many deaths in a row."""
        return min(self.longest_restart, self.first_restart * 2 ** (deaths - 1)) if deaths else 0.0


@dataclass(slots=True)
class _Worker:
    child: ChildProcess
    environ: Mapping[str, str]
    replies: dict[int, asyncio.Queue[Reply | None]] = field(default_factory=dict)
    readers: list[asyncio.Task[None]] = field(default_factory=list)

    @property
    def process(self) -> asyncio.subprocess.Process:
        """The engine process."""
        return self.child.process


class EngineClient:
    """One engine process, started with the first job, ended when nothing is asked of it for a while, and started again.

    ``command`` is that of the engine, where None. ``on_death`` is called once for each death that nobody asked for,
    with a sentence for people. ``environ`` gives the environment of the process. When that changes, the next job
    that begins alone gets a new process.
    """

    def __init__(
        self,
        command: Sequence[str] | None = None,
        *,
        on_death: Callable[[str], None] = lambda _: None,
        environ: Callable[[], Mapping[str, str]] = lambda: engine_environment(os.environ, user_variables()),
        patience: Patience = Patience(),
    ) -> None:
        self._command = tuple(command) if command is not None else python_command("apo_server.worker")
        self._on_death = on_death
        self._environ = environ
        self._patience = patience
        self._worker: _Worker | None = None
        self._starting = asyncio.Lock()
        self._ids = itertools.count(1)
        self._deaths = 0
        self._not_before = 0.0
        self._closed = False
        self._watchdogs: set[asyncio.Task[None]] = set()
        self._rest: asyncio.TimerHandle | None = None
        self._ending: set[asyncio.Task[None]] = set()

    @property
    def pid(self) -> int | None:
        """The process id while the engine process runs."""
        return self._worker.process.pid if self._worker else None

    async def plan(self, request: Request) -> RunStarted:
        """What the job of ``request`` would begin with; nothing leaves the machine for it.

        Raises:
            ApoError: the job could not begin.
        """
        job = request.do if request.do not in ("plan", "cancel") else request.job
        reply = await self.ask(msgspec.structs.replace(request, do="plan", job=job))
        if not isinstance(reply.event, RunStarted):
            raise WorkerDied(Problem("engine-failure", "The engine gave no plan.", "Please report this."))
        return reply.event

    async def run(self, request: Request) -> AsyncIterator[AnyEvent]:
        """The events of a job; leaving the iteration cancels it.

        Raises:
            ApoError: the problems that stopped the job.
            WorkerDied: the engine process ended, or cannot be started.
        """
        replies = self._exchange(request)
        async with contextlib.aclosing(replies):
            async for reply in replies:
                if reply.event is not None:
                    yield reply.event

    async def ask(self, request: Request) -> Reply:
        """The answer to a request that has one.

        Raises:
            ApoError: the problems that stopped it.
            WorkerDied: the engine process ended, or cannot be started.
        """
        answer: Reply | None = None
        replies = self._exchange(request)
        async with contextlib.aclosing(replies):
            async for reply in replies:
                answer = answer or reply
        if answer is not None:
            return answer
        raise WorkerDied(Problem("engine-failure", "The engine gave no answer.", "Please report this."))

    async def _exchange(self, request: Request) -> AsyncGenerator[Reply, None]:
        """The replies to a request but for its end; leaving the iteration cancels it. Its ``id`` is chosen here."""
        worker = await self._running()
        number = next(self._ids)
        replies: asyncio.Queue[Reply | None] = asyncio.Queue()
        worker.replies[number] = replies
        self._stay()
        ended = False
        try:
            await self._send(worker, msgspec.structs.replace(request, id=number))
            while True:
                reply = await replies.get()
                if reply is None:
                    ended = True
                    raise WorkerDied(Problem("engine-died", "The engine process ended.", "Try again."))
                if not reply.ends:
                    yield reply
                    continue
                ended = True
                self._deaths = 0
                if reply.error:
                    raise ApoError(*(trouble.problem() for trouble in reply.error))
                return
        finally:
            if ended:
                self._forget(worker, number)
            else:
                watchdog = asyncio.ensure_future(self._cancel(worker, number, replies))
                self._watchdogs.add(watchdog)
                watchdog.add_done_callback(self._watchdogs.discard)

    async def settled(self) -> None:
        """Wait until what was cancelled has stopped; a process that does not obey is killed."""
        await asyncio.gather(*self._watchdogs, return_exceptions=True)

    async def close(self) -> None:
        """End the process: its stdin is closed, and what has not ended soon after is killed."""
        self._closed = True
        self._stay()
        for watchdog in list(self._watchdogs):
            watchdog.cancel()
        self._put_to_rest()
        await asyncio.gather(*self._ending)

    async def _running(self) -> _Worker:
        async with self._starting:
            environ = await asyncio.to_thread(self._environ)
            if self._worker is not None and not self._worker.replies and self._worker.environ != environ:
                self._stay()
                self._put_to_rest()
            if self._worker is not None:
                return self._worker
            loop = asyncio.get_running_loop()
            await asyncio.sleep(max(0.0, self._not_before - loop.time()))
            if self._closed:
                raise WorkerDied(Problem("engine-closed", "The server is shutting down."))
            try:
                child = await start_child(self._command, environ, longest_line=_LONGEST_LINE)
            except OSError as error:
                self._count_death()
                message = f"The engine process cannot be started: {error.strerror or error}."
                raise WorkerDied(Problem("engine-died", message, "Check the installation.")) from None
            worker = _Worker(child, environ)
            worker.readers = [loop.create_task(self._read(worker)), loop.create_task(_drain(child.process))]
            self._worker = worker
            return worker

    async def _send(self, worker: _Worker, request: Request) -> None:
        stdin = _stdin(worker)
        # A dead process shows at the other end of the pipe, where every job hears of it.
        with contextlib.suppress(OSError):
            stdin.write(encode(request))
            await stdin.drain()

    async def _cancel(self, worker: _Worker, number: int, replies: asyncio.Queue[Reply | None]) -> None:
        """Cancel a job whose events nobody reads any more; a process that does not obey is killed."""

        async def ended() -> None:
            while (reply := await replies.get()) is not None and not reply.ends:
                pass

        await self._send(worker, Request(number, "cancel"))
        try:
            await asyncio.wait_for(ended(), self._patience.cancel)
        except TimeoutError:
            _log.warning("The engine process does not answer and is killed.")
            _kill(worker)
        finally:
            self._forget(worker, number)

    def _forget(self, worker: _Worker, number: int) -> None:
        """A request is over; the process rests when it was the last and none follows."""
        worker.replies.pop(number, None)
        if not worker.replies and worker is self._worker:
            self._stay()
            self._rest = asyncio.get_running_loop().call_later(self._patience.rest, self._put_to_rest)

    def _stay(self) -> None:
        if self._rest is not None:
            self._rest.cancel()
            self._rest = None

    def _put_to_rest(self) -> None:
        worker, self._worker = self._worker, None
        if worker is not None:
            ending = asyncio.ensure_future(self._end(worker))
            self._ending.add(ending)
            ending.add_done_callback(self._ending.discard)

    async def _end(self, worker: _Worker) -> None:
        """Close the stdin of a process, and kill it where it has not ended soon after."""
        with contextlib.suppress(OSError):
            _stdin(worker).close()
        try:
            await asyncio.wait_for(worker.child.wait(), self._patience.end)
        except TimeoutError:
            _kill(worker)
            await worker.child.wait()
        for reader in worker.readers:
            reader.cancel()

    async def _read(self, worker: _Worker) -> None:
        stdout = worker.process.stdout
        assert stdout is not None
        try:
            while line := await stdout.readline():
                try:
                    reply = decode_reply(line)
                except msgspec.DecodeError:
                    _log.warning("A line of the engine process that is no reply was left out.")
                    continue
                waiting = worker.replies.get(reply.id)
                if waiting is not None:
                    waiting.put_nowait(reply)
        except ValueError:
            _log.warning("A line of the engine process is too long; the process is killed.")
            _kill(worker)
        code = await worker.child.wait()
        if self._worker is worker:
            self._worker = None
            self._count_death()
            self._on_death(f"The engine process ended unexpectedly ({_ending(code)}). The next run starts it again.")
        for waiting in worker.replies.values():
            waiting.put_nowait(None)

    def _count_death(self) -> None:
        self._deaths += 1
        self._not_before = asyncio.get_running_loop().time() + self._patience.before_restart(self._deaths)


def _stdin(worker: _Worker) -> asyncio.StreamWriter:
    assert worker.process.stdin is not None
    return worker.process.stdin


def _kill(worker: _Worker) -> None:
    with contextlib.suppress(ProcessLookupError):
        worker.process.kill()


def _ending(code: int) -> str:
    return f"signal {-code}" if code < 0 else f"exit code {code}"


async def _drain(process: asyncio.subprocess.Process) -> None:
    """Pass the process's stderr on to the debug log: it may quote prompts."""
    assert process.stderr is not None
    while chunk := await process.stderr.read(65536):
        _log.debug("engine: %s", chunk.decode("utf-8", "replace").rstrip())
