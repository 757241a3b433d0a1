"""Our own notification `apo/status`: what runs for each prompt, for editors that show it all the time.

It goes only to a client that says ``{"experimental": {"apoStatus": true}}``; what it tells stands in the lenses too.
Such a client tells the verdict of a search itself, from `apo.report`, once the prompt's state is no longer ``running``,
and is told of problems in parts, so that it can offer the way out of each: a notification holds a `Status`, or a
``problem`` alone.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Literal, TypedDict

from apo_server.features.plain import said

if TYPE_CHECKING:
    from apo_engine.problems import Problem
    from apo_server.server import ApoLanguageServer

METHOD = "apo/status"
# Changes that come within this time, in seconds, are told together.
_SOON = 0.25
State = Literal["idle", "waiting", "running", "paused"]


class Status(TypedDict):
    """What goes on for the prompt at ``uri``.

    ``words`` and ``percentage`` say how far a run has come, ``usd`` what it has spent (null where a price is unknown).
    ``run`` is the run that `apo.report` would tell, null where there is none.
    """

    uri: str
    state: State
    words: str
    percentage: int
    usd: float | None
    run: str | None


class Trouble(TypedDict):
    """What is wrong, what to do about it, and the address and 1-based line where it stands."""

    message: str
    remedy: str
    severity: str
    code: str
    file: str | None
    line: int | None


class StatusFeed:
    """Tells the client what has changed, now and then."""

    def __init__(self, server: ApoLanguageServer) -> None:
        self._server = server
        self._told: dict[str, Status] = {}
        self._due = False

    def changed(self) -> None:
        """Something may have changed."""
        if self._server.session.client.status and not self._due:
            self._due = True
            asyncio.get_running_loop().call_later(_SOON, self._tell)

    def tell(self, problem: Problem) -> None:
        """Tell at once what is wrong."""
        place = problem.place
        trouble = Trouble(
            message=said(problem.message),
            remedy=said(problem.remedy),
            severity=problem.severity.value,
            code=problem.code,
            file=place.path.as_uri() if place and place.path else None,
            line=place.line if place else None,
        )
        self._server.protocol.notify(METHOD, {"problem": trouble})

    def _tell(self) -> None:
        self._due = False
        now = {view.document.uri: self._of(view.document.uri) for view in self._server.session.prompts}
        for uri, status in now.items():
            if self._told.get(uri) != status:
                self._server.protocol.notify(METHOD, status)
        self._told = now

    def _of(self, uri: str) -> Status:
        server = self._server
        view = server.session.view(uri)
        known = view.known if view is not None else None
        status = Status(
            uri=uri, state="idle", words="", percentage=0, usd=0.0, run=known.ran.run if known and known.ran else None
        )
        if server.jobs.running(uri) is None:
            status["state"] = "paused" if server.runner.paused(uri) else "idle"
            return status
        status["state"] = "waiting" if server.jobs.waiting(uri) else "running"
        status["run"] = server.runner.run(uri) or status["run"]
        advance = server.runner.advance(uri)
        if advance is not None:
            status |= {"words": advance.counted, "percentage": advance.percentage, "usd": advance.usd}
        return status
