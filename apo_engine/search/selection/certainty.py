"""What is certain about an order while answers are still missing.

An arm stands between its ``bounds``: the least and the most that its figure can become. Arms are given in their order
of precedence: of equal figures, the earlier arm stands above.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence

Bounds = tuple[float, float]


def survivors(bounds: Sequence[Bounds], size: int) -> list[int]:
    """The arms that are surely among the best ``size``, in the order given.

    An arm surely survives when fewer than ``size`` others could still end above it. Once ``size`` arms surely survive,
    the others surely do not.
    """
    best_cases = sorted((-most, i) for i, (_, most) in enumerate(bounds))
    sure = []
    for i, (least, most) in enumerate(bounds):
        rivals = bisect_left(best_cases, (-least, i)) - ((-most, i) < (-least, i))
        if rivals < size:
            sure.append(i)
    return sure


def leaders(bounds: Sequence[Bounds], size: int) -> list[int] | None:
    """The best ``size`` arms, best first; None while their choice or their order could still change."""
    order = sorted(range(len(bounds)), key=lambda i: (-bounds[i][0], i))
    below = (float("inf"), len(bounds))
    certain = True
    for place in range(len(order) - 1, -1, -1):
        i = order[place]
        least, most = bounds[i]
        certain = certain and (place >= size or (-least, i) < below)
        below = min(below, (-most, i))
    return order[:size] if certain else None
