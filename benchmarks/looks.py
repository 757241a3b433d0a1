"""The sequence of tests on one hold-out, simulated: how often it claims what is not so, and how often it sees what is.

``python -m benchmarks.looks [--repeats N]``

**False claims**: there is no true gain, and somebody looks ten times at the same rows, with new answers each time, and
stops at the first "adopt". **Power**: the true gain is 15 points on 200 hold-out rows, or on the 60 of 200 rows.
"""

from __future__ import annotations

import argparse
import math
import random
import sys
from bisect import bisect
from dataclasses import dataclass
from functools import cache
from itertools import accumulate

from apo_engine.scoring.comparison import Comparison
from apo_engine.scoring.paired import mcnemar, newcombe
from apo_engine.search.verdict import Look

LOOKS, REPEATS, BOUND = 10, 20_000, 0.05
# Hold-out rows, accuracy of both prompts, share of rows on which they differ.
NO_GAIN = [(n, accuracy, share) for n in (20, 60, 200) for accuracy, share in ((0.5, 0.5), (0.7, 0.3), (0.9, 0.1))]
# Hold-out rows, and shares of rows won and lost: 15 points in each case.
GAIN = [(200, 0.15, 0.0), (200, 0.20, 0.05), (200, 0.30, 0.15), (60, 0.15, 0.0), (60, 0.20, 0.05), (60, 0.30, 0.15)]


@dataclass(frozen=True)
class Rates:
    """Per row: the probability that only the new prompt is right, only the old one, both, and neither."""

    won: float
    lost: float
    both: float

    def draw(self, n: int, rng: random.Random) -> tuple[int, int, int]:
        """Counts of rows won, lost, and right in both, of ``n``."""
        won = _drawn(n, self.won, rng)
        rest = 1 - self.won
        lost = _drawn(n - won, self.lost / rest, rng)
        both = _drawn(n - won - lost, self.both / (rest - self.lost), rng)
        return won, lost, both


def _drawn(n: int, p: float, rng: random.Random) -> int:
    """A binomial draw."""
    return min(n, bisect(_cumulative(n, p), rng.random()))


@cache
def _cumulative(n: int, p: float) -> list[float]:
    return list(accumulate(math.comb(n, k) * p**k * (1 - p) ** (n - k) for k in range(n + 1)))


@cache
def adopts(won: int, lost: int, both: int, n: int, look: int) -> bool:
    """Whether the verdict of this look is to adopt."""
    if won <= lost:
        return False
    confidence = Look(look - 1).confidence
    interval = newcombe(both, won, lost, n - won - lost - both, confidence)
    return Comparison(0, 0, (won - lost) / n, interval, mcnemar(won, lost), n, confidence).significant


def first_adoption(n: int, rates: Rates, looks: int, rng: random.Random) -> int | None:
    """The look at which somebody who goes on until "adopt" is told so."""
    for look in range(1, looks + 1):
        if adopts(*rates.draw(n, rng), n, look):
            return look
    return None


def false_claims(n: int, accuracy: float, share: float, repeats: int) -> float:
    """The share of repeats in which one of ten looks claims a gain that is not there."""
    rates = Rates(share / 2, share / 2, accuracy - share / 2)
    rng = random.Random(f"{n}:{accuracy}:{share}")
    return sum(first_adoption(n, rates, LOOKS, rng) is not None for _ in range(repeats)) / repeats


def power(n: int, won: float, lost: float, look: int, repeats: int) -> float:
    """How often look number ``look`` says "adopt" of this gain."""
    rates = Rates(won, lost, 0.6 - lost)
    rng = random.Random(f"{n}:{won}:{lost}:{look}")
    return sum(adopts(*rates.draw(n, rng), n, look) for _ in range(repeats)) / repeats


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=REPEATS)
    repeats = parser.parse_args(arguments).repeats
    print(f"No true gain, ten looks at one hold-out, {repeats:,} repeats each\n")
    print("| hold-out rows | accuracy | rows that differ | false claims in ten looks | at most |")
    print("|---|---|---|---|---|")
    worst = 0.0
    for n, accuracy, share in NO_GAIN:
        claimed = false_claims(n, accuracy, share, repeats)
        worst = max(worst, claimed)
        print(f"| {n} | {accuracy:.0%} | {share:.0%} | {claimed:.2%} | {BOUND:.0%} |", flush=True)
    print('\nA true gain of 15 points: how often "adopt" is said\n')
    print("| hold-out rows | won | lost | look 1 | look 2 | look 5 |")
    print("|---|---|---|---|---|---|")
    for n, won, lost in GAIN:
        shares = [power(n, won, lost, look, repeats // 4) for look in (1, 2, 5)]
        print(f"| {n} | {won:.0%} | {lost:.0%} | " + " | ".join(f"{share:.0%}" for share in shares) + " |", flush=True)
    return int(worst > BOUND)


if __name__ == "__main__":
    sys.exit(main())
