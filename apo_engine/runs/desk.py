"""The desk of a run: gateways over one cache and one budget, the log, and the rooms of the search set up."""

from __future__ import annotations

import os
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import ExitStack, asynccontextmanager
from dataclasses import dataclass, field
from functools import cached_property

from apo_engine.child_environment import metric_environment
from apo_engine.evaluation.evaluator import Evaluator
from apo_engine.evaluation.fanout import fan_out
from apo_engine.evaluation.function import FunctionGrader
from apo_engine.evaluation.grader import Grader
from apo_engine.evaluation.rubric import RubricGrader
from apo_engine.examples.example import Example
from apo_engine.examples.files import readable_roots
from apo_engine.models.budget import Budget, Caps
from apo_engine.models.cache import AnswerCache
from apo_engine.models.chat import Remote, Usage
from apo_engine.models.gateway import Gateway, NotCached
from apo_engine.models.limits import Limiter
from apo_engine.models.memory_cache import MemoryCache
from apo_engine.private import is_private_root
from apo_engine.problems import Severity
from apo_engine.runs.announcement import (
    announce,
    copied_words,
    few_unseen_rows,
    kept_words,
    lowered_caps,
    on_exposure,
    sealed_words,
    shown_before,
)
from apo_engine.runs.destinations import require_agreed, routes_of
from apo_engine.runs.extra_parameters import unread_parameters
from apo_engine.runs.options import Options
from apo_engine.runs.plan import Plan
from apo_engine.runs.recorder import Recorder
from apo_engine.runs.row_budget import left_out_words
from apo_engine.runs.secret_free import secrets_of, without_secrets
from apo_engine.search.allowance import Allowance
from apo_engine.search.apo import ApoSearch
from apo_engine.search.arm import Arm, seed_arm
from apo_engine.search.critic import Critic, ModelCritic
from apo_engine.search.editor import ModelEditor
from apo_engine.search.events import AnyEvent, RunEnded, RunStarted
from apo_engine.search.evidence import EvidenceCritic
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
from apo_engine.store import Looks


@dataclass
class Desk:
    """What a job works with."""

    plan: Plan
    budget: Budget
    task: Gateway
    optimizer: Gateway
    reporter: Reporter
    grader: Grader | None = None
    recorder: Recorder | None = None
    gateways: tuple[Gateway, ...] = ()
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
    def run(self) -> str:
        """The id of the run; empty where none is recorded."""
        return self.recorder.run if self.recorder is not None else ""

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
        assert self.plan.meta is not None
        return ModelCritic(self.optimizer, self.plan.meta, settings, self.plan.settings.seed), evidence

    def proposers(self, settings: OptimizerSettings) -> tuple[Proposer, EvidenceProposer]:
        """The proposer that the settings ask for, and the one to fall back on."""
        plan = self.plan
        assert plan.rows is not None
        evidence = EvidenceProposer(plan.rows.critique, settings, plan.settings.seed, plan.partials)
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
        assert self.plan.meta is not None
        return ModelEditor(self.optimizer, self.plan.meta, temperature=settings.temperature)

    def phrase_editor(self, settings: OptimizerSettings) -> PhraseEditor:
        """The editor of phrases, which asks the optimizer model for other words alone."""
        assert self.plan.meta is not None
        return PhraseEditor(self.optimizer, self.plan.meta, temperature=settings.temperature)

    async def has_answers(self, arms: Sequence[Arm], rows: tuple[Example, ...]) -> bool:
        """Whether these prompts can be scored on these rows without a request, in which case they are now."""
        with ExitStack() as stack:
            for gateway in self.gateways:
                stack.enter_context(gateway.only_cached())
            try:
                await fan_out(self.evaluator.score(arm.prompt, rows) for arm in arms)
            except NotCached:
                return False
        return True

    async def end(self, event: RunEnded, *, finished: bool = True) -> None:
        """Tell the last event; a run that is not ``finished`` can be gone on with."""
        self.reporter.emit(event)
        if self.recorder is not None and finished:
            await self.recorder.finish()


@asynccontextmanager
async def open_desk(plan: Plan, options: Options, emit: Emit, recorder: Recorder | None = None) -> AsyncIterator[Desk]:
    """Open cache, budget and gateways for one run, which is recorded if there is a recorder; close them after it."""
    settings = plan.settings
    started = announce(plan, *((recorder.run, recorder.experiment) if recorder is not None else ()))
    require_agreed(started.fingerprint, options.agreed)
    budget = Budget(_caps(settings.budget), deadline=plan.deadline)

    def note(message: str) -> None:
        reporter.note(message)

    # In a folder that others can write to, neither runs nor answers are kept; the recorder says so.
    is_refused = recorder is not None and not is_private_root(plan.folder)
    cache = MemoryCache() if plan.keeps_nothing or is_refused else AnswerCache(plan.folder / "answers.sqlite")
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
            may_send=options.may_send,
        )
        for model in plan.models
    }
    task, optimizer = gateways[id(plan.task_model)], gateways[id(plan.optimizer_model)]
    grader = _grader(plan, options, gateways.get(id(plan.judge_model)))

    secrets = secrets_of(plan)

    def tell(event: AnyEvent) -> None:
        event = without_secrets(event, secrets)
        emit(event)
        if recorder is not None:
            recorder.record(event)

    reporter = Reporter(tell, budget)
    desk = Desk(plan, budget, task, optimizer, reporter, grader, recorder, tuple(gateways.values()))
    try:
        if grader is not None:
            await budget.deadline.bound(grader.open())
        await _announce(desk, started, options)
        yield desk
    finally:
        if grader is not None:
            await grader.close()
        await cache.close()


async def _announce(desk: Desk, started: RunStarted, options: Options) -> None:
    """Say what runs on what, and what the user should know of it beforehand."""
    plan, recorder, reporter = desk.plan, desk.recorder, desk.reporter
    notes = await recorder.begin() if recorder is not None else ()
    reporter.emit(started)
    for note in notes:
        reporter.emit(note)
    looks = Looks(None, 0)
    if recorder is not None and plan.rows is not None:
        looks = await recorder.looks(plan.verdict_rows, fresh=options.fresh)
    warnings = (
        on_exposure(started),
        few_unseen_rows(plan, looks),
        shown_before(plan),
        *unread_parameters(plan.settings.config, plan.task_model),
    )
    for warning in filter(None, warnings):
        reporter.note(warning, Severity.WARNING)
    left_out = ""
    if plan.counted is not None and plan.rows is not None:
        left_out = left_out_words(plan.counted, plan.rows, plan.settings.budget.calls)
    informed = (
        lowered_caps(plan, options.flags),
        left_out,
        copied_words(plan),
        sealed_words(plan),
        kept_words(plan),
    )
    for information in filter(None, informed):
        reporter.note(information)
    for problem in plan.examples.problems:
        reporter.note(str(problem), Severity.WARNING)


def _caps(asked: BudgetSettings) -> Caps:
    return Caps(asked.calls, asked.tokens, asked.usd, asked.seconds)


def _grader(plan: Plan, options: Options, judge: Gateway | None) -> Grader | None:
    """Who judges answers where the metric cannot by itself."""
    if plan.function is not None:
        environ = os.environ if options.environ is None else options.environ
        environ = metric_environment(environ, plan.settings.metric_env)
        workspaces = readable_roots(plan.function.folder, options.allowed_roots)
        return FunctionGrader(plan.function, environ, workspaces=workspaces)
    if judge is not None:
        assert plan.settings.judge.rubric is not None
        return RubricGrader(judge, plan.settings.judge.rubric, plan.settings.judge.repeats)
    return None
