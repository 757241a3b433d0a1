"""APO: gradient descent in words with beam search (Pryzant et al. 2023), on three disjoint sets of rows."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import zip_longest

from apo_engine.evaluation.evaluator import Tick
from apo_engine.evaluation.fanout import fan_out
from apo_engine.examples.example import Example
from apo_engine.problems import BudgetError, Problem, Severity
from apo_engine.search.arm import Arm
from apo_engine.search.critic import Scored, failing
from apo_engine.search.editor import Rejected, Rewrite
from apo_engine.search.events import (
    CandidateDiscarded,
    CandidateProposed,
    GradientFound,
    Part,
    RoundEnded,
    RoundStarted,
    Standing,
    Stopped,
)
from apo_engine.search.guard import Guard
from apo_engine.search.proposer import EvidenceProposer, Proposals, Proposer
from apo_engine.search.selection import Selector
from apo_engine.search.selection.halving import FEWEST_ROWS, affordable
from apo_engine.search.task import SearchTask

# A round with fewer calls than this scores too little to choose well; fewer, fuller rounds find more.
_CALLS_PER_ROUND = 220
# Of a round's calls, at most these shares find out where the parents fail, and write; the rest selects.
_READING_SHARE = 0.3
_WRITING_SHARE = 0.25
# Of what selects, at most this share gives every child its first rows; the rest tells the good ones apart.
_ENTRY_SHARE = 0.6
# The last word among the finalists is had on all selection rows, as far as the calls kept for it go.
_FINALISTS = 3


@dataclass(frozen=True, slots=True)
class Found:
    """The end of a search: the arm that ranks first on selection rows (the seed where nothing beat it)."""

    best: Arm
    stopped: Stopped
    reason: str


@dataclass
class ApoSearch:
    """The beam loop. ``best`` is the best arm so far at any moment, so that an interrupted search has a result."""

    task: SearchTask
    proposer: Proposer
    fallback: EvidenceProposer
    selector: Selector
    best: Arm = field(init=False)

    def __post_init__(self) -> None:
        self.best = self.task.seed
        self._beam = [self.task.seed]
        self._known = {self.task.seed.id: self.task.seed}
        self._told: dict[tuple[str, str], int] = {}
        self._guard = Guard(self.task.seed, (*self.task.rows.critique, *self.task.rows.selection))

    async def run(self) -> Found:
        """Search until rounds, calls, failures or progress end.

        Raises:
            BudgetError: the cap on calls is too small for even one step (before anything is asked), or a cap was hit.
            ModelError: the endpoint fails for good.
        """
        task, settings = self.task, self.task.settings
        self._require_calls()
        await self._score_seed()
        stale, planned = 0, self._rounds()
        for round_ in range(1, planned + 1):
            allowance = self._remaining() // (planned - round_ + 1)
            parents = await self._read(allowance, round_)
            if parents is None:
                return self.found("no-failures", "every critique row is answered right: there is nothing to criticise")
            task.reporter.emit(RoundStarted(round_, tuple(arm.id for arm in self._beam)))
            later = (planned - round_) * allowance
            children = await self._propose(self._affordable(parents, allowance), round_, later)
            before = self.best
            await self._select(children, self._remaining() - later, round_)
            stale = stale + 1 if self.best.id == before.id else 0
            if stale >= settings.patience:
                return await self._final("no-progress", f"{stale} rounds found nothing better")
        if planned < settings.rounds:
            return await self._final("finished", f"the cap on calls allows {planned} of {settings.rounds} rounds")
        return await self._final("finished", f"all {planned} rounds are done")

    def _require_calls(self) -> None:
        task = self.task
        first_look = task.evaluator.cost(task.seed.prompt, (*self._minibatch(), *task.race.rows))
        needed = first_look + self.proposer.calls() + self._entry_cost() + len(task.race.rows)
        if task.allowance.remaining() < needed:
            total = needed + 2 * len(task.rows.holdout)
            raise BudgetError(
                Problem(
                    "budget-too-small",
                    "The cap on calls is too small for one step of the search: with these rows it needs "
                    f"{total:,} calls ({first_look:,} to score the prompt, {needed - first_look:,} for one round, "
                    f"{total - needed:,} for the verdict).",
                    f"Allow at least {total:,} calls (--max-calls, 'apo.budget: {{calls: …}}'), or use fewer rows.",
                )
            )

    def _rounds(self) -> int:
        return max(1, min(self.task.settings.rounds, self._remaining() // _CALLS_PER_ROUND))

    def _remaining(self) -> int:
        """Calls for rounds: all but those for the finalists."""
        return max(0, self.task.allowance.remaining() - len(self.task.race.rows))

    def _entry_cost(self) -> int:
        """Calls that show a new candidate for the first time."""
        return self.task.evaluator.cost_of_new(self.task.race.rows[:FEWEST_ROWS])

    async def _score_seed(self) -> None:
        task = self.task
        rows = self._minibatch()
        tick = task.reporter.phase("Scoring your prompt", len(rows) + len(task.race.rows))
        await fan_out(
            [
                task.evaluator.score(task.seed.prompt, rows, tick),
                task.evaluator.score(task.seed.prompt, task.race.rows, tick),
            ]
        )
        self._tell([task.seed])

    async def _read(self, allowance: int, round_: int) -> list[tuple[Arm, list[Scored]]] | None:
        """The parents to expand with their scored critique rows; None when the whole beam makes no mistake."""
        task = self.task
        rows = self._minibatch()
        parents: list[Arm] = []
        cost = 0
        for arm in self._beam:
            cost += task.evaluator.cost(arm.prompt, rows)
            if parents and cost > _READING_SHARE * allowance:
                break
            parents.append(arm)
        tick = task.reporter.phase(f"Round {round_}: finding failures", len(parents) * len(rows))
        await fan_out(task.evaluator.score(arm.prompt, rows, tick) for arm in parents)
        if not any(self._failures(arm) for arm in parents):
            rows = task.rows.critique
            if task.evaluator.cost(parents[0].prompt, rows) <= allowance:
                await task.evaluator.score(parents[0].prompt, rows, tick)
        self._tell(parents)
        scored = [(arm, self._scored(arm)) for arm in parents if self._failures(arm)]
        return scored or None

    async def _propose(self, parents: Sequence[tuple[Arm, list[Scored]]], round_: int, later: int) -> list[Arm]:
        """The children of a round, as many as can be scored with the calls that are not for ``later``."""
        reporter = self.task.reporter
        room = self._remaining() - later - len(parents) * self.proposer.calls()
        most = max(1, int(_ENTRY_SHARE * room) // self._entry_cost())
        share = min(self.task.settings.max_children, math.ceil(most / len(parents)))
        tick = reporter.phase(f"Round {round_}: criticising and rewriting", len(parents))
        proposals = await self._ask(self.proposer, parents, round_, share, tick)
        children = self._admit(parents, proposals, most)
        asked, unreadable = sum(p.asked for p in proposals), sum(p.unreadable for p in proposals)
        if asked and unreadable == asked:
            reporter.note(
                f"The optimizer model is too weak for this: none of its {asked} answers in round {round_} held a "
                "critique. Worked examples and counted evidence take its place in this round.",
                Severity.WARNING,
            )
        elif not children and self.proposer is not self.fallback:
            reporter.note(
                f"No rewrite of round {round_} could be used. Worked examples and counted evidence take their place.",
                Severity.WARNING,
            )
        if not children and self.proposer is not self.fallback:
            children = self._admit(parents, await self._ask(self.fallback, parents, round_, share, tick), most)
        return children

    async def _ask(
        self, proposer: Proposer, parents: Sequence[tuple[Arm, list[Scored]]], round_: int, most: int, tick: Tick
    ) -> list[Proposals]:
        async def one(arm: Arm, scored: list[Scored]) -> Proposals:
            made = await proposer.propose(arm, scored, round_, most)
            tick()
            return made

        return await fan_out(one(arm, scored) for arm, scored in parents)

    def _affordable(
        self, parents: Sequence[tuple[Arm, list[Scored]]], allowance: int
    ) -> Sequence[tuple[Arm, list[Scored]]]:
        each = self.proposer.calls()
        return parents[: max(1, int(_WRITING_SHARE * allowance) // each)] if each else parents

    def _admit(
        self, parents: Sequence[tuple[Arm, list[Scored]]], proposals: Sequence[Proposals], most: int
    ) -> list[Arm]:
        """Emit what was proposed, in a fixed order, and take in at most ``most`` children that pass the guard."""
        emit = self.task.reporter.emit
        families: list[list[Rewrite]] = []
        for (parent, _), proposal in zip(parents, proposals, strict=True):
            for gradient in proposal.gradients:
                emit(GradientFound(parent.id, gradient))
            # Edits before paraphrases of edits: where only some may enter, each gradient gets its turn first.
            families.append(sorted(proposal.rewrites, key=_is_paraphrase))
        children: list[Arm] = []
        # Families take turns, so that a cut for want of calls falls on all of them alike.
        for rewrite in (made for turn in zip_longest(*families) for made in turn if made is not None):
            if isinstance(rewrite, Rejected):
                emit(CandidateDiscarded(rewrite.parent, rewrite.operator, rewrite.gradient, rewrite.reason))
                continue
            made = rewrite.candidate
            reason = self._guard.refusal(rewrite.prompt, self._known, rewrite.id)
            if reason is None and len(children) >= most:
                reason = "no calls are left to score it in this round"
            if reason is not None:
                emit(CandidateDiscarded(str(made.parent), made.operator, made.gradient, reason))
                continue
            self._known[rewrite.id] = rewrite
            children.append(rewrite)
            emit(CandidateProposed(made))
        return children

    async def _select(self, children: Sequence[Arm], budget: int, round_: int) -> None:
        task = self.task
        arms = [*self._beam, *children]
        total = min(budget, task.race.cost(arms, len(task.race.rows)))
        tick = task.reporter.phase(f"Round {round_}: comparing {len(arms)} prompts", total)
        self._beam = await self.selector.select(task.race, arms, task.settings.beam, budget, tick)
        self._tell(arms)
        n = min(task.race.known(arm) for arm in self._beam)
        leader = task.race.ranked([self.best, *self._beam])[0]
        if leader.id != self.best.id:
            self.best = leader
        standings = tuple(Standing(arm.id, task.race.figure(arm, n), n) for arm in self._beam)
        task.reporter.emit(RoundEnded(round_, standings, task.reporter.spent()))

    async def _final(self, stopped: Stopped, reason: str) -> Found:
        """The end of a search whose rounds are over: the finalists meet on as many selection rows as can be had."""
        task = self.task
        ranked = task.race.ranked(list({arm.id: arm for arm in (self.best, *self._beam)}.values()))
        finalists = ranked[:_FINALISTS]
        n = affordable(task.race, finalists, task.allowance.remaining())
        tick = task.reporter.phase("Comparing the finalists", task.race.cost(finalists, n))
        await task.race.extend(finalists, n, tick)
        self._tell(finalists)
        self.best = task.race.ranked(finalists)[0]
        return self.found(stopped, reason)

    def found(self, stopped: Stopped, reason: str) -> Found:
        """The winner; it must do better than the seed on the rows both were scored on."""
        comparison = self.task.compared(self.best, self.task.race.rows)
        if comparison is not None and comparison.difference <= 0:
            self.best = self.task.seed
        return Found(self.best, stopped, reason)

    def lineage(self, arm: Arm) -> tuple[str, ...]:
        """The operators that made an arm out of the seed, in order."""
        operators: list[str] = []
        at: Arm | None = arm
        while at is not None and at.candidate.parent is not None:
            operators.append(at.candidate.operator)
            at = self._known.get(at.candidate.parent)
        return tuple(reversed(operators))

    def _tell(self, arms: Sequence[Arm]) -> None:
        for arm in arms:
            parts: tuple[tuple[Part, tuple[Example, ...]], ...] = (
                ("critique", self.task.rows.critique),
                ("selection", self.task.race.rows),
            )
            for part, rows in parts:
                key = (arm.id, part)
                self.task.report_scored(arm, part, rows, self._told.get(key, 0))
                self._told[key] = len(self.task.evaluator.known(arm.prompt, rows))

    def _minibatch(self) -> tuple[Example, ...]:
        return self.task.rows.critique[: self.task.settings.minibatch]

    def _scored(self, arm: Arm) -> list[Scored]:
        rows = self.task.rows.critique
        return list(zip(rows, self.task.evaluator.known(arm.prompt, rows), strict=False))

    def _failures(self, arm: Arm) -> list[Scored]:
        return failing(self._scored(arm))


def _is_paraphrase(rewrite: Rewrite) -> bool:
    return isinstance(rewrite, Arm) and rewrite.candidate.operator == "paraphrase"
