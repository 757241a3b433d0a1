"""One search on a simulated task within this process, in virtual time: thousands of runs where an endpoint allows ten.

The engine is the real one, from its plan to its finalists; the model answers from the world after a pause that the
event loop's clock jumps over. What differs from ``apo optimize`` is that nothing is read, stored or told.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from apo_engine.decoding import converted
from apo_engine.evaluation.evaluator import Tick, silent
from apo_engine.evaluation.fanout import fan_out
from apo_engine.examples.example import Example, ExampleSet
from apo_engine.examples.split import split
from apo_engine.models.budget import Budget, Caps
from apo_engine.models.chat import ChatRequest, Completion, Usage
from apo_engine.models.deadline import Deadline
from apo_engine.models.gateway import Gateway
from apo_engine.models.limits import Limiter
from apo_engine.problems import BudgetError
from apo_engine.prompt.edit import tunable_text
from apo_engine.prompt.file import parse_prompt
from apo_engine.runs.desk import Desk
from apo_engine.runs.plan import Plan
from apo_engine.runs.row_budget import within_cap
from apo_engine.runs.row_history import RowHistory
from apo_engine.scoring.metric import make_metric
from apo_engine.search.meta_prompts import MetaPrompts
from apo_engine.search.optimizer import Optimizer
from apo_engine.search.pool import Pool
from apo_engine.search.reporter import Reporter
from apo_engine.search.task import SearchTask
from apo_engine.settings import BudgetSettings, OptimizerSettings, Settings
from apo_engine.store import MemoryStore
from benchmarks.contestants import ROWS
from benchmarks.world import ours
from benchmarks.world.minds import Minds
from benchmarks.world.task import LABELS, Task
from tests.engine.models.virtual_time import run_in_virtual_time

LATENCY = 0.1

T = TypeVar("T")
Build = Callable[[Desk, SearchTask, Pool], Optimizer]


@dataclass(frozen=True)
class Outcome:
    """True accuracy of the search's winner, the calls that were made (the hold-out's too), and virtual seconds.

    ``judged`` is False where the search left too few calls for the hold-out.
    """

    accuracy: float
    task: int
    writing: int
    seconds: float
    judged: bool


def search(
    task: Task,
    minds: Minds,
    calls: int,
    seed: int = 0,
    settings: Mapping[str, object] | None = None,
    build: Build = Desk.search,
) -> Outcome:
    """One search within ``calls``, with these optimizer settings; ``build`` sets the optimizer up."""
    return _in_virtual_time(_search(task, minds, calls, seed, settings or {}, build))


async def _search(
    task: Task, minds: Minds, calls: int, seed: int, settings: Mapping[str, object], build: Build
) -> Outcome:
    model = _Model(task, minds)
    plan = _plan(task, model, calls, seed, settings)
    budget = Budget(Caps(calls=calls))
    gateway = Gateway(model, cache=None, budget=budget, limiter=Limiter(plan.settings.concurrency, well=True))
    desk = Desk(plan, budget, gateway, gateway, _Silence(budget))
    searching = desk.search_task()
    pool = Pool(searching)
    try:
        best = (await build(desk, searching, pool).run()).best
    except BudgetError:
        best = pool.best
    judged = True
    if best.id != searching.seed.id:
        try:
            await fan_out(desk.evaluator.score(arm.prompt, searching.rows.holdout) for arm in (searching.seed, best))
        except BudgetError:
            judged = False
    asked = budget.spent.calls
    written = sum(asked.values()) - asked["task"]
    accuracy = task.accuracy(tunable_text(best.prompt))
    return Outcome(accuracy, asked["task"], written, asyncio.get_running_loop().time(), judged)


def _plan(task: Task, model: _Model, calls: int, seed: int, settings: Mapping[str, object]) -> Plan:
    path = Path("rows.jsonl")
    rows = tuple(
        Example(f"row{row.number:04d}", {"text": row.text}, row.concept.label, row.number + 1, path)
        for row in task.rows(ROWS)
    )
    examples = ExampleSet(rows, (), ("text",), LABELS, None, "")
    whole = split(examples)
    return Plan(
        job="optimize",
        prompt=parse_prompt(f'{{{{role "system"}}}}\n{task.seed_text}\n{{{{role "user"}}}}\n{{{{text}}}}\n', None),
        settings=Settings(
            model=model.name,
            optimizer=converted(settings, OptimizerSettings),
            budget=BudgetSettings(calls=calls),
            seed=seed,
        ),
        examples=examples,
        whole=whole,
        rows=within_cap(whole, "optimize", calls),
        copies={},
        metric=make_metric(None, LABELS),
        task_model=model,
        optimizer_model=model,
        judge_model=None,
        function=None,
        folder=path.parent,
        fixes=True,
        partials={},
        tokens_per_row=0,
        meta=MetaPrompts(),
        store=MemoryStore(),
        history=RowHistory({}, {}, frozenset()),
        deadline=Deadline(),
    )


class _Model:
    """Task model and optimizer model in one, as the requests tell them apart."""

    name = "world/model"
    identity = "world"
    local = True

    def __init__(self, task: Task, minds: Minds) -> None:
        self._task = task
        self._minds = minds

    async def complete(self, request: ChatRequest) -> Completion:
        await asyncio.sleep(LATENCY)
        system = "\n".join(message.content for message in request.messages if message.role == "system")
        user = "\n".join(message.content for message in request.messages if message.role == "user")
        return Completion(ours.answer(self._task, self._minds, system, user), Usage(100, 5))

    async def close(self) -> None:
        return None


class _Silence(Reporter):
    """Tells nobody anything."""

    def __init__(self, budget: Budget) -> None:
        super().__init__(lambda _: None, budget)

    def phase(self, name: str, total: int) -> Tick:
        return silent


def _in_virtual_time(main: Coroutine[object, object, T]) -> T:
    async def to_the_end() -> T:
        try:
            return await main
        finally:
            # A search may leave calls under way whose answers no longer matter.
            left = asyncio.all_tasks() - {asyncio.current_task()}
            for task in left:
                task.cancel()
            await asyncio.gather(*left, return_exceptions=True)

    return run_in_virtual_time(to_the_end())
