"""The server's log on standard error. Above debug it holds no word of a prompt, a row or an answer."""

from __future__ import annotations

import logging
import os
import queue
import re
import threading

from apo_engine.names import on_one_line

_PLACEHOLDER = re.compile(r"%[-+ #0-9.]*[a-zA-Z]")
_LIBRARIES = ("pygls", "lsprotocol", "asyncio", "websockets")
# What nobody reads is not kept.
_MOST_LINES = 1000
# How long the last lines may take, in seconds.
_FAREWELL = 0.5


class _WithoutContent(logging.Filter):
    """Cuts the records of libraries down to their fixed words: they log whole messages of the editor."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Let every record pass, cut down where it comes from a library."""
        if record.name.split(".")[0] in _LIBRARIES:
            kind = record.exc_info[0].__name__ if record.exc_info and record.exc_info[0] else ""
            words = _PLACEHOLDER.sub("…", (str(record.msg).splitlines() or [""])[0])
            record.msg = f"{words} {kind}".rstrip()
            record.args, record.exc_info, record.exc_text = (), None, None
        return True


class _OneLine(logging.Formatter):
    """Writes a record's words on one line: a name with a line break in it begins no record of its own."""

    def formatMessage(self, record: logging.LogRecord) -> str:
        """The words of a record."""
        return on_one_line(super().formatMessage(record))


class _Unhurried(logging.Handler):
    """Writes to standard error in a thread of its own: where nobody reads it, a write never returns."""

    def __init__(self) -> None:
        super().__init__()
        self._lines: queue.Queue[str] = queue.Queue(_MOST_LINES)
        threading.Thread(target=self._write, name="log", daemon=True).start()

    def emit(self, record: logging.LogRecord) -> None:
        """Take a record, unless a great many are waiting."""
        try:
            self._lines.put_nowait(self.format(record))
        except queue.Full:
            return

    def flush(self) -> None:
        """Wait a moment for what is not written yet."""
        with self._lines.all_tasks_done:
            self._lines.all_tasks_done.wait_for(lambda: not self._lines.unfinished_tasks, _FAREWELL)

    def _write(self) -> None:
        while True:
            rest = memoryview(f"{self._lines.get()}\n".encode("utf-8", "backslashreplace"))
            try:
                while rest:
                    rest = rest[os.write(2, rest) :]
            except OSError:
                return
            self._lines.task_done()


def set_up_logs(level: str) -> None:
    """Log to standard error from this level on."""
    handler = _Unhurried()
    handler.setFormatter(_OneLine("%(levelname)s %(name)s: %(message)s"))
    logging.basicConfig(level=level.upper(), handlers=[handler])
    for name in _LIBRARIES:
        logging.getLogger(name).setLevel(logging.WARNING)
    if level != "debug":
        handler.addFilter(_WithoutContent())
