"""The desk of a run: gateways over one cache and one budget, the log, and the rooms of the search set up."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from apo_engine.evaluation.evaluator import Evaluator
from apo_engine.models import prices
from apo_engine.models.budget import Budget, Caps
from apo_engine.models.cache import AnswerCache
from apo_engine.models.chat import Usage
from apo_engine.models.gateway import Gateway
from apo_engine.models.limits import Limiter
from apo_engine.problems import Severity
from apo_engine.runs.announcement import announce
from apo_engine.runs.options import Options
from apo_engine.runs.plan import Plan
from apo_engine.runs.row_budget import left_out_words
from apo_engine.runs.store import RunLog, RunStore
from apo_engine.search.allowance import Allowance
from apo_engine.search.arm import Arm, seed_arm
from apo_engine.search.critic import Critic, ModelCritic
from apo_engine.search.editor import ModelEditor
from apo_engine.search.events import AnyEvent, RunEnded
from apo_engine.search.evidence import EvidenceCritic
from apo_engine.search.meta_prompts import MetaPrompts
from apo_engine.search.proposer import EvidenceProposer, ModelProposer, Proposer
from apo_engine.search.race import Race
from apo_engine.search.reporter import Emit, Reporter
from apo_engine.search.task import SearchTask
from apo_engine.settings import OptimizerSettings


@dataclass
class Desk:
    """What a job works with."""

    plan: Plan
    budget: Budget
    task: Gateway
    optimizer: Gateway
    store: RunStore
    reporter: Reporter
    log: RunLog | None = None
    began: float = field(default_factory=time.monotonic)

    @cached_property
    def evaluator(self) -> Evaluator:
        """Scores prompts with the task model."""
        plan = self.plan
        return Evaluator(
            self.task,
            plan.metric,
            labels=plan.examples.labels,
            params=plan.settings.config,
            calibration=plan.calibration,
        )

    @cached_property
    def seed(self) -> Arm:
        """The user's prompt."""
        return seed_arm(self.plan.prompt)

    @property
    def seconds(self) -> float:
        """Time since the run began."""
        return round(time.monotonic() - self.began, 3)

    def search_task(self) -> SearchTask:
        """What an optimizer works on.

        Needs rows that were split.
        """
        plan = self.plan
        assert plan.rows is not None
        prices_of = (self.plan.task_model, self.plan.optimizer_model)

        def price(usage: Usage) -> float | None:
            known = [price for model in prices_of if (price := prices.price_of(model, usage)) is not None]
            return max(known, default=None)

        return SearchTask(
            seed=self.seed,
            rows=plan.rows,
            evaluator=self.evaluator,
            race=Race(self.evaluator, plan.rows.selection),
            allowance=Allowance(self.budget, set_aside=2 * len(plan.rows.holdout), price=price),
            reporter=self.reporter,
            settings=plan.settings.optimizer,
            seed_number=plan.settings.seed,
        )

    def critics(self, settings: OptimizerSettings) -> tuple[Critic, Critic]:
        """The critic that the settings ask for, and the one to fall back on."""
        evidence = EvidenceCritic()
        if self.plan.evidence_only:
            return evidence, evidence
        return ModelCritic(self.optimizer, self.meta, settings, self.plan.settings.seed), evidence

    def proposers(self, settings: OptimizerSettings) -> tuple[Proposer, EvidenceProposer]:
        """The proposer that the settings ask for, and the one to fall back on."""
        plan = self.plan
        assert plan.rows is not None
        evidence = EvidenceProposer(plan.rows.critique, plan.settings.seed)
        if plan.evidence_only:
            return evidence, evidence
        critic, _ = self.critics(settings)
        return ModelProposer(critic, self.editor(settings), settings), evidence

    def editor(self, settings: OptimizerSettings) -> ModelEditor:
        """The editor that asks the optimizer model."""
        return ModelEditor(self.optimizer, self.meta, temperature=settings.temperature)

    @cached_property
    def meta(self) -> MetaPrompts:
        """The optimizer's own prompts, the user's in place of the built-in ones."""
        folder = self.plan.prompt.path.parent if self.plan.prompt.path else Path.cwd()
        own = self.plan.settings.optimizer.meta
        return MetaPrompts(folder / own if own else None)

    def end(self, event: RunEnded, *, finished: bool = True) -> None:
        """Tell the last event; a run that is not ``finished`` can be gone on with."""
        self.reporter.emit(event)
        if self.log is not None and finished:
            self.log.finish()


@asynccontextmanager
async def open_desk(plan: Plan, options: Options, emit: Emit) -> AsyncIterator[Desk]:
    """Open cache, budget, gateways and log for one run, and close them after it."""
    settings = plan.settings
    caps = settings.budget
    budget = Budget(Caps(caps.calls, caps.tokens, caps.usd, caps.seconds))
    cache = AnswerCache(plan.folder / "answers.sqlite")
    limiter = Limiter(settings.concurrency)
    task = Gateway(plan.task_model, cache=cache, budget=budget, limiter=limiter, fresh=options.fresh)
    optimizer = task
    if plan.optimizer_model is not plan.task_model:
        optimizer = Gateway(
            plan.optimizer_model,
            cache=cache,
            budget=budget,
            limiter=Limiter(settings.concurrency),
            fresh=options.fresh,
        )
    store = RunStore(plan.folder)
    log: RunLog | None = None

    def tell(event: AnyEvent) -> None:
        nonlocal log
        emit(event)
        if log is None:
            return
        try:
            log.write(event)
        except OSError as error:
            log = None
            reporter.note(_unwritable(plan.folder, error), Severity.WARNING)

    reporter = Reporter(tell, budget)
    desk = Desk(plan, budget, task, optimizer, store, reporter)
    failure: OSError | None = None
    try:
        log = desk.log = store.begin(plan.run)
    except OSError as error:
        failure = error
    try:
        tell(announce(plan))
        if failure is not None:
            reporter.note(_unwritable(plan.folder, failure), Severity.WARNING)
        left_out = plan.rows and plan.whole and left_out_words(plan.whole, plan.rows, plan.settings.budget.calls)
        if left_out:
            reporter.note(left_out)
        for problem in plan.examples.problems:
            reporter.note(str(problem), Severity.WARNING)
        yield desk
    finally:
        if desk.log is not None:
            desk.log.close()
        await cache.close()
        await plan.close()


def _unwritable(folder: Path, error: OSError) -> str:
    return (
        f"This run cannot be kept: {folder} is not writable ({error.strerror}). Set APO_CACHE_DIR to a folder that is."
    )
