"""Phrase-level search learned from reward, after GrIPS (Prasad et al. 2022) and TEMPERA (Zhang et al. 2023).

The paper's baseline RL. Each round applies one edit to the prompt at hand per child: a phrase is added back, reworded,
swapped with another or deleted. What edits are drawn follows a policy, and its reward is what a child gains over its
parent on the selection rows that both were scored on. The best child is taken where it gains, else with the annealed
probability of GrIPS: exp(gain / T), T = T₀ · exp(-round / D) with T₀ of ten points and D = 5.
"""

from __future__ import annotations

import math
import random
from collections.abc import Mapping, Sequence

from apo_engine.evaluation.evaluator import Tick
from apo_engine.evaluation.fanout import fan_out
from apo_engine.search.arm import Arm
from apo_engine.search.candidate import PhraseOperator
from apo_engine.search.draws import draw
from apo_engine.search.editor import Rejected, Rewrite
from apo_engine.search.events import RoundStarted
from apo_engine.search.optimizer import Found
from apo_engine.search.phrase_editor import PHRASE_OPERATORS, Draft, PhraseEditor, written
from apo_engine.search.phrases import Cut
from apo_engine.search.policy import SoftmaxPolicy
from apo_engine.search.pool import Pool
from apo_engine.search.proposer import Enter
from apo_engine.search.rounds import (
    FEWEST_FIRST,
    affordable_children,
    entry,
    first_cost,
    first_rows,
    flawless,
    in_rounds,
    rank,
)
from apo_engine.search.selection import Selector
from apo_engine.search.task import SearchTask

_HOTTEST, _COOLING = 0.10, 5
_STEP = 2.0
# Of a round's calls, this share tells the children apart; the rest makes them and scores them on their first rows.
_COMPARING_SHARE = 0.3
# A text that is known already is drawn anew, up to this often.
_TRIES = 8


class PhraseSearch:
    """Annealed hill climbing on phrases. See `Optimizer`."""

    def __init__(self, task: SearchTask, pool: Pool, editor: PhraseEditor, selector: Selector) -> None:
        self._task = task
        self._pool = pool
        self._editor = editor
        self._selector = selector
        self._policy = SoftmaxPolicy(PHRASE_OPERATORS, _STEP)
        # The prompt at hand, and what was left out on the way to it.
        self._current = task.seed
        self._cuts: tuple[Cut, ...] = ()
        # The best prompts of all rounds.
        self._beam = [task.seed]

    @property
    def beam(self) -> list[Arm]:
        """See `InRounds`."""
        return self._beam

    async def run(self) -> Found:
        """See `Optimizer`."""
        self._task.allowance.require(2 * first_cost(self._task, FEWEST_FIRST) + 1, "to edit once and compare")
        return await in_rounds(self._task, self._pool, self)

    async def round(self, number: int, calls: int) -> str | None:
        """See `InRounds`."""
        task, race, parent = self._task, self._task.race, self._current
        tick = task.reporter.phase(f"Round {number}: editing phrases, comparing", calls)
        if number == 1 and (nothing_left := await flawless(task, self._pool, tick)):
            return nothing_left
        task.reporter.emit(RoundStarted(number, (parent.id,)))
        rows = first_rows(task, calls)
        comparing = int(_COMPARING_SHARE * calls)
        other = comparing + race.cost([parent], rows)
        most = min(task.settings.max_children, affordable_children(task, calls, other, 1 + first_cost(task, rows)))
        allowed = self._editor.operators(parent, self._cuts)
        drafts = self._drafts(parent, allowed, number, most)
        race.begin([parent], rows if drafts else 0, tick)
        enter = entry(task, self._pool, rows, tick)
        made = await fan_out(self._write(draft, number, enter, tick) for draft in drafts)
        await race.settled()
        children = self._pool.admit(made)
        leaders = [parent]
        if children:
            leaders = await self._selector.select(race, [parent, *children], 2, comparing, tick)
            await race.settled()
        sources = {child.id: draft for draft, child in zip(drafts, made, strict=True) if isinstance(child, Arm)}
        for child in children:
            # What never became a child teaches nothing.
            self._policy.learn(sources[child.id].operator, allowed, self._gain(parent, child))
        self._go_on(parent, leaders, sources, number)
        self._pool.tell([parent, *children])
        self._beam = rank(task, self._pool, number, [*self._beam, parent, *children])[: task.settings.beam]
        return None

    def _drafts(self, parent: Arm, allowed: Sequence[PhraseOperator], number: int, most: int) -> list[Draft]:
        """At most ``most`` drafts of children, as different as can be had."""
        known: set[str] = set()
        seed = self._task.seed_number
        draws = [draw(seed, "phrase", number, parent.id, child) for child in range(most if allowed else 0)]
        return [self._new(parent, allowed, known, number, rng) for rng in draws]

    def _new(
        self, parent: Arm, allowed: Sequence[PhraseOperator], known: set[str], number: int, rng: random.Random
    ) -> Draft:
        """A draft whose text is neither in the pool nor ``known``, if one is found soon."""
        for _ in range(_TRIES):
            draft = self._editor.draft(parent, self._policy.draw(allowed, rng), self._cuts, rng)
            if draft.phrase is not None:
                return draft
            child = written(draft, number)
            if isinstance(child, Arm) and child.id not in known and self._pool.refusal(child) is None:
                known.add(child.id)
                return draft
        return draft

    async def _write(self, draft: Draft, number: int, enter: Enter, tick: Tick) -> Rewrite:
        child = await self._editor.write(draft, number)
        tick()
        if not isinstance(child, Rejected):
            await enter(child)
        return child

    def _go_on(self, parent: Arm, leaders: Sequence[Arm], sources: Mapping[str, Draft], number: int) -> None:
        """Go on from the best child, if it gains or the annealed chance has it so."""
        best = next((arm for arm in leaders if arm.id != parent.id), None)
        if best is None:
            return
        gain = self._gain(parent, best)
        temperature = _HOTTEST * math.exp(-number / _COOLING)
        chance = 1.0 if gain > 0 else math.exp(gain / temperature)
        if draw(self._task.seed_number, "annealing", number).random() >= chance:
            return
        self._current = best
        draft = sources[best.id]
        if draft.cut is not None:
            others = tuple(cut for cut in self._cuts if cut != draft.cut)
            self._cuts = (*others, draft.cut) if draft.operator == "phrase-delete" else others

    def _gain(self, parent: Arm, child: Arm) -> float:
        """How much better the child does on the rows that both are scored on."""
        race = self._task.race
        n = min(race.known(parent), race.known(child))
        return race.figure(child, n) - race.figure(parent, n)
