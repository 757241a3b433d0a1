"""The desk of a run: gateways over one cache and one budget, the log, and the rooms of the search set up."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from apo_engine.child_environment import metric_environment
from apo_engine.evaluation.evaluator import Evaluator
from apo_engine.evaluation.function import FunctionGrader
from apo_engine.evaluation.grader import Grader
from apo_engine.evaluation.rubric import RubricGrader
from apo_engine.models.budget import Budget, Caps
from apo_engine.models.cache import AnswerCache
from apo_engine.models.chat import Remote, Usage
from apo_engine.models.gateway import Gateway
from apo_engine.models.limits import Limiter
from apo_engine.models.memory_cache import MemoryCache
from apo_engine.problems import InputError, Severity
from apo_engine.runs.announcement import announce, few_unseen_rows, on_exposure
from apo_engine.runs.destinations import require_agreed, routes_of
from apo_engine.runs.extra_parameters import unread_parameters
from apo_engine.runs.options import Options
from apo_engine.runs.plan import Plan
from apo_engine.runs.row_budget import left_out_words
from apo_engine.runs.store import RunLog, RunStore
from apo_engine.search.allowance import Allowance
from apo_engine.search.apo import ApoSearch
from apo_engine.search.arm import Arm, seed_arm
from apo_engine.search.critic import Critic, ModelCritic
from apo_engine.search.editor import ModelEditor
from apo_engine.search.events import AnyEvent, RunEnded, RunStarted
from apo_engine.search.evidence import EvidenceCritic
from apo_engine.search.meta_prompts import MetaPrompts
from apo_engine.search.monte_carlo import MonteCarloSearch
from apo_engine.search.optimizer import Optimizer
from apo_engine.search.phrase_editor import PhraseEditor
from apo_engine.search.phrase_rl import PhraseSearch
from apo_engine.search.pool import Pool
from apo_engine.search.proposer import EvidenceProposer, ModelProposer, Proposer
from apo_engine.search.race import Race
from apo_engine.search.reporter import Emit, Reporter
from apo_engine.search.selection import selector
from apo_engine.search.task import SearchTask
from apo_engine.settings import BudgetSettings, OptimizerSettings

_CLOSING_SECONDS = 1.0


@dataclass
class Desk:
    """What a job works with."""

    plan: Plan
    budget: Budget
    task: Gateway
    optimizer: Gateway
    store: RunStore
    reporter: Reporter
    grader: Grader | None = None
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
            grader=self.grader,
            partials=self.plan.partials,
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

        def price(usage: Usage) -> float | None:
            known = [price for model in plan.models if (price := plan.price_of(model, usage)) is not None]
            return max(known, default=None)

        return SearchTask(
            seed=self.seed,
            rows=plan.rows,
            evaluator=self.evaluator,
            race=Race(self.evaluator, plan.rows.selection),
            allowance=Allowance(self.budget, set_aside=2 * plan.calls_per_row * len(plan.rows.holdout), price=price),
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
        evidence = EvidenceProposer(plan.rows.critique, settings, plan.settings.seed)
        if plan.evidence_only:
            return evidence, evidence
        critic, _ = self.critics(settings)
        return ModelProposer(critic, self.editor(settings), settings), evidence

    def search(self, task: SearchTask, pool: Pool) -> Optimizer:
        """The optimizer that the settings name."""
        settings = task.settings
        choose = selector(settings.selection)
        proposer, fallback = self.proposers(settings)
        if settings.algorithm == "monte-carlo":
            return MonteCarloSearch(task, pool, self.editor(settings), choose, samples=proposer.most)
        if settings.algorithm == "phrase-rl":
            return PhraseSearch(task, pool, self.phrase_editor(settings), choose)
        return ApoSearch(task, pool, proposer, fallback, choose)

    def editor(self, settings: OptimizerSettings) -> ModelEditor:
        """The editor that asks the optimizer model."""
        return ModelEditor(self.optimizer, self.meta, temperature=settings.temperature)

    def phrase_editor(self, settings: OptimizerSettings) -> PhraseEditor:
        """The editor of phrases, which asks the optimizer model for other words alone."""
        return PhraseEditor(self.optimizer, self.meta, temperature=settings.temperature)

    @cached_property
    def meta(self) -> MetaPrompts:
        """The optimizer's own prompts, the user's in place of the built-in ones."""
        return self.plan.meta or MetaPrompts()

    def end(self, event: RunEnded, *, finished: bool = True) -> None:
        """Tell the last event; a run that is not ``finished`` can be gone on with."""
        self.reporter.emit(event)
        if self.log is not None and finished:
            try:
                self.log.finish()
            except OSError as error:
                self.reporter.note(unwritable(self.plan.folder, error), Severity.WARNING)


@asynccontextmanager
async def open_desk(plan: Plan, options: Options, emit: Emit) -> AsyncIterator[Desk]:
    """Open cache, budget, gateways and log for one run, and close them after it."""
    settings = plan.settings
    started = await _agreed_start(plan, options)
    budget = Budget(_caps(settings.budget))

    def note(message: str) -> None:
        reporter.note(message)

    cache = MemoryCache() if plan.keeps_nothing else AnswerCache(plan.folder / "answers.sqlite")
    gateways = {
        id(model): Gateway(
            model,
            cache=cache,
            budget=budget,
            limiter=Limiter(settings.concurrency, well=not isinstance(model, Remote)),
            fresh=options.fresh,
            purse=options.purse,
            price=plan.price_of,
            note=note,
            routes=routes_of(plan),
        )
        for model in plan.models
    }
    task, optimizer = gateways[id(plan.task_model)], gateways[id(plan.optimizer_model)]
    grader = _grader(plan, options, gateways.get(id(plan.judge_model)))
    store = RunStore(plan.folder, keeps=not plan.keeps_nothing)

    def tell(event: AnyEvent) -> None:
        emit(event)
        log = desk.log
        if log is None:
            return
        try:
            log.write(event)
        except OSError as error:
            desk.log = None
            log.close()
            reporter.note(unwritable(plan.folder, error), Severity.WARNING)

    reporter = Reporter(tell, budget)
    desk = Desk(plan, budget, task, optimizer, store, reporter, grader)
    failure: OSError | None = None
    try:
        desk.log = store.begin(plan.run) if store.keeps else None
    except OSError as error:
        failure = error
    try:
        if grader is not None:
            await budget.deadline.bound(grader.open())
        tell(started)
        warnings = (
            on_exposure(started),
            few_unseen_rows(plan, store),
            unwritable(plan.folder, failure) if failure else "",
        )
        for warning in filter(None, warnings):
            reporter.note(warning, Severity.WARNING)
        for unread in unread_parameters(plan.settings.config, plan.task_model):
            reporter.note(unread, Severity.WARNING)
        left_out = plan.rows and plan.whole and left_out_words(plan.whole, plan.rows, plan.settings.budget.calls)
        if left_out:
            reporter.note(left_out)
        for problem in plan.examples.problems:
            reporter.note(str(problem), Severity.WARNING)
        yield desk
    finally:
        if desk.log is not None:
            desk.log.close()
        if grader is not None:
            await grader.close()
        await cache.close()
        # A connection that does not close, or a model in the middle of a sentence, is left to itself.
        with suppress(TimeoutError):
            await asyncio.wait_for(plan.close(), _CLOSING_SECONDS)


async def _agreed_start(plan: Plan, options: Options) -> RunStarted:
    """The first event of a run that sends what the user agreed to, and nothing else."""
    started = announce(plan)
    try:
        require_agreed(started.fingerprint, options.agreed)
    except InputError:
        await plan.close()
        raise
    return started


def _caps(asked: BudgetSettings) -> Caps:
    return Caps(asked.calls, asked.tokens, asked.usd, asked.seconds)


def _grader(plan: Plan, options: Options, judge: Gateway | None) -> Grader | None:
    """Who judges answers where the metric cannot by itself."""
    if plan.function is not None:
        environ = os.environ if options.environ is None else options.environ
        return FunctionGrader(plan.function, metric_environment(environ, plan.settings.metric_env))
    if judge is not None:
        assert plan.settings.judge.rubric is not None
        return RubricGrader(judge, plan.settings.judge.rubric, plan.settings.judge.repeats)
    return None


def unwritable(folder: Path, error: OSError) -> str:
    """Why a run cannot be kept, and what helps."""
    return (
        f"This run cannot be kept: {folder} is not writable ({error.strerror}). Set APO_CACHE_DIR to a folder that is."
    )
