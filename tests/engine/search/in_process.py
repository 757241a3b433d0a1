"""A whole search in the process: the scripted world's rows, a model without a network, a clock that may be virtual."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

from apo_engine.evaluation.evaluator import Evaluator
from apo_engine.evaluation.fanout import fan_out
from apo_engine.evaluation.grader import PlainGrader
from apo_engine.examples.example import Example
from apo_engine.examples.split import Split
from apo_engine.models.budget import Budget, Caps
from apo_engine.models.cache import AnswerCache
from apo_engine.models.chat import ChatRequest, Message
from apo_engine.models.gateway import Gateway
from apo_engine.models.limits import Limiter
from apo_engine.prompt.file import parse_prompt
from apo_engine.scoring.judgement import Judgement
from apo_engine.scoring.metric import make_metric
from apo_engine.search.allowance import Allowance
from apo_engine.search.apo import ApoSearch
from apo_engine.search.arm import seed_arm
from apo_engine.search.critic import ModelCritic
from apo_engine.search.editor import ModelEditor
from apo_engine.search.events import AnyEvent, Progressed, encode
from apo_engine.search.meta_prompts import MetaPrompts
from apo_engine.search.optimizer import Found
from apo_engine.search.pool import Pool
from apo_engine.search.proposer import EvidenceProposer, ModelProposer
from apo_engine.search.race import Race
from apo_engine.search.reporter import Reporter
from apo_engine.search.selection import selector
from apo_engine.search.task import SearchTask
from apo_engine.settings import OptimizerSettings
from tests.engine.table_model import TableModel
from tests.scripted.world import LABELS, Kind, World, kind_of

Script = Callable[[dict[str, Any]], str]
Pause = Callable[[ChatRequest], Awaitable[object]]

METRIC = make_metric("label", LABELS)
# At most so many rows are held out.
HOLDOUT = 20


def body(request: ChatRequest) -> dict[str, Any]:
    """The request as the scripted world reads it."""
    return {"messages": [{"role": message.role, "content": message.content} for message in request.messages]}


def kind(request: ChatRequest) -> Kind:
    return kind_of(body(request))


def rows_of(world: World) -> Split:
    """Two fifths of the rows are criticised, two select, and of the rest as many are held out as ``HOLDOUT`` says."""
    rows = [
        Example(f"r{row.number:03d}", {"text": row.text}, row.concept.label, row.number + 1, Path("tickets.jsonl"))
        for row in world.rows
    ]
    fifth = len(rows) // 5
    return Split(tuple(rows[: 2 * fifth]), tuple(rows[2 * fifth : 4 * fifth]), tuple(rows[4 * fifth :][:HOLDOUT]))


class Remembered:
    """A cache that needs neither a file nor a thread: its answers come at once, also where the clock is virtual."""

    def __init__(self) -> None:
        self._answers: dict[str, object] = {}

    async def get(self, key: str, kind: type[Any]) -> Any:
        return self._answers.get(key)

    async def put(self, key: str, answer: object) -> None:
        self._answers[key] = answer


class CostlyGrader(PlainGrader):
    """Judges as the label metric does, after so many calls for each answer."""

    def __init__(self, gateway: Gateway, calls: int) -> None:
        judge = METRIC.judge
        assert judge is not None
        super().__init__(judge)
        self.calls = calls
        self._gateway = gateway

    async def grade(self, row: Example, answer: str) -> Judgement:
        asked = Message("user", f"Is '{answer}' the queue of {row.id}?")
        await fan_out(self._gateway.complete("judge", ChatRequest((asked,), {}, n)) for n in range(self.calls))
        return await super().grade(row, answer)


@dataclass
class Searching:
    """A search that is set up. ``events`` and ``model.requests`` fill as it runs; ``pool.best`` is the best so far."""

    task: SearchTask
    pool: Pool
    model: TableModel
    search: ApoSearch
    budget: Budget
    events: list[AnyEvent] = field(default_factory=list)

    async def run(self) -> Found:
        """As a run does it: nothing of the race outlives the search."""
        try:
            return await self.search.run()
        finally:
            await self.task.race.stop()

    @property
    def calls(self) -> int:
        """Logical calls so far."""
        return sum(self.budget.spent.calls.values())

    @property
    def set_aside(self) -> int:
        """Calls that the verdict will take."""
        return 2 * len(self.task.rows.holdout) * self.task.evaluator.calls_per_row

    @property
    def transcript(self) -> bytes:
        """The events but for progress, as they are stored."""
        return b"\n".join(encode(event) for event in self.events if not isinstance(event, Progressed))

    def told(self, kind: type[Any]) -> list[Any]:
        """The events of one kind."""
        return [event for event in self.events if isinstance(event, kind)]

    def asked(self, kind_: Kind) -> list[ChatRequest]:
        """The requests of one role, in the order they were sent."""
        return [request for request in self.model.requests if kind(request) == kind_]


def searching(
    world: World,
    calls: int | None,
    *,
    seed: int = 0,
    width: int = 32,
    script: Script | None = None,
    pause: Pause | None = None,
    grading: int = 0,
    **settings: Any,
) -> Searching:
    """A search over the world's rows with a cap on calls, ``grading`` of which it takes to judge an answer."""
    answer = script or world.script

    def reply(system: str, user: str) -> str:
        return answer({"messages": [{"role": "system", "content": system}, {"role": "user", "content": user}]})

    model = TableModel(reply, pause)
    budget = Budget(Caps(calls=calls))
    gateway = Gateway(model, cache=cast(AnswerCache, Remembered()), budget=budget, limiter=Limiter(width, well=True))
    evaluator = Evaluator(gateway, METRIC, labels=LABELS, grader=CostlyGrader(gateway, grading))
    optimizer = OptimizerSettings(**settings)
    rows, meta = rows_of(world), MetaPrompts()
    events: list[AnyEvent] = []
    task = SearchTask(
        seed=seed_arm(parse_prompt(world.prompt_text(), None)),
        rows=rows,
        evaluator=evaluator,
        race=Race(evaluator, rows.selection),
        allowance=Allowance(budget, set_aside=2 * len(rows.holdout) * (1 + grading), price=lambda usage: None),
        reporter=Reporter(events.append, budget),
        settings=optimizer,
        seed_number=seed,
    )
    pool = Pool(task)
    proposer = ModelProposer(
        ModelCritic(gateway, meta, optimizer, seed),
        ModelEditor(gateway, meta, temperature=optimizer.temperature),
        optimizer,
    )
    fallback = EvidenceProposer(rows.critique, optimizer, seed, {})
    search = ApoSearch(task, pool, proposer, fallback, selector(optimizer.selection))
    return Searching(task, pool, model, search, budget, events)
