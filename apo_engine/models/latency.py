"""Whether answers take longer because more of them are asked for at once: two samples of latencies compared."""

from __future__ import annotations

import math
from collections.abc import Hashable
from dataclasses import dataclass, field
from statistics import median
from typing import Literal

Finding = Literal["free", "unclear", "queueing"]

#: Elasticity of latency with regard to requests under way from which a width counts as queueing: 0 is an endpoint
#: that answers all at once, 1 one that lets every further request wait.
QUEUEING = 0.75
_SURE, _UNSURE = 2.5, -1.0
_FEWEST = 6
_LEAST_SPREAD = 0.02
# The standard deviation of a normal distribution is 1.4826 × its median absolute deviation; the standard error of a
# median is √(π/2) × that of a mean.
_FROM_MAD, _MEDIAN_ERROR = 1.4826, math.sqrt(math.pi / 2)
_ENOUGH = 0.6
_HEADROOM = 1.2


@dataclass(slots=True, eq=False)
class LatencySample:
    """The latencies of ``size`` requests that left at one width, after the ``skip`` first, which settle the queue.

    It is ready when three quarters of them are answered; what comes later does not count, so that stragglers neither
    hold it up nor weigh in one sample and not in another.
    """

    width: int
    size: int
    skip: int = 0
    left: int = 0
    answered: int = 0
    load: int = 0
    by_kind: dict[Hashable, list[float]] = field(default_factory=dict)

    @property
    def ready(self) -> bool:
        """Whether it can be read."""
        return self.answered >= _ENOUGH * self.size

    @property
    def mean_load(self) -> float:
        """How many requests were under way when one that is answered left, itself included, on average."""
        return self.load / self.answered if self.answered else 0.0

    def leave(self) -> bool:
        """A request leaves; whether it belongs to the sample."""
        if self.skip:
            self.skip -= 1
            return False
        if self.left >= self.size:
            return False
        self.left += 1
        return True

    def answer(self, load: int, kind: Hashable | None, seconds: float) -> None:
        """One of the requests was answered.

        Args:
            load: how many were under way when it left, itself included.
            kind: what its latency may be compared with; None with nothing.
            seconds: its latency.
        """
        self.answered += 1
        self.load += load
        if kind is not None:
            self.by_kind.setdefault(kind, []).append(math.log(max(seconds, 1e-6)))


def rise(before: LatencySample, after: LatencySample) -> tuple[float, float] | None:
    """By how much the logarithm of latency rose from one sample to the other, and the standard error of that.

    Latency is here the median of each kind, averaged over the kinds in the proportion in which both samples hold them:
    longer answers and stragglers leave it as it is, and a wait that is the same for all counts once for each. None
    where too few can be compared.
    """
    parts = [_Part(before.by_kind[kind], later) for kind, later in after.by_kind.items() if kind in before.by_kind]
    if sum(part.pairs for part in parts) < _FEWEST:
        return None
    low = sum(part.count * math.exp(part.low) for part in parts)
    high = sum(part.count * math.exp(part.high) for part in parts)
    variance = sum((part.count * math.exp(part.high) / high) ** 2 * part.variance for part in parts)
    return math.log(high / low), math.sqrt(variance)


class _Part:
    """One kind in two samples: the medians of log latency, and the variance of their difference."""

    def __init__(self, before: list[float], after: list[float]) -> None:
        self.count = len(before) + len(after)
        self.pairs = min(len(before), len(after))
        self.low, self.high = median(before), median(after)
        spread = [abs(value - self.low) for value in before] + [abs(value - self.high) for value in after]
        deviation = max(_LEAST_SPREAD, _FROM_MAD * median(spread)) * _MEDIAN_ERROR
        self.variance = deviation**2 * (1 / len(before) + 1 / len(after))


def compare(narrow: LatencySample, wide: LatencySample, elasticity: float = QUEUEING) -> Finding:
    """Whether the wide sample waited in a queue that the narrow one had not, or had a shorter one of.

    With c requests served at once, latency is the same up to c under way and grows in proportion beyond (Little's law);
    the elasticity tells the two apart whatever the latency itself is.
    """
    risen = rise(narrow, wide)
    if risen is None:
        return "unclear"
    difference, error = risen
    excess = difference - elasticity * math.log(max(wide.mean_load / max(narrow.mean_load, 1.0), 1.0))
    if wide.mean_load <= narrow.mean_load or excess < _UNSURE * error:
        return "free"
    return "queueing" if excess > _SURE * error else "unclear"


def slower(before: LatencySample, after: LatencySample, factor: float) -> bool:
    """Whether latency is surely more than ``factor`` times what it was."""
    risen = rise(before, after)
    return risen is not None and risen[0] - math.log(factor) > _SURE * risen[1]


def knee(narrow: LatencySample, wide: LatencySample) -> int:
    """How many requests keep the endpoint busy, of a sample without a queue and one with.

    TCP Vegas (Brakmo and Peterson 1995): of n under way, n × rtt_min / rtt are served and the others queue. A few
    more let no place fall empty.
    """
    risen = rise(narrow, wide)
    served = wide.mean_load * math.exp(-max(0.0, risen[0])) if risen else narrow.mean_load
    return max(narrow.width, math.ceil(_HEADROOM * min(wide.width, served)))
