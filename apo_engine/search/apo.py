"""APO: gradient descent in words with beam search (Pryzant et al. 2023), on three disjoint sets of rows.

Each round expands the leading prompts: it reads critique rows, criticises, edits, and scores the children on their
first rows. While it waits for a critique or an edit, the beam is compared further with whatever calls the expansion
cannot use, so that hardly a slot is idle. The next round's parents are chosen on what both have shown. Every decision
is made when all answers it rests on are there, and follows from them alone.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Sequence
from dataclasses import dataclass

from apo_engine.evaluation.evaluator import Tick, judged
from apo_engine.evaluation.fanout import fan_out
from apo_engine.examples.example import Example
from apo_engine.problems import Severity
from apo_engine.search.arm import Arm
from apo_engine.search.confusion import Scored, failing
from apo_engine.search.events import GradientFound, RoundStarted
from apo_engine.search.optimizer import Found
from apo_engine.search.pool import Pool
from apo_engine.search.proposer import EvidenceProposer, Proposals, Proposer
from apo_engine.search.rounds import FEWEST_FIRST, compare, entry, first_cost, first_rows, in_rounds, rank
from apo_engine.search.selection import Selector
from apo_engine.search.selection.ladder import most_rows
from apo_engine.search.task import SearchTask

# Of a round's calls, at most this share finds out where its parents fail, and at least that compares the beam further.
_READING_SHARE = 0.3
_COMPARING_SHARE = 0.2
# A parent is worth its reading where it can have at least this many children.
_FEWEST_CHILDREN = 3
# Fewer rows than this show too little of a prompt's failures; a prompt hardly ever fails more rarely than this.
_FEWEST_READ, _RAREST_FAILURE = 8, 0.06
# A critique waits for its reading: a few rows more than are asked at once would make it wait twice as long.
_READ_AT_ONCE = 32


@dataclass(frozen=True, slots=True)
class _Expanded:
    """A parent, the critique rows it was read on, and what was made of its failures (None where it has none).

    ``children`` is how many were asked for.
    """

    parent: Arm
    rows: tuple[Example, ...]
    children: int
    proposals: Proposals | None


@dataclass(frozen=True, slots=True)
class _Step:
    """What a round may do: whom it expands (nobody, where too few calls are left), on how many critique rows, into how
    many children each.

    ``each`` calls go into the children of a parent, which are scored on ``first`` selection rows as they come, and
    ``comparing`` into the prompts that are in the race.
    """

    parents: tuple[Arm, ...]
    reading: int
    each: int
    first: int
    comparing: int


@dataclass(frozen=True, slots=True)
class _Round:
    """A round under way: its number, its step, the critique rows in its order, and whether one parent's are read."""

    number: int
    step: _Step
    rows: tuple[Example, ...]
    tick: Tick
    read: asyncio.Event


