"""Which selection rule finds the best of many prompts, on simulated arms: ``python benchmarks/selection_study.py``.

An arm is a prompt of some accuracy; whether it gets a row right depends on the row's difficulty, which all arms share,
and on the luck of its wording with that row: right where Φ⁻¹(accuracy) + difficulty + luck > 0, the two normal, with
70 % and 30 % of the variance. The parent has 70 % accuracy, its rewrites 2 points less on average, ± 6. Regret is the
accuracy of the best arm less that of the arm picked, in points. Every rule meets the same arms and rows.

The rules are the engine's own, over answers from a table. Beside them stand UCB as in the reference code of Pryzant et
al. (c = 1, eight steps of eight prompts on rows drawn anew, the first eight by chance), and halving where each arm has
rows of its own: what common rows are worth.
"""

from __future__ import annotations

import argparse
import asyncio
import math
import random
import statistics
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import get_args

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from apo_engine.evaluation.evaluator import silent
from apo_engine.search.race import Race
from apo_engine.search.selection import Selector, selector
from apo_engine.settings import Selection
from tests.engine.search.selection.timed_scorer import TimedScorer, family, rows

PARENT = 0.70
DRIFT, SPREAD = -0.02, 0.06
COMMON = 0.7
NAMES: tuple[Selection, ...] = get_args(Selection)
ARMS = family(160)
NORMAL = statistics.NormalDist()
Table = list[list[float]]


@dataclass
class World:
    """Rows of common difficulty, and arms on them."""

    rng: random.Random
    count: int

    def __post_init__(self) -> None:
        self.rows = [self.rng.gauss(0, math.sqrt(COMMON)) for _ in range(self.count)]

    def child(self, parent: float) -> float:
        return min(0.97, max(0.03, parent + self.rng.gauss(DRIFT, SPREAD)))

    def scores(self, accuracy: float) -> list[float]:
        threshold, luck = NORMAL.inv_cdf(accuracy), math.sqrt(1 - COMMON)
        return [float(threshold + row + self.rng.gauss(0, luck) > 0) for row in self.rows]

    def own_rows(self, accuracy: float) -> list[float]:
        """Scores on rows that no other arm is scored on."""
        return [float(self.rng.random() < accuracy) for _ in range(self.count)]


def mean(values: Sequence[float], digits: int = 2) -> str:
    """Mean ± standard error."""
    error = statistics.stdev(values) / math.sqrt(len(values))
    return f"{statistics.mean(values):.{digits}f} ± {error:.{digits}f}"


def reference_ucb(rng: random.Random, table: Table, keep: int, budget: int) -> list[int]:
    counts, sums = [0] * len(table), [0.0] * len(table)
    for step in range(8):
        size = budget * (step + 1) // 64 - budget * step // 64
        if step == 0:
            chosen = rng.sample(range(len(table)), 8)
        else:
            index = [_mean(sums, counts, i) + math.sqrt(math.log(step) / (counts[i] + 1e-3)) for i in range(len(table))]
            chosen = sorted(range(len(table)), key=lambda i: -index[i])[:8]
        drawn = rng.sample(range(len(table[0])), size)
        for i in chosen:
            counts[i] += size
            sums[i] += sum(table[i][n] for n in drawn)
    return sorted(range(len(table)), key=lambda i: -_mean(sums, counts, i))[:keep]


def _mean(sums: Sequence[float], counts: Sequence[int], i: int) -> float:
    return sums[i] / counts[i] if counts[i] else 0.0


async def pick(rule: Selector, table: Table, keep: int, budget: int) -> list[int]:
    arms = ARMS[: len(table)]
    scorer = TimedScorer(arms, table)
    best = await rule.select(Race(scorer, rows(len(table[0]))), arms, keep, budget, silent)
    assert len(scorer.calls) <= budget
    return [ARMS.index(arm) for arm in best]


async def one_selection(worlds: int, count: int, budgets: Sequence[int], keep: int) -> None:
    """The regret of one selection among new arms."""
    regret: dict[tuple[str, int], list[float]] = {}
    kept: dict[tuple[str, int], list[float]] = {}
    worse: dict[tuple[str, int], list[float]] = {}
    names = ("UCB, reference code", "halving, rows of its own", *NAMES)
    for number in range(worlds):
        world = World(random.Random(number), 200)
        accuracy = [PARENT, *(world.child(PARENT) for _ in range(count - 1))]
        common = [world.scores(one) for one in accuracy]
        apart = [world.own_rows(one) for one in accuracy]
        for budget in budgets:
            for name in names:
                if name == names[0]:
                    best = reference_ucb(world.rng, common, keep, budget)
                elif name == names[1]:
                    best = await pick(selector("successive-halving"), apart, keep, budget)
                else:
                    best = await pick(selector(name), common, keep, budget)  # type: ignore[arg-type]
                top, key = max(accuracy), (name, budget)
                regret.setdefault(key, []).append(100 * (top - accuracy[best[0]]))
                kept.setdefault(key, []).append(100 * (top - max(accuracy[i] for i in best)))
                worse.setdefault(key, []).append(100.0 * (accuracy[best[0]] < accuracy[0]))
    regrets = "regret of the first | of the best kept" if keep > 1 else "regret"
    print(f"\n{count} arms, {keep} kept: {regrets} | how often the first is worse than the parent")
    print(f"(points, ± standard error over {worlds} worlds)")
    print(f"{'':26}" + "".join(f"{budget:>28,} calls" for budget in budgets))
    for name in names:
        cells = []
        for budget in budgets:
            cell = mean(regret[name, budget]) + (f" | {mean(kept[name, budget])}" if keep > 1 else "")
            cells.append(f"{cell} | {statistics.mean(worse[name, budget]):3.0f} %")
        print(f"{name:26}" + "".join(f"{cell:>34}" for cell in cells))


