"""Work-done progress of a run: title, words, a percentage that only grows, and cancel."""

from __future__ import annotations

import asyncio
import itertools
import logging
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from lsprotocol import types

from apo_server.advance import Advance
from apo_server.features.plain import said

if TYPE_CHECKING:
    from pygls.lsp.server import LanguageServer

_log = logging.getLogger(__name__)
_numbers = itertools.count(1)
# More often than this nobody can read it.
_INTERVAL = 0.1


class Progress:
    """Shows one run. Clients that do not answer are not waited for, and those without progress see none."""

    def __init__(self, server: LanguageServer, title: str, *, supported: bool, on_cancel: Callable[[], object]) -> None:
        self._server = server
        self._title = title
        self._on_cancel = on_cancel
        self._token = f"apo-{next(_numbers)}"
        self._shown = False
        self._words = ""
        self._percentage = 0
        self._last = 0.0
        self._ended = False
        self._opening = asyncio.ensure_future(self._open()) if supported else None

    def update(self, advance: Advance) -> None:
        """The run has come this far."""
        self._words, self._percentage = advance.counted, advance.percentage
        now = time.monotonic()
        if self._shown and (now - self._last >= _INTERVAL or advance.phase_ends):
            self._last = now
            report = types.WorkDoneProgressReport(message=said(self._words), percentage=self._percentage)
            self._server.work_done_progress.report(self._token, report)

    def end(self, words: str) -> None:
        """The run is over."""
        self._ended = True
        if self._shown:
            self._shown = False
            self._server.work_done_progress.end(self._token, types.WorkDoneProgressEnd(message=said(words)))
        self._server.work_done_progress.tokens.pop(self._token, None)

    async def _open(self) -> None:
        progress = self._server.work_done_progress
        try:
            # Never cancelled: a request that is answered after its cancellation upsets the protocol's books.
            await progress.create_async(self._token)
        except Exception as error:  # whatever the client objects to, the run goes on without progress
            _log.debug("The client shows no progress: %s", error)
            return
        if self._ended:
            progress.tokens.pop(self._token, None)
            return
        progress.tokens[self._token].add_done_callback(lambda future: self._on_cancel() if future.cancelled() else None)
        self._shown = True
        begin = types.WorkDoneProgressBegin(
            title=said(self._title),
            cancellable=True,
            message=said(self._words) or None,
            percentage=self._percentage,
        )
        progress.begin(self._token, begin)