class ApoSearch:
    """The beam loop. See `Optimizer`."""

    def __init__(
        self, task: SearchTask, pool: Pool, proposer: Proposer, fallback: EvidenceProposer, selector: Selector
    ) -> None:
        self._task = task
        self._pool = pool
        self._proposer = proposer
        self._fallback = fallback
        self._selector = selector
        # The prompts in the race, best first: those kept, and the newest children.
        self._beam = [task.seed]
        self._next_row = 0

    @property
    def beam(self) -> list[Arm]:
        """See `InRounds`."""
        return self._beam

    async def run(self) -> Found:
        """See `Optimizer`."""
        task = self._task
        reading = min(_FEWEST_READ, len(task.rows.critique)) * task.evaluator.calls_per_row
        needed = reading + 2 * first_cost(task, FEWEST_FIRST) + self._proposer.calls(1)
        task.allowance.require(needed, "to find a failure, rewrite once and compare")
        return await in_rounds(task, self._pool, self)

    def _step(self, allowance: int) -> _Step:
        """As many parents of the beam, best first, as the round can pay for; then as many children as it can score."""
        task = self._task
        per_row = task.evaluator.calls_per_row
        fewest = min(_FEWEST_READ, len(task.rows.critique))
        first = first_rows(task, allowance)
        comparing = int(_COMPARING_SHARE * allowance) if len(self._beam) > 1 else first_cost(task, first)
        room = max(0, allowance - comparing)
        for count in range(min(task.settings.beam, len(self._beam)), 0, -1):
            reading = max(fewest, int(_READING_SHARE * allowance) // (count * per_row))
            each = room // count - reading * per_row
            if self._children(each, first) >= min(_FEWEST_CHILDREN, self._proposer.most):
                break
        if most := self._children(each, first):
            each = self._cost(most, first)
            if len(self._beam) > 1:
                comparing = allowance - count * (reading * per_row + each)
            return _Step(tuple(self._beam[:count]), reading, each, first, comparing)
        # The smallest step may take more than a round's share, but not more than there is.
        each = self._cost(1, first)
        if comparing + fewest * per_row + each <= task.allowance.remaining():
            return _Step((self._beam[0],), fewest, each, first, comparing)
        return _Step((), 0, 0, first, allowance)

    def _cost(self, children: int, rows: int) -> int:
        """Calls that make so many children of one parent, and score each on its first ``rows``."""
        return self._proposer.calls(children) + children * first_cost(self._task, rows)

    def _children(self, calls: int, rows: int) -> int:
        """The most children of one parent that can be made and scored for so many calls."""
        counts = (n for n in range(1, self._proposer.most + 1) if self._cost(n, rows) <= calls)
        return max(counts, default=0)

    async def round(self, number: int, calls: int) -> str | None:
        """See `InRounds`."""
        task, race = self._task, self._task.race
        step = self._step(calls)
        racing = tuple(self._beam)
        task.reporter.emit(RoundStarted(number, tuple(arm.id for arm in racing[: task.settings.beam])))
        tick = task.reporter.phase(f"Round {number}: criticising, rewriting, comparing", calls)
        critique, start = task.rows.critique, self._next_row
        rows = (*critique[start:], *critique[:start])
        readings = [self._reading(arm, step) for arm in step.parents]
        self._next_row = (start + max(readings, default=0)) % len(critique)
        this = _Round(number, step, rows, tick, asyncio.Event())
        expanding = asyncio.ensure_future(
            fan_out(self._expand(arm, count, this) for arm, count in zip(step.parents, readings, strict=True))
        )
        comparing = asyncio.ensure_future(self._compare(this))
        await fan_out([expanding, comparing])
        await race.settled()
        expanded = expanding.result()
        newcomers = self._admit(expanded)
        if not newcomers:
            newcomers = await self._fall_back(expanded, this)
        self._pool.tell([*racing, *newcomers])
        self._beam = rank(task, self._pool, number, [*comparing.result(), *newcomers])
        if expanded and all(found.proposals is None and len(found.rows) == len(critique) for found in expanded):
            return "every critique row is answered right: there is nothing to criticise"
        return None

    def _reading(self, arm: Arm, step: _Step) -> int:
        """How many critique rows to read the arm on: about as many as show the failures that can be used."""
        task = self._task
        known = judged(task.evaluator.known(arm.prompt, task.race.rows))
        failures = max(_RAREST_FAILURE, 1 - task.evaluator.metric.total(known)) if known else 0.5
        wanted = math.ceil(self._proposer.wanted(self._children(step.each, step.first)) / failures)
        most = min(len(task.rows.critique), task.settings.minibatch, max(_FEWEST_READ, min(wanted, step.reading)))
        return most - most % _READ_AT_ONCE if most > _READ_AT_ONCE else most

    async def _compare(self, this: _Round) -> list[Arm]:
        """See `compare`. Expansion is the longer chain: its calls go first, and these fill the slots that it leaves."""
        if this.step.parents:
            await this.read.wait()
        return await compare(self._task, self._selector, self._beam, this.step.comparing, this.step.first, this.tick)

    async def _expand(self, parent: Arm, count: int, this: _Round) -> _Expanded:
        """Children from the first ``count`` of the critique rows; where none of these failed, fewer from more rows."""
        evaluator, rows, step = self._task.evaluator, this.rows, this.step
        left = step.each
        scored = await self._read(parent, rows[:count], this)
        if not failing(scored):

            def cost(n: int) -> int:
                return evaluator.cost(parent.prompt, rows[:n])

            count = max(count, most_rows(cost, left - self._cost(1, step.first), len(rows)))
            left -= cost(count)
            scored = await self._read(parent, rows[:count], this)
        if not failing(scored):
            return _Expanded(parent, rows[:count], 0, None)
        most = self._children(left, step.first)
        enter = entry(self._task, self._pool, step.first, this.tick)
        made = await self._proposer.propose(parent, scored, this.number, most, enter)
        return _Expanded(parent, rows[:count], most, made)

    async def _read(self, parent: Arm, rows: Sequence[Example], this: _Round) -> list[Scored]:
        try:
            return list(zip(rows, await self._task.evaluator.score(parent.prompt, rows, this.tick), strict=True))
        finally:
            this.read.set()

    def _admit(self, expanded: Sequence[_Expanded]) -> list[Arm]:
        """Tell what was read and proposed, in a fixed order; the children that enter."""
        task = self._task
        newcomers: list[Arm] = []
        for found in expanded:
            if found.rows:
                task.report_scored(found.parent, "critique", found.rows)
            if found.proposals is not None:
                for gradient in found.proposals.gradients:
                    task.reporter.emit(GradientFound(found.parent.id, gradient))
                newcomers += self._pool.admit(found.proposals.rewrites)
        return newcomers

    async def _fall_back(self, expanded: Sequence[_Expanded], this: _Round) -> list[Arm]:
        """Children by evidence, where the model was asked and gave none that can be used."""
        proposals = [found.proposals for found in expanded if found.proposals is not None]
        asked = sum(made.asked for made in proposals)
        if not asked:
            return []
        weak = sum(made.unreadable for made in proposals) == asked
        self._task.reporter.note(
            f"The optimizer model is too weak for this: none of its {asked} answers in round {this.number} held a "
            "critique. Worked examples and counted evidence take its place in this round."
            if weak
            else f"No rewrite of round {this.number} could be used. Worked examples and counted evidence take "
            "their place.",
            Severity.WARNING,
        )
        again = await fan_out(self._by_evidence(found, this) for found in expanded if found.proposals is not None)
        await self._task.race.settled()
        return self._admit(again)

    async def _by_evidence(self, found: _Expanded, this: _Round) -> _Expanded:
        scored = await self._read(found.parent, found.rows, this)
        enter = entry(self._task, self._pool, this.step.first, this.tick)
        made = await self._fallback.propose(found.parent, scored, this.number, found.children, enter)
        return _Expanded(found.parent, (), found.children, made)