@dataclass(frozen=True)
class Search:
    """A search in miniature: rounds of rewrites of the leader (half of them of others in the beam)."""

    rule: Selection = "successive-halving"
    rounds: int = 6
    children: int = 8
    calls: int = 100
    entry: int = 0
    beam: int = 4
    rows: int = 100
    evidence: str = "kept"

    async def run(self, seed: int) -> float:
        """The accuracy of the leader at the end, in points."""
        world, mating = World(random.Random(seed), self.rows), random.Random(-1 - seed)
        accuracy, table = [0.60], [world.scores(0.60)]
        beam = [0]
        race = Race(TimedScorer(ARMS, table), rows(self.rows))
        for _ in range(self.rounds):
            born = []
            for _ in range(self.children):
                others = beam[1:] or beam
                parent = beam[0] if mating.random() < 0.5 else mating.choice(others)
                born.append(len(accuracy))
                accuracy.append(world.child(accuracy[parent]))
                table.append(world.scores(accuracy[-1]))
            if self.evidence == "new rows":
                world.__post_init__()
                table[:] = [world.scores(one) for one in accuracy]
            if self.evidence != "kept":
                race = Race(TimedScorer(ARMS, table), rows(self.rows))
            arms, left = [ARMS[i] for i in (*beam, *born)], self.calls
            for i in born:
                if (calls := race.cost([ARMS[i]], self.entry)) <= left:
                    left -= calls
                    await race.extend([ARMS[i]], self.entry)
            best = await selector(self.rule).select(race, arms, self.beam, left, silent)
            beam = [ARMS.index(arm) for arm in best]
        return 100 * accuracy[beam[0]]


async def searches(title: str, worlds: int, cases: Mapping[str, Search]) -> None:
    """The accuracy at the end of whole searches, and each one's difference from the first."""
    found = {name: [await case.run(seed) for seed in range(worlds)] for name, case in cases.items()}
    first = next(iter(found.values()))
    print(f"\n{title}; accuracy at the end, ± standard error over {worlds} worlds, and the paired difference")
    for name, ends in found.items():
        difference = [a - b for a, b in zip(ends, first, strict=True)]
        print(f"{name:34}{mean(ends, 1):>16}{mean(difference, 1) if ends is not first else '':>16}")


async def waves(count: int, keep: int, budgets: Sequence[int], worlds: int) -> None:
    """How long a selection takes, in latencies: answers of equal length, and with 5 % stragglers of ten times that."""
    print(f"\n{count} arms, {keep} kept: wall-clock of one selection in latencies (the least that the slots allow)")
    for title, width, straggling in (
        ("any number at once", None, 0.0),
        ("32 at once", 32, 0.0),
        ("32 at once, 5 % take ten times as long", 32, 0.05),
    ):
        print(title)
        for name in NAMES:
            cells = []
            for budget in budgets:
                took = [await timed(name, count, keep, budget, width, straggling, seed) for seed in range(worlds)]
                floor = 0.0 if width is None else budget / width * (1 + 9 * straggling)
                cells.append(f"{statistics.mean(took):5.1f}" + (f" ({floor:.1f})" if floor else ""))
            print(f"  {name:24}" + "".join(f"{cell:>20}" for cell in cells))


async def timed(
    name: Selection, count: int, keep: int, budget: int, width: int | None, straggling: float, seed: int
) -> float:
    world = World(random.Random(seed), 200)
    accuracy = [PARENT, *(world.child(PARENT) for _ in range(count - 1))]
    table = [world.scores(one) for one in accuracy]
    slow = random.Random(-1 - seed)
    late = [[10.0 if slow.random() < straggling else 1.0 for _ in range(200)] for _ in accuracy]
    arms = ARMS[:count]
    scorer = TimedScorer(arms, table, lambda i, n: late[i][n], width=width)
    race = Race(scorer, rows(200))
    await scorer.run(selector(name).select(race, arms, keep, budget, silent))
    took = scorer.now
    await race.stop()
    return took


async def study(worlds: int) -> None:
    await one_selection(worlds, 24, (200, 400, 800), 1)
    await one_selection(worlds, 24, (200, 400, 800), 4)
    some = max(2, worlds // 2)
    small, large = Search(), Search(rounds=4, children=20, calls=400, rows=200)
    title = "{0.rounds} rounds of {0.children} rewrites and {0.calls} calls, beam {0.beam}"
    for search in (small, large):
        cases: dict[str, Search] = {"successive-halving": search}
        cases |= {name: replace(search, rule=name) for name in NAMES if name != search.rule}
        cases["halving, evidence thrown away"] = replace(search, evidence="thrown away")
        cases["the same, on new rows each round"] = replace(search, evidence="new rows")
        await searches(title.format(search), some, cases)
    entries = {
        f"{children} rewrites, {entry} rows": replace(small, children=children, entry=entry, calls=110 - children)
        for children, entry in ((8, 6), (3, 12), (4, 12), (6, 12), (6, 8), (8, 4), (12, 4), (12, 6), (16, 2))
    }
    await searches("First rows of a rewrite: 6 rounds of 110 calls, one of them per rewrite", some, entries)
    await waves(24, 4, (200, 400, 800), 3)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--worlds", type=int, default=150)
    given = parser.parse_args()
    began = time.perf_counter()
    asyncio.run(study(given.worlds))
    print(f"\n{time.perf_counter() - began:.0f} s")
    return 0


if __name__ == "__main__":
    sys.exit(main())
