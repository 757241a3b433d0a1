"""Answers scored by a function of the user's: ``module:function``, in a process of its own."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from apo_engine.child_process import ChildProcess, python_command, start_child
from apo_engine.evaluation.metric_sources import SourceModule, collect_modules, find_module
from apo_engine.examples.example import Example
from apo_engine.problems import InputError, Place, Problem
from apo_engine.scoring.judgement import Judgement

#: Seconds that a row may take, and that loading the module may take.
ROW_SECONDS, LOAD_SECONDS = 10.0, 60.0
#: A function that hangs on so many rows of a run is given up.
MOST_HANGS = 3
_LONGEST_REPLY = 2**20
_KILL_SECONDS = 3.0
# The longest message of the process, in characters: the place of a module and a sentence.
_MAX_ERROR = 5000
_MAX_BYTES = 10 << 20


_WORKER = "apo_engine.evaluation.function_worker"


@dataclass(frozen=True, slots=True)
class ScoringFunction:
    """Where a scoring function stands, and the ``modules`` of its folder that it is made of, as they were read."""

    folder: Path
    module: str
    name: str
    file: Path
    modules: tuple[SourceModule, ...] = field(repr=False)

    @property
    def files(self) -> tuple[str, ...]:
        """The files of the modules, relative to the folder: the function's own first."""
        paths = [module.path for module in self.modules if module.source is not None]
        ordered = sorted(paths, key=lambda path: (path != self.file, path))
        return tuple(path.relative_to(self.folder).as_posix() for path in ordered)

    @property
    def digest(self) -> str:
        """A hash of the names, places and sources of the modules."""
        parts = [(module.name, str(module.path), module.is_package, module.sha256) for module in self.modules]
        return hashlib.sha256(json.dumps([self.module, self.name, parts]).encode()).hexdigest()


def find_function(metric: str, folder: Path, place: Place | None = None) -> ScoringFunction:
    """The function that ``module:function`` names, its modules looked for in ``folder``. Runs nothing.

    Raises:
        InputError: there is no such module there, it has a name that Python takes for its own, or one of its modules is
            a link that leads elsewhere.
    """
    module, _, name = metric.partition(":")
    if not all(part.isidentifier() for part in (*module.split("."), name)):
        message, remedy = f"The metric '{metric}' is no module:function.", "Name a module beside the prompt."
        raise InputError(Problem("metric-missing", message, remedy, place))
    folder = folder.absolute()
    root = find_module(folder, module, place)
    if root is None or root.source is None:
        file = f"{module.replace('.', '/')}.py"
        message = f"The metric '{metric}' names a module that is not there: {file}."
        remedy = "Write the function into that file, beside the prompt, or correct 'apo.metric'."
        raise InputError(Problem("metric-missing", message, remedy, place))
    if module.partition(".")[0] in sys.stdlib_module_names:
        message = f"The metric '{metric}' has the name of a module of Python's own, which goes before {root.path.name}."
        raise InputError(Problem("metric-missing", message, "Rename the file, and correct 'apo.metric'.", place))
    return ScoringFunction(folder, module, name, root.path, collect_modules(folder, root, place))


@dataclass(frozen=True, slots=True)
class _Reply:
    """A line of the process: a score, or what went wrong and where. Code of the user's may have written it."""

    score: float = 0.0
    error: str = ""
    file: str = ""
    line: int = 1

    @classmethod
    def from_json(cls, text: bytes, *, ready: bool) -> _Reply:
        """Read a line: an error, or else that the function is ``ready``, or its score.

        Raises:
            ValueError: it is not such a reply, to the letter.
        """
        try:
            found = json.loads(text)
        except RecursionError:
            found = None
        match found:
            case {"error": str(error), "file": str(file), "line": int(line), **rest} if not rest and line > 0:
                return cls(error=error[:_MAX_ERROR], file=file, line=line)
            case {"ready": True, **rest} if ready and not rest:
                return cls()
            case {"score": int() | float() as score, **rest} if not ready and not rest and 0 <= score <= 1:
                return cls(float(score))
        raise ValueError("not a reply")


