"""Runs one scoring function of the user's, in a process of its own: rows come as JSON lines, scores go back as such.

The first line says which function, and holds the sources of its folder that may be run. That folder is not on the
module path, and is not the working folder.
"""

from __future__ import annotations

import base64
import importlib
import inspect
import json
import math
import os
import queue
import signal
import sys
import threading
import traceback
from collections.abc import Callable
from typing import Any, BinaryIO, TextIO

from apo_engine.evaluation.agreed_modules import AgreedSource, NotAgreedError, install_agreed_modules

_MOST_WORDS = 500


def main() -> None:
    """Load the function, say whether that went well, and answer rows until there are no more."""
    replies, requests = _private_stdout(), _private_stdin()
    task = json.loads(requests.readline())
    # Read at once, so that the process ends with its parent, whatever the function is doing.
    rows: queue.SimpleQueue[str] = queue.SimpleQueue()
    threading.Thread(target=_read, args=(requests, rows), daemon=True).start()
    # An interrupted terminal interrupts the parent, which then ends this process.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    file: str = task["file"]
    try:
        function = _load(task)
        shown = _takes_inputs(function)
    except BaseException as error:  # the user's code may raise anything, SystemExit too
        _reply(replies, _failure(error, file))
        return
    _reply(replies, {"ready": True})
    while True:
        row = json.loads(rows.get())
        arguments = (row["answer"], row["expected"], row["inputs"])[: 3 if shown else 2]
        try:
            reply: dict[str, object] = {"score": _score(function(*arguments), function)}
        except BaseException as error:
            reply = _failure(error, file)
        _reply(replies, reply)


class _Unusable(Exception):
    """The function, or what it returned, cannot be used; worded as a clause of which the function is the subject."""

    def __init__(self, what: str, line: int = 1) -> None:
        super().__init__(what)
        self.line = line


def _private_stdout() -> TextIO:
    """A stream to the parent that nothing the user prints can get into."""
    private = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    return private


def _private_stdin() -> BinaryIO:
    """A stream from the parent that nothing of the user's reads: `sys.stdin` is empty.

    A thread waits on this stream. A copy of the process that closes its `sys.stdin`, as those of `multiprocessing` do,
    would wait for that thread forever if both were one.
    """
    private = os.fdopen(os.dup(0), "rb")
    empty, other_end = os.pipe()
    os.close(other_end)
    os.dup2(empty, 0)
    os.close(empty)
    return private


def _read(requests: BinaryIO, rows: queue.SimpleQueue[str]) -> None:
    for line in requests:
        rows.put(line.decode("utf-8", "surrogatepass"))
    os._exit(0)


def _load(task: dict[str, Any]) -> Callable[..., Any]:
    module, name = task["module"], task["name"]
    sources = {
        key: AgreedSource(path, is_package, None if source is None else base64.b64decode(source))
        for key, (path, is_package, source) in task["sources"].items()
    }
    for taken in sources.keys() & sys.modules.keys():
        raise _Unusable(f"cannot be loaded: Python has a module '{taken}' already. Rename {sources[taken].path}")
    install_agreed_modules(task["folder"], sources, task["workspaces"])
    function = getattr(importlib.import_module(module), name, None)
    if function is None:
        raise _Unusable(f"is not in '{module}'")
    if not inspect.isfunction(function) or inspect.iscoroutinefunction(function):
        raise _Unusable("is no plain function")
    return function


def _line(function: Callable[..., Any]) -> int:
    line: int = inspect.unwrap(function).__code__.co_firstlineno
    return line


def _takes_inputs(function: Callable[..., Any]) -> bool:
    """Whether the function wants a row's inputs beside answer and expected value."""
    signature = inspect.signature(function)
    for count in (3, 2):
        try:
            signature.bind(*range(count))
        except TypeError:
            continue
        return count == 3
    raise _Unusable(f"must take (answer, expected) or (answer, expected, inputs), not {signature}", _line(function))


def _score(value: object, function: Callable[..., Any]) -> float:
    try:
        score = float(value) if not isinstance(value, (str, bytes)) else math.nan  # type: ignore[arg-type]
    except (TypeError, ValueError, OverflowError):
        score = math.nan
    if not 0 <= score <= 1:
        shown = repr(value)[:80]
        raise _Unusable(f"returned {shown}, which is no number from 0 to 1", _line(function))
    return score


def _failure(error: BaseException, file: str) -> dict[str, object]:
    """What went wrong, and the last line of the user's own file on the way there."""
    if isinstance(error, _Unusable):
        return {"error": str(error), "file": file, "line": error.line}
    said = "".join(traceback.format_exception_only(type(error), error)).strip().splitlines()[-1][:_MOST_WORDS]
    if isinstance(error, SyntaxError) and error.filename:
        return {"error": f"cannot be loaded: {said}", "file": error.filename, "line": error.lineno or 1}
    lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if _same(frame.filename, file)]
    what = str(error) if isinstance(error, NotAgreedError) else f"raised {said}"
    return {"error": what, "file": file, "line": (lines[-1] if lines else None) or 1}


def _same(path: str, file: str) -> bool:
    return os.path.realpath(path) == os.path.realpath(file)


def _reply(stream: TextIO, reply: dict[str, object]) -> None:
    stream.write(json.dumps(reply) + "\n")
    stream.flush()


if __name__ == "__main__":
    main()
