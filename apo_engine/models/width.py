"""How many requests at once an endpoint takes well: found by trying, and kept just under its limit.

Two signs mark the limit. A refusal (429) says how many were under way when one more was too much. Latency that rises
in proportion to the requests under way says that the further ones wait in a queue, where they gain nothing: TCP Vegas
(Brakmo and Peterson 1995) and the limiters made after it (Netflix concurrency-limits) compare latency with its least.
Here latencies are compared between two widths, kind by kind, because answers of a model differ by their lengths far
more than by any queue, and because latency that rises at every width is none of our doing.
"""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass
from typing import Literal

from apo_engine.models.latency import LatencySample, compare, knee, slower

# The least size of a sample, and how many times its width an unclear one may grow to.
_FEWEST, _LARGEST = 12, 4
# How many times slower answers may become before a queue is suspected.
_SLOWER = 1.5
# For how many samples, each of about two latencies, a width is held before it is tried anew.
_FIRST_PATIENCE, _PATIENCE_AT_LIMIT, _LONGEST_PATIENCE = 16, 2, 128
# The least ratio of two widths whose latencies can be told apart, and the elasticity below which they surely are alike.
_TELLING, _CLEAR = 1.4, 0.25


@dataclass(frozen=True, slots=True)
class Departure:
    """What is remembered of a request under way: its sample, if any, the load it met, and the refusals before it."""

    sample: LatencySample | None
    load: int
    refusals: int


