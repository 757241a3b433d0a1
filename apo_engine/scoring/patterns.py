"""Regular expressions that users wrote: the one door to compiling and matching them, bounded in time and memory."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
from importlib.util import find_spec
from pathlib import Path

from apo_engine.scoring import pattern_worker

#: Seconds of a processor that compiling a pattern may take, and that looking for it in one answer may take.
SECONDS = 1.0
#: Bytes that a pattern may take, beside those of the process that compiles it.
MOST_BYTES = 96 * 2**20
_LONGEST_PATTERN = 100_000
_REMEMBERED = 32_768
# Most patterns are compiled within a millisecond.
_QUICK_SECONDS, _SLOW_SECONDS = 0.05, 30.0
_TOO_LARGE = f"takes more than {MOST_BYTES // 2**20} MB of memory"
_TOO_SLOW = f"takes longer than {SECONDS:g} s to be compiled"
_TOO_SLOW_HERE = f"takes longer than {SECONDS:g} s on this answer"
# What the process needs of the environment: to find the system's own libraries.
_ENVIRONMENT = ("SYSTEMROOT", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH")


class UnusablePattern(Exception):
    """A pattern is none, or reaches a limit; worded as a clause of which the pattern is the subject."""


class PatternsUnavailable(Exception):
    """The process that compiles patterns does not start; worded as a clause of which the pattern is the subject."""


class PatternProcess:
    """Compiles and matches patterns in a process that ends at the limits, and is started again when needed.

    The process ends when nothing is asked for a while, and with this one. Any number of threads may ask; one is
    answered at a time.
    """

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None
        self._fresh = False
        self._turn = threading.Lock()

    def compile(self, pattern: str) -> None:
        """Try to compile a pattern.

        Raises:
            UnusablePattern: it is no regular expression, or reaches a limit.
            PatternsUnavailable: it cannot be tried.
        """
        self._ask(pattern, None)

    def is_in(self, pattern: str, text: str) -> bool:
        """Whether a pattern is found in a text.

        Raises:
            UnusablePattern: it is no regular expression, or compiling it or looking for it reaches a limit.
            PatternsUnavailable: it cannot be tried.
        """
        return self._ask(pattern, text)

    def close(self) -> None:
        """End the process."""
        with self._turn:
            self._end()

    def _ask(self, pattern: str, text: str | None) -> bool:
        line = json.dumps([pattern, text, SECONDS]).encode() + b"\n"
        with self._turn:
            while True:
                process = self._started()
                fresh, self._fresh = self._fresh, False
                began = time.monotonic()
                reply = _exchange(process, line)
                if reply is not None and "large" not in reply:
                    break
                took = time.monotonic() - began
                self._end()
                if reply is None and _was_too_slow(process, took):
                    raise UnusablePattern(_TOO_SLOW if text is None else _TOO_SLOW_HERE)
                # Otherwise patterns before it may have taken the memory, or the process had gone to rest.
                if fresh:
                    raise UnusablePattern(_TOO_LARGE)
        if "slow" in reply:
            raise UnusablePattern(_TOO_SLOW_HERE)
        if "error" in reply:
            raise UnusablePattern(f"is no regular expression: {reply['error']}")
        return bool(reply["found"])

    def _started(self) -> subprocess.Popen[bytes]:
        if self._process is None:
            self._process = _start()
            self._fresh = True
            if _exchange(self._process, b"") is None:
                self._end()
                raise PatternsUnavailable("cannot be tried: the process that compiles patterns ends at once")
        return self._process

    def _end(self) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        process.kill()
        for stream in (process.stdin, process.stdout):
            if stream is not None:
                with contextlib.suppress(OSError):
                    stream.close()
        process.wait()


def _start() -> subprocess.Popen[bytes]:
    found = find_spec("regex")
    assert found is not None and found.origin is not None
    script = pattern_worker.__file__
    try:
        return subprocess.Popen(
            # Isolated: neither the environment nor the working folder decides what is imported.
            [sys.executable, "-I", "-S", script, str(Path(found.origin).parents[1]), str(MOST_BYTES)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            cwd=Path(script).parent,
            env={name: os.environ[name] for name in _ENVIRONMENT if name in os.environ},
            # Windows would open a window for it.
            creationflags=getattr(subprocess, "CREATE_NO_WINDOW", 0),
        )
    except OSError as error:
        reason = error.strerror or error
        raise PatternsUnavailable(f"cannot be tried: no process can be started ({reason})") from None


def _was_too_slow(process: subprocess.Popen[bytes], took: float) -> bool:
    """Whether a process ended because its time was over, after ``took`` seconds."""
    if sys.platform == "win32":
        return took > SECONDS
    return process.returncode == -signal.SIGPROF


def _exchange(process: subprocess.Popen[bytes], line: bytes) -> dict[str, object] | None:
    """The reply to a line; None if the process ended."""
    assert process.stdin is not None and process.stdout is not None
    try:
        process.stdin.write(line)
        process.stdin.flush()
        reply: dict[str, object] = json.loads(process.stdout.readline())
    except (OSError, ValueError):
        return None
    return reply


_PROCESS = PatternProcess()
_OBJECTIONS: dict[bytes, str] = {}


class PatternCheck:
    """Says why patterns of one set of rows cannot be used.

    Those that take long to compile may take so many seconds together, at most 30; any after that are not tried.
    """

    def __init__(self, seconds: float | None = None) -> None:
        self._left = _SLOW_SECONDS if seconds is None else min(seconds, _SLOW_SECONDS)

    def __call__(self, pattern: str) -> str:
        """Why a pattern cannot be used, as a clause without its subject; empty if it can."""
        if self._left <= 0:
            return "was not tried: the patterns before it took too long to be compiled"
        began = time.monotonic()
        try:
            objection = _objection(pattern)
        except PatternsUnavailable as reason:
            return str(reason)
        took = time.monotonic() - began
        if took > _QUICK_SECONDS:
            self._left -= took
        return objection


def pattern_is_in(pattern: str, text: str) -> bool:
    """Whether a pattern is found in a text.

    Raises:
        UnusablePattern: it is no regular expression, or compiling it or looking for it reaches a limit.
        PatternsUnavailable: it cannot be tried.
    """
    return _PROCESS.is_in(pattern, text)


def _objection(pattern: str) -> str:
    # Some patterns are long, and what is remembered stays: by digest.
    digest = hashlib.blake2b(pattern.encode("utf-8", "surrogatepass"), digest_size=16).digest()
    objection = _OBJECTIONS.get(digest)
    if objection is None:
        objection = _found_objection(pattern)
        if len(_OBJECTIONS) >= _REMEMBERED:
            _OBJECTIONS.clear()
        _OBJECTIONS[digest] = objection
    return objection


def _found_objection(pattern: str) -> str:
    if len(pattern) > _LONGEST_PATTERN:
        return f"is longer than {_LONGEST_PATTERN:,} characters"
    try:
        _PROCESS.compile(pattern)
    except UnusablePattern as reason:
        return str(reason)
    return ""
