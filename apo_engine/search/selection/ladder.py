"""The climb that halving, rejects and uniform allocation share: rungs of ever more rows for ever fewer arms."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache

from apo_engine.evaluation.evaluator import Tick
from apo_engine.search.arm import Arm
from apo_engine.search.race import Race
from apo_engine.search.selection.certainty import leaders, survivors

# cost(rows, size): the calls by which the dearest ``size`` of the arms at hand get from where they are to ``rows``.
Cost = Callable[[int, int], int]


@dataclass(frozen=True, slots=True)
class Rung:
    """The rows that all arms still in the race are scored on, and how many of them go on to the next rung."""

    rows: int
    survivors: int


# rule(arms alive, arms to keep, cost, budget, most rows): the next rung, whose rows cost no more than the budget.
# Where arms are cheaper, it must have at least as many rows.
Rule = Callable[[int, int, Cost, int, int], Rung]


async def climb(race: Race, arms: Sequence[Arm], keep: int, budget: int, rule: Rule, tick: Tick) -> list[Arm]:
    """The best ``keep`` arms, best first, for at most ``budget`` calls, by the rungs of ``rule``.

    There is no barrier between rungs. An arm that surely survives a cut begins its next rows while answers that could
    turn the rest of the cut are awaited: as many rows as are affordable whoever else survives. Once all survivors are
    known, the rung grows to what they can afford. Answers that can change nothing are not waited for; they come in
    the background (see `Race.settled`). Every choice and every call follows from the answers alone, whatever their
    order of arrival.
    """
    alive = list({arm.id: arm for arm in arms}.values())
    account = _Account(race, alive, tick)
    most = len(race.rows)
    rows = 0
    while True:
        rung = rule(len(alive), keep, account.cost(alive), budget, most)
        rows = max(rows, rung.rows)
        account.begin(alive, rows)
        budget -= account.close(alive)
        if rung.survivors <= keep or rung.survivors >= len(alive):
            break
        ahead = rule(rung.survivors, keep, account.cost(alive), budget, most).rows
        while len(sure := _certain(race, alive, rows, rung.survivors)) < rung.survivors:
            account.begin(sure, ahead)
            await race.news()
        account.begin(sure, ahead)
        alive, rows = sure, max(rows, ahead)
    while (order := leaders([race.bounds(arm, rows) for arm in alive], keep)) is None:
        await race.news()
    return [alive[i] for i in order]


def most_rows(cost: Callable[[int], int], budget: int, most: int) -> int:
    """The most rows, up to ``most``, whose ``cost`` is within the budget, by bisection."""
    low, high = 0, most
    while low < high:
        middle = (low + high + 1) // 2
        if cost(middle) <= budget:
            low = middle
        else:
            high = middle - 1
    return low


def _certain(race: Race, alive: Sequence[Arm], rows: int, size: int) -> list[Arm]:
    return [alive[i] for i in survivors([race.bounds(arm, rows) for arm in alive], size)]


class _Account:
    """The calls that each arm of a climb has taken, and what more rows would take."""

    def __init__(self, race: Race, arms: Sequence[Arm], tick: Tick) -> None:
        self._race = race
        self._tick = tick
        self._spent = {arm.id: 0 for arm in arms}
        self._closed = dict(self._spent)
        self._upto: dict[tuple[str, int], int] = {}

    def begin(self, arms: Sequence[Arm], rows: int) -> None:
        """Have the arms scored on ``rows``."""
        for arm in arms:
            self._spent[arm.id] += self._race.cost([arm], rows)
        self._race.begin(arms, rows, self._tick)

    def close(self, arms: Sequence[Arm]) -> int:
        """The calls that these arms began since this was last asked."""
        calls = sum(self._spent[arm.id] - self._closed[arm.id] for arm in arms)
        self._closed = dict(self._spent)
        return calls

    def cost(self, arms: Sequence[Arm]) -> Cost:
        """Calls since the last `close`, those begun already included."""

        @cache
        def sums(rows: int) -> list[int]:
            each = sorted((self._calls(arm, rows) - self._closed[arm.id] for arm in arms), reverse=True)
            total = [0]
            for calls in each:
                total.append(total[-1] + calls)
            return total

        return lambda rows, size: sums(rows)[size]

    def _calls(self, arm: Arm, rows: int) -> int:
        key = (arm.id, rows)
        if key not in self._upto:
            self._upto[key] = self._spent[arm.id] + self._race.cost([arm], rows)
        return self._upto[key]
