"""Answers scored by a function of the user's: ``module:function``, in a process of its own."""

from __future__ import annotations

import asyncio
import hashlib
import json
import sys
from dataclasses import dataclass
from pathlib import Path

from apo_engine.allowed_paths import NotRegularError, OutsideError, read_allowed
from apo_engine.evaluation import function_worker
from apo_engine.examples.example import Example
from apo_engine.problems import InputError, Place, Problem
from apo_engine.scoring.judgement import Judgement

#: Seconds that a row may take, and that loading the module may take.
ROW_SECONDS, LOAD_SECONDS = 10.0, 60.0
#: A function that hangs on so many rows of a run is given up.
MOST_HANGS = 3
_LONGEST_REPLY = 2**20
_MAX_BYTES = 10 << 20


@dataclass(frozen=True, slots=True)
class ScoringFunction:
    """Where a scoring function stands. ``digest`` is a hash of its file; what that imports is not part of it."""

    folder: Path
    module: str
    name: str
    file: Path
    digest: str


def find_function(metric: str, folder: Path, place: Place | None = None) -> ScoringFunction:
    """The function that ``module:function`` names, its module looked for in ``folder``. Runs nothing.

    Raises:
        InputError: there is no such module there, or it is a link that leads elsewhere.
    """
    module, _, name = metric.partition(":")
    if not all(part.isidentifier() for part in (*module.split("."), name)):
        message, remedy = f"The metric '{metric}' is no module:function.", "Name a module beside the prompt."
        raise InputError(Problem("metric-missing", message, remedy, place))
    stem = folder.joinpath(*module.split("."))
    for file in (stem.with_name(f"{stem.name}.py"), stem / "__init__.py"):
        try:
            digest = hashlib.sha256(read_allowed(file, (folder,), _MAX_BYTES)).hexdigest()
        except OutsideError:
            message = f"The metric '{metric}' leads outside the prompt's folder: {file} is a link."
            remedy = "Put the function itself beside the prompt."
            raise InputError(Problem("metric-outside", message, remedy, place)) from None
        except NotRegularError as error:
            message = f"The metric '{metric}' cannot be used: {file}: {error.strerror}."
            raise InputError(Problem("metric-missing", message, "Put a Python file there.", place)) from None
        except OSError:
            continue
        return ScoringFunction(folder.absolute(), module, name, file.absolute(), digest)
    message = f"The metric '{metric}' names a module that is not there: {stem}.py."
    remedy = "Write the function into that file, beside the prompt, or correct 'apo.metric'."
    raise InputError(Problem("metric-missing", message, remedy, place))


class FunctionGrader:
    """Scores by a function of the user's, one row at a time, in a process that is started when it is opened.

    The function is called with (answer, expected) or (answer, expected, inputs), all of them text but ``inputs``, a
    map of text, and returns a number from 0 to 1, or a bool. What it prints is not shown. A row that takes longer than
    ``seconds`` is invalid, and the process is replaced.
    """

    calls = 0

    def __init__(self, function: ScoringFunction, *, seconds: float = ROW_SECONDS) -> None:
        self._function = function
        self._seconds = seconds
        self._process: asyncio.subprocess.Process | None = None
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
        return Judgement(float(reply["score"]), answer.strip())  # type: ignore[arg-type]

    async def close(self) -> None:
        """End the process, whatever it does."""
        await self._stop()

    async def _started(self) -> asyncio.subprocess.Process:
        if self._process is None:
            function = self._function
            script = function_worker.__file__
            self._process = await asyncio.create_subprocess_exec(
                *(sys.executable, script, str(function.folder), function.module, function.name, str(function.file)),
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.DEVNULL,
                cwd=function.folder,
                limit=_LONGEST_REPLY,
            )
            try:
                await self._reply(self._process, LOAD_SECONDS)
            except TimeoutError:
                await self._stop()
                raise self._error(f"could not be loaded within {LOAD_SECONDS:g} s") from None
            except BaseException:
                await self._stop()
                raise
        return self._process

    async def _asked(
        self, process: asyncio.subprocess.Process, line: str, seconds: float, row: Example
    ) -> dict[str, object]:
        assert process.stdin is not None
        try:
            process.stdin.write(line.encode() + b"\n")
            return await self._reply(process, seconds, row)
        except asyncio.CancelledError:
            # The reply that is still to come would be taken for that of the next row.
            await self._stop()
            raise

    async def _reply(
        self, process: asyncio.subprocess.Process, seconds: float, row: Example | None = None
    ) -> dict[str, object]:
        assert process.stdout is not None
        line = await asyncio.wait_for(process.stdout.readline(), seconds)
        if not line:
            code = await process.wait()
            await self._stop()
            raise self._error(f"ended its process (exit code {code})", row=row)
        reply: dict[str, object] = json.loads(line)
        if "error" in reply:
            place = Place(Path(str(reply["file"])), int(str(reply["line"])))
            raise self._error(str(reply["error"]), place, row)
        return reply

    async def _stop(self) -> None:
        process, self._process = self._process, None
        if process is not None and process.returncode is None:
            try:
                process.kill()
            except ProcessLookupError:
                return
            await process.wait()

    def _error(self, what: str, place: Place | None = None, row: Example | None = None) -> InputError:
        function = self._function
        message = f"The metric '{function.module}:{function.name}' {what}."
        seen = f" It was scoring {row.path.name}, line {row.line}." if row else ""
        remedy = f"Correct the function.{seen}"
        return InputError(Problem("metric-failed", message, remedy, place or Place(function.file)))
