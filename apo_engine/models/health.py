"""Whether an endpoint is well: asked by one request before many leave, and again by one at a time while it is not.

A circuit breaker (Nygard, Release It!, 2007) that begins half open. As long as nothing has come of an endpoint, one
request goes ahead and the others wait for what becomes of it: a wrong key or a wrong address is found out with one
request instead of a whole wave. Once it answers, all may leave. After several failures in a row nothing more is sent
but a probe now and then, with longer and longer waits between them, and after so many probes that failed it is given
up for good.
"""

from __future__ import annotations

from dataclasses import dataclass

from apo_engine.models.failure import FinalFailure, TransientFailure

# Failures in a row, of any requests, after which an endpoint that has answered before is probed.
_IN_A_ROW = 8
# Probes that may fail in a row, where the endpoint has answered before: about two minutes.
_PROBES = 12
# The longest wait before a probe, in seconds.
_LONGEST_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class Pass:
    """Leave to send one request; ``probe`` says that the others wait for what becomes of it."""

    era: int
    probe: bool


class Health:
    """What is known of an endpoint. ``well`` from the start where nothing needs to be found out.

    ``seconds`` is the wait before the second probe, doubled before each further one.

    Every request that leaves gets a pass and hands it in once: as ``answered``, ``failed``, ``refused`` or ``lost``.
    """

    def __init__(self, *, well: bool, seconds: float) -> None:
        self._seconds = seconds
        self._well = well
        self._ever = well
        # Requests that left before the endpoint was found ill, or found well, tell nothing new of the opposite.
        self._era = 0
        self._probing = False
        self._failures = 0
        self._gone: FinalFailure | None = None

    @property
    def open(self) -> bool:
        """Whether a request may leave now."""
        return self._well or not self._probing

    @property
    def gone(self) -> FinalFailure | None:
        """Why the endpoint was given up, if it was."""
        return self._gone

    def leave(self) -> Pass:
        """A request leaves."""
        self._probing = not self._well
        return Pass(self._era, self._probing)

    def answered(self, given: Pass) -> None:
        """It was answered."""
        if given.era == self._era:
            self._failures = 0
            if not self._well:
                self._turn(well=True)
            self._ever = True

    def lost(self, given: Pass) -> None:
        """It was given up, came to nothing for a reason of ours, or is not waited for: nothing is learned so far."""
        if given.probe and given.era == self._era:
            self._probing = False

    def failed(self, given: Pass, failure: TransientFailure) -> float:
        """It failed in a way that may pass; the seconds in which nothing should leave."""
        self.lost(given)
        if given.era != self._era:
            return 0.0
        self._failures += 1
        if self._well:
            if self._failures < _IN_A_ROW:
                return 0.0
            self._turn(well=False)
        elif self._failures >= (_PROBES if self._ever else failure.scouts):
            self._gone = FinalFailure(failure.problems[0])
        return min(self._seconds * 2.0 ** max(0, self._failures - 1), _LONGEST_SECONDS)

    def refused(self, given: Pass, failure: FinalFailure) -> None:
        """It failed for good, and so may the next: one goes ahead. What refuses the first one refuses all."""
        self.lost(given)
        if given.era != self._era:
            return
        if self._well:
            self._turn(well=False)
        else:
            self._gone = FinalFailure(failure.problems[0])

    def _turn(self, *, well: bool) -> None:
        self._well = well
        self._era += 1
        self._probing = False
        self._failures = 0