class AdaptiveWidth:
    """The number of requests that may be under way at once, between 1 and ``widest``.

    *Climbing*, it goes up while the wider sample is not slowed by a queue. *Descending*, it goes down by halves until
    latency falls no further, and settles at the knee. *Holding*, it looks again: at once when answers have become
    slower, else after a patience that doubles each time nothing has changed.

    A refusal takes the width down to what was under way without the refused request, once by half at most for all
    requests that left before; from there it climbs by one, two, four …

    Requests that are not timed (see :meth:`leave`) tell nothing of queues: alone, they keep the widest width until one
    is refused.
    """

    def __init__(self, widest: int) -> None:
        self._widest = widest
        self._width = widest
        self._phase: Literal["climb", "descend", "hold"] = "hold"
        self._timed = False
        self._sample = LatencySample(widest, 2 * widest)
        self._reference: LatencySample | None = None
        self._queue_seen = False
        self._limit: Literal["none known", "queue", "refusal"] = "none known"
        self._step = widest
        self._patience = _FIRST_PATIENCE
        self._held = 0
        self._refusals = 0
        self._floor = 1

    @property
    def value(self) -> int:
        """How many requests may be under way now."""
        return self._width

    def leave(self, active: int, *, timed: bool) -> Departure:
        """A request leaves; with it ``active`` are under way.

        ``timed`` says that its latency will tell something; the first such request begins the climb, at half width.
        """
        if timed and not self._timed:
            self._timed = True
            if self._width == self._widest:
                self._climb(max(1, self._widest // 2), None, step=self._widest)
        sample = self._sample
        # What leaves in a lull says nothing about the width.
        belongs = 4 * active >= self._width and sample.leave()
        return Departure(sample if belongs else None, active, self._refusals)

    def answered(self, departure: Departure, kind: Hashable | None, seconds: float) -> None:
        """A request was answered after ``seconds``; only latencies of the same ``kind`` are compared."""
        sample = departure.sample
        if sample is None:
            return
        sample.answer(departure.load, kind, seconds)
        if sample is self._sample and sample.ready:
            after = {"climb": self._after_climb, "descend": self._after_descend, "hold": self._after_hold}
            after[self._phase](sample)

    def lost(self, departure: Departure) -> None:
        """A request came to nothing, or was given up: another takes its place in the sample."""
        if departure.sample is not None:
            departure.sample.left -= 1

    def refused(self, departure: Departure, others: int) -> None:
        """The endpoint refused a request as one too many, while ``others`` were under way."""
        if departure.refusals == self._refusals:
            self._refusals += 1
            self._floor = max(1, self._width // 2)
            if self._limit != "refusal":
                self._limit, self._patience = "refusal", _PATIENCE_AT_LIMIT
        width = max(self._floor, min(self._width, others))
        if width < self._width or self._phase != "hold":
            self._hold(width, None)

    def _after_climb(self, sample: LatencySample) -> None:
        narrow = self._reference
        # A few slots more tell little: such samples are passed over until they add up.
        judged = narrow is not None and sample.width >= _TELLING * narrow.width and bool(sample.by_kind)
        clear = True
        if narrow is not None and judged:
            finding = compare(narrow, sample)
            if finding == "unclear" and self._more(sample):
                return
            if finding != "free":
                if self._limit == "none known":
                    self._look_below(sample)
                else:
                    self._hold(narrow.width, narrow)
                return
            clear = compare(narrow, sample, _CLEAR) == "free"
        if sample.width == self._widest:
            self._limit, self._patience = "none known", _FIRST_PATIENCE if clear else 1
            self._hold(self._widest, sample)
            return
        if self._limit == "refusal":
            self._patience = _PATIENCE_AT_LIMIT
        self._climb(sample.width + self._step, sample if judged or narrow is None else narrow, step=2 * self._step)

    def _after_descend(self, sample: LatencySample) -> None:
        wide = self._reference
        assert wide is not None
        finding = compare(sample, wide)
        if finding == "unclear" and self._more(sample):
            return
        if finding == "queueing":
            self._queue_seen = True
            if sample.width > 1:
                self._descend(sample)
            else:
                self._settle(1, sample)
        elif self._queue_seen:
            self._settle(min(self._widest, knee(sample, wide)), sample)
        else:
            self._hold(wide.width, wide)

    def _after_hold(self, sample: LatencySample) -> None:
        self._held += 1
        reference = self._reference or sample
        if self._width > 1 and slower(reference, sample, _SLOWER):
            self._look_below(sample)
        elif self._held < self._patience or (self._width == self._widest and not self._timed):
            self._reference = reference
            self._sample = LatencySample(self._width, 2 * max(self._width, _FEWEST))
        else:
            self._patience = min(2 * self._patience, _LONGEST_PATIENCE)
            if self._width < self._widest:
                step = 1 if self._limit == "refusal" else max(1, self._width // 2)
                self._climb(self._width + step, sample, step=2 * step)
            else:
                self._look_below(sample)

    def _more(self, sample: LatencySample) -> bool:
        """Let an unclear sample grow; False when it has grown enough."""
        if sample.size >= _LARGEST * max(sample.width, _FEWEST):
            return False
        sample.size *= 2
        return True

    def _climb(self, width: int, narrow: LatencySample | None, *, step: int) -> None:
        self._step = step
        self._go("climb", min(self._widest, width), narrow)

    def _look_below(self, wide: LatencySample) -> None:
        self._queue_seen = False
        self._descend(wide)

    def _descend(self, wide: LatencySample) -> None:
        self._go("descend", max(1, wide.width // 2), wide)

    def _settle(self, width: int, reference: LatencySample) -> None:
        self._limit, self._patience = "queue", _PATIENCE_AT_LIMIT
        self._hold(width, reference)

    def _hold(self, width: int, reference: LatencySample | None) -> None:
        self._held = 0
        self._go("hold", width, reference)
        self._sample.size = 2 * max(width, _FEWEST)

    def _go(self, phase: Literal["climb", "descend", "hold"], width: int, reference: LatencySample | None) -> None:
        # What fills the new slots leaves in a burst, which a queue treats otherwise than a steady flow.
        burst = max(0, width - self._width) if reference else 0
        self._phase, self._width, self._reference = phase, width, reference
        self._sample = LatencySample(width, max(_FEWEST, 3 * width // 4), burst)