class FunctionGrader:
    """Scores by a function of the user's, one row at a time, in a process that is started when it is opened.

    The process runs the modules of the function as they were read, and sees ``environ`` alone. No other module in one
    of the ``workspaces`` is run, but for packages installed there. The function is
    called with (answer, expected) or (answer, expected, inputs), all of them text but ``inputs``, a map of text,
    and returns a number from 0 to 1, or a bool. What it prints is not shown. A row that takes longer than
    ``seconds`` is invalid, and the process is replaced.
    """

    calls = 0

    def __init__(
        self,
        function: ScoringFunction,
        environ: Mapping[str, str],
        *,
        workspaces: Sequence[Path] = (),
        seconds: float = ROW_SECONDS,
    ) -> None:
        self._function = function
        self._environ = environ
        self._workspaces = workspaces
        self._seconds = seconds
        self._child: ChildProcess | None = None
        self._turn = asyncio.Lock()
        self._hangs = 0

    async def open(self) -> None:
        """Start the process and load the function.

        Raises:
            InputError: it cannot be loaded, or takes other arguments.
        """
        async with self._turn:
            await self._started()

    async def grade(self, row: Example, answer: str) -> Judgement:
        """See `Grader`.

        Raises:
            InputError: the function raised, returned no score, ended its process, or hung on several rows.
        """
        line = json.dumps({"answer": answer, "expected": row.expected, "inputs": dict(row.inputs)})
        async with self._turn:
            try:
                reply = await self._asked(await self._started(), line, self._seconds, row)
            except TimeoutError:
                await self._stop()
                self._hangs += 1
                if self._hangs >= MOST_HANGS:
                    raise self._error(f"took longer than {self._seconds:g} s on {self._hangs} rows", row=row) from None
                said = f"The metric took longer than {self._seconds:g} s."
                return Judgement(0.0, answer.strip(), invalid=True, remark=said)
        return Judgement(reply.score, answer.strip())

    async def close(self) -> None:
        """End the process, whatever it does."""
        await self._stop()

    async def _started(self) -> ChildProcess:
        if self._child is None:
            try:
                self._child = await start_child(
                    python_command(_WORKER),
                    self._environ,
                    longest_line=_LONGEST_REPLY,
                    stderr=asyncio.subprocess.DEVNULL,
                    own_group=True,
                )
            except OSError as error:
                raise self._error(f"cannot be started ({error.strerror or error})") from None
            try:
                await self._asked(self._child, self._task(), LOAD_SECONDS)
            except TimeoutError:
                await self._stop()
                raise self._error(f"could not be loaded within {LOAD_SECONDS:g} s") from None
            except BaseException:
                await self._stop()
                raise
        return self._child

    def _task(self) -> str:
        function = self._function
        sources = {
            module.name: (
                str(module.path),
                module.is_package,
                None if module.source is None else base64.b64encode(module.source).decode(),
            )
            for module in function.modules
        }
        names = {"folder": str(function.folder), "module": function.module, "name": function.name}
        workspaces = [str(folder.absolute()) for folder in self._workspaces]
        return json.dumps({**names, "workspaces": workspaces, "file": str(function.file), "sources": sources})

    async def _asked(self, child: ChildProcess, line: str, seconds: float, row: Example | None = None) -> _Reply:
        stdin = child.process.stdin
        assert stdin is not None
        try:
            stdin.write(line.encode() + b"\n")
            return await self._reply(child, seconds, row)
        except asyncio.CancelledError:
            # The reply that is still to come would be taken for that of the next row.
            await self._stop()
            raise

    async def _reply(self, child: ChildProcess, seconds: float, row: Example | None) -> _Reply:
        stdout = child.process.stdout
        assert stdout is not None
        try:
            line = await asyncio.wait_for(stdout.readline(), seconds)
        except ValueError:
            # A line longer than any reply.
            line = b"?"
        if not line:
            code = await child.wait()
            await self._stop()
            raise self._error(f"ended its process (exit code {code})", row=row)
        try:
            reply = _Reply.from_json(line, ready=row is None)
        except ValueError:
            await self._stop()
            raise self._error("wrote something of its own where its score belongs", row=row) from None
        if reply.error:
            # The function could have written the reply: it names no file but those that were agreed to.
            own = any(str(module.path) == reply.file for module in self._function.modules)
            raise self._error(reply.error, Place(Path(reply.file), reply.line) if own else None, row)
        return reply

    async def _stop(self) -> None:
        child, self._child = self._child, None
        if child is not None:
            child.kill()
            # A process that left the group may hold the pipes for as long as it likes.
            try:
                await asyncio.wait_for(child.wait(), _KILL_SECONDS)
            except TimeoutError:
                child.remove_folder()

    def _error(self, what: str, place: Place | None = None, row: Example | None = None) -> InputError:
        function = self._function
        message = f"The metric '{function.module}:{function.name}' {what}."
        seen = f" It was scoring {row.path.name}, line {row.line}." if row else ""
        remedy = f"Correct the function.{seen}"
        return InputError(Problem("metric-failed", message, remedy, place or Place(function.file)))
