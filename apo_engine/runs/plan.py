"""The plan of a run: settings, rows, metric and models, made ready without asking a model anything."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from apo_engine.encodable import encodable
from apo_engine.endpoint_settings import allowed_parameters
from apo_engine.evaluation.function import ScoringFunction, find_function
from apo_engine.evaluation.rubric import ATTEMPTS
from apo_engine.examples.example import Example, ExampleSet
from apo_engine.examples.load import load_examples
from apo_engine.examples.split import Split, split
from apo_engine.machine import cache_dir, environment_layer, user_layer
from apo_engine.models import prices
from apo_engine.models.chat import ChatModel, FromFile, LabelScorer, Usage
from apo_engine.models.deadline import Deadline
from apo_engine.models.endpoints import Endpoint, list_models, open_model
from apo_engine.models.keyed_digest import KeyedDigest
from apo_engine.models.reachable import EndpointStatus
from apo_engine.problems import BudgetError, InputError, Place, Problem
from apo_engine.prompt.checks import check_prompt
from apo_engine.prompt.file import PromptFile, require_runnable
from apo_engine.prompt.partials import load_partials
from apo_engine.runs.extra_parameters import price_with, require_known_price, require_leave
from apo_engine.runs.naming import own_meta_prompts, roots_of
from apo_engine.runs.options import Options
from apo_engine.runs.row_budget import within_cap
from apo_engine.runs.row_copies import copies_among, without_copies
from apo_engine.runs.row_history import RowHistory, read_history
from apo_engine.runs.row_tokens import tokens_per_row
from apo_engine.scoring.metric import Metric, make_metric, require_usable
from apo_engine.search.events import Job, ModelFile
from apo_engine.search.meta_prompts import MetaPrompts
from apo_engine.settings import Layer, Settings, resolve
from apo_engine.store import Store, open_store

# Rows whose inputs set the base rate of each label, where calibration is asked for.
CALIBRATION_ROWS = 8
# A look at why a prompt fails asks more often than a step of a search does.
CRITIQUE_GROUPS = 4
# Gradients whose fix is measured when critiques are asked for with fixes.
MEASURED_FIXES = 6
_CLOSING_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class Plan:
    """Everything a run needs, resolved and checked.

    ``whole`` is the split of all rows, ``rows`` the part of it that the cap on calls leaves room for; both are None
    where the rows are too few to split. ``copies`` are the hold-out rows that say the same as another one, by id, with
    the id of that one: a search scores none of them. ``judge_model`` grades answers where the metric is ``judge``;
    ``function`` is where the user's own scoring function stands, where the metric is ``module:function``. ``partials``
    are the texts that the prompt includes, by name, and ``meta`` the optimizer's own prompts, where they are needed: as
    they were read for the plan, whatever becomes of the files during the run. The ``deadline`` of the run began with
    the plan.
    """

    job: Job
    prompt: PromptFile
    settings: Settings
    examples: ExampleSet
    whole: Split | None
    rows: Split | None
    copies: Mapping[str, str]
    metric: Metric
    task_model: ChatModel
    optimizer_model: ChatModel
    judge_model: ChatModel | None
    function: ScoringFunction | None
    folder: Path
    fixes: bool
    partials: Mapping[str, str]
    tokens_per_row: int
    meta: MetaPrompts | None
    store: Store
    history: RowHistory
    deadline: Deadline

    @property
    def open_rows(self) -> tuple[Example, ...]:
        """The rows that are not sealed, as many of them as the cap on calls leaves room for."""
        if self.rows is None:
            sealed = {row.id for row in self.sealed_rows}
            found = tuple(row for row in self.examples.rows if row.id not in sealed)
            return found[: self.settings.budget.calls // self.calls_per_row]
        return (*self.rows.critique, *self.rows.selection)

    @property
    def sealed_rows(self) -> tuple[Example, ...]:
        """The rows that no prompt is scored on before the verdict: of the split, all but critique and selection rows.

        If the rows are too few for a split: those that the user or the store holds out.
        """
        if self.whole is not None:
            opened = {row.id for row in (*self.whole.critique, *self.whole.selection)}
            return tuple(row for row in self.examples.rows if row.id not in opened)
        held = frozenset(self.examples.holdout or ())
        sides = self.history.sides
        return tuple(row for row in self.examples.rows if row.id in held or sides.get(row.id) == "holdout")

    @property
    def counted(self) -> Split | None:
        """The split of all rows, with copies of hold-out rows left out."""
        return self.whole and without_copies(self.whole, self.copies)

    @property
    def verdict_rows(self) -> tuple[Example, ...]:
        """The hold-out rows that a verdict opens: those that it is based on, and the copies of these."""
        if self.rows is None or self.whole is None:
            return ()
        based_on = {row.id for row in self.rows.holdout}
        copied = (row for row in self.whole.holdout if self.copies.get(row.id) in based_on)
        return (*self.rows.holdout, *copied)

    @property
    def calls_per_row(self) -> int:
        """How many calls it takes to answer a row and to judge the answer."""
        return calls_per_row(self.settings, self.metric)

    @property
    def most_calls_per_row(self) -> int:
        """The same where every grade has to be asked for again because it cannot be read."""
        return 1 + ATTEMPTS * (self.calls_per_row - 1)

    @property
    def model_files(self) -> tuple[ModelFile, ...]:
        """The files of weights that would be loaded and that this program did not bring."""
        return tuple(
            ModelFile(model.name, encodable(str(model.file)), model.sha256)
            for model in self.models
            if isinstance(model, FromFile) and model.file is not None
        )

    @property
    def models(self) -> tuple[ChatModel, ...]:
        """The models that are asked, each once."""
        found = {id(model): model for model in (self.task_model, self.optimizer_model, self.judge_model) if model}
        return tuple(found.values())

    @property
    def local(self) -> bool:
        """Whether nothing leaves this machine."""
        return all(model.local for model in self.models)

    @property
    def calibration(self) -> tuple[Example, ...]:
        """The rows that set the base rate of the labels."""
        return self.open_rows[:CALIBRATION_ROWS] if self.settings.calibration == "batch" else ()

    @property
    def evidence_only(self) -> bool:
        """Whether critiques and edits come from evidence alone: as asked for, or with an embedded optimizer model."""
        critic = self.settings.optimizer.critic
        return critic == "evidence" or (critic == "auto" and self.optimizer_model.name.startswith("embedded/"))

    @property
    def keeps_nothing(self) -> bool:
        """Whether nothing of the prompt, its rows and its answers may be written to disk."""
        return self.settings.keep == "nothing"

    @property
    def by_probability(self) -> bool:
        """Whether the task model answers with the most probable label, rather than with text."""
        return self.metric.by_label and isinstance(self.task_model, LabelScorer)

    def price_of(self, model: ChatModel, usage: Usage) -> float | None:
        """What ``usage`` of one of the models costs, in USD, None when unknown; the parameters of `config` count."""
        if model is not self.task_model:
            return prices.price_of(model, usage)
        shared = model is self.optimizer_model or model is self.judge_model
        return price_with(self.settings.config, model, usage, shared=shared)

    async def close(self) -> None:
        """Let go of the models and the store."""
        for model in self.models:
            # A connection that does not close, or a model in the middle of a sentence, is left to itself.
            with suppress(TimeoutError):
                await asyncio.wait_for(model.close(), _CLOSING_SECONDS)
        await self.store.close()


async def make_plan(job: Job, prompt: PromptFile, options: Options, *, fixes: bool = True) -> Plan:
    """Resolve and check all that a run needs; ``fixes`` says whether critiques come with measured rewrites.

    Raises:
        InputError: the prompt, its settings or its rows cannot be used.
        BudgetError: the time is over, a cap in dollars is set and a price is unknown, or a cap on calls leaves no room
            for one row.
    """
    began = time.monotonic()
    require_runnable(prompt)
    environ = os.environ if options.environ is None else options.environ
    layers = (
        Layer("flag", options.flags),
        prompt.layer(),
        Layer("editor", options.editor),
        user_layer(),
        environment_layer(environ),
    )
    settings = resolve(layers)
    # To plan takes a part of the time that the run may take.
    deadline = Deadline(settings.budget.seconds, began=began)
    roots = options.allowed_roots
    examples = await deadline.run_in_thread(lambda is_stopped: _examples(prompt, settings, roots, is_stopped))
    partials, tokens = await deadline.run_in_thread(lambda is_stopped: _read_partials(prompt, examples, is_stopped))
    own_meta = await deadline.run_in_thread(lambda _: own_meta_prompts(prompt, layers, settings, options))
    meta = None if job == "evaluate" else await deadline.run_in_thread(lambda _: MetaPrompts(own_meta))
    folder = cache_dir(environ)
    store = open_store(folder, keeps_runs=settings.keep != "nothing")
    history = await read_history(store, examples, deadline)
    await store.close()
    whole = await deadline.run_in_thread(lambda _: _rows(job, examples, history))
    metric = await _usable_metric(settings, examples, deadline)
    base = prompt.path.parent if prompt.path else Path.cwd()
    place = prompt.layer().place(("metric",))
    function = await deadline.run_in_thread(lambda _: _function(metric, base, place))
    if function is not None:
        _require_agreed(function, options, place)
    if metric.name == "judge":
        _require_rubric(settings, place)
    endpoints = endpoints_of(settings)

    digest = KeyedDigest(None if settings.keep == "nothing" else folder)

    def opened(name: str | None, *key: str) -> Awaitable[ChatModel]:
        return deadline.run_in_thread(
            lambda is_stopped: open_model(
                name,
                environ=environ,
                endpoints=endpoints,
                cache_dir=folder,
                concurrency=settings.concurrency,
                place=_written(prompt, name, key),
                roots=roots_of(layers, key, base, options),
                parameters=allowed_parameters(settings.endpoints, name),
                digest=digest,
                is_stopped=is_stopped,
                may_send=options.may_send,
            ),
        )

    task = await opened(settings.model, "model")
    optimizer = task
    if settings.optimizer.model not in (None, settings.model):
        optimizer = await opened(settings.optimizer.model, "optimizer", "model")
    judge = None
    if metric.name == "judge":
        name = settings.judge.model or settings.optimizer.model or settings.model
        known = {settings.optimizer.model or settings.model: optimizer, settings.model: task}
        judge = known[name] if name in known else await opened(name, "judge", "model")
    per_row = calls_per_row(settings, metric)
    if settings.budget.calls < per_row:
        message = f"A cap of {settings.budget.calls:,} calls leaves no room for one row, which takes {per_row:,}."
        raise BudgetError(Problem("budget-calls", message, "Raise 'budget.calls', or lower 'judge.repeats'."))
    copies = await _find_copies(whole, prompt, partials, history.groups, deadline) if job == "optimize" else {}
    plan = Plan(
        job=job,
        prompt=prompt,
        settings=settings,
        examples=examples,
        whole=whole,
        rows=whole and within_cap(without_copies(whole, copies), job, settings.budget.calls // per_row),
        copies=copies,
        metric=metric,
        task_model=task,
        optimizer_model=optimizer,
        judge_model=judge,
        function=function,
        folder=folder,
        fixes=fixes,
        partials=partials,
        tokens_per_row=tokens,
        meta=meta,
        store=store,
        history=history,
        deadline=deadline,
    )
    _require_agreed_models(plan, options)
    _require_open_rows(plan)
    if settings.budget.usd is not None:
        await require_known_price(settings.config, plan.task_model, prompt.layer())
        for model in plan.models:
            await prices.require_price(model, plan.price_of)
    if not plan.local:
        await prices.load()
    return plan


def _read_partials(
    prompt: PromptFile, examples: ExampleSet, is_stopped: Callable[[], bool]
) -> tuple[Mapping[str, str], int]:
    """The partials, and how many tokens the prompt makes of a row with them."""
    partials = load_partials(prompt)
    return partials, tokens_per_row(examples.rows, prompt, partials, is_stopped)


async def _find_copies(
    whole: Split | None,
    prompt: PromptFile,
    partials: Mapping[str, str],
    groups: Mapping[str, bytes],
    deadline: Deadline,
) -> Mapping[str, str]:
    rows = whole.holdout if whole is not None else ()
    return await deadline.run_in_thread(lambda is_stopped: copies_among(rows, prompt, partials, groups, is_stopped))


async def _usable_metric(settings: Settings, examples: ExampleSet, deadline: Deadline) -> Metric:
    metric = make_metric(settings.metric, examples.labels, deadline.remaining)
    try:
        await deadline.run_in_thread(lambda is_stopped: require_usable(metric, examples.rows, is_stopped))
    except InputError:
        # Values that were not looked at in time are not wrong.
        deadline.require_time()
        raise
    return metric


def _function(metric: Metric, folder: Path, place: Place | None) -> ScoringFunction | None:
    return find_function(metric.name, folder, place) if ":" in metric.name else None


def _written(prompt: PromptFile, name: str | None, key: tuple[str, ...]) -> Place | None:
    """Where the prompt names a model; None where something else names it."""
    layer = prompt.layer()
    found: object = layer.values
    for part in key:
        # A list of settings may be written as the model's name alone.
        found = found.get(part) if isinstance(found, Mapping) else found
    return layer.place(key) if name is not None and found == name else None


async def reachable_models(options: Options) -> tuple[EndpointStatus, ...]:
    """What is behind every endpoint that these options know of."""
    environ = os.environ if options.environ is None else options.environ
    return await list_models(
        environ=environ, endpoints=endpoints_of(resolve([user_layer()])), cache_dir=cache_dir(environ)
    )


def endpoints_of(settings: Settings) -> dict[str, Endpoint]:
    """The user's named endpoints."""
    endpoints = settings.endpoints.items()
    return {name: Endpoint(found.base_url, found.key_env) for name, found in endpoints if found.base_url is not None}


def _examples(
    prompt: PromptFile, settings: Settings, allowed_roots: tuple[Path, ...] | None, is_stopped: Callable[[], bool]
) -> ExampleSet:
    if settings.examples is None:
        raise InputError(
            Problem(
                "no-examples",
                f"{prompt.path or 'The prompt'} names no example rows, and without rows nothing can be measured.",
                "Write labelled rows into a file and name it in the front matter: 'apo.examples: rows.jsonl'.",
            )
        )
    folder = prompt.path.parent if prompt.path else Path.cwd()
    place = prompt.layer().place(("examples",))
    try:
        inputs = prompt.required_inputs
        examples = load_examples(settings.examples, folder, inputs, place, allowed_roots, is_stopped)
    except InputError:
        # A variable that no row fills is better told at its place in the template than as a missing column.
        columns = load_examples(settings.examples, folder, (), place, allowed_roots, is_stopped).columns
        require_runnable(prompt, check_prompt(prompt, columns, resolved=True))
        raise
    require_runnable(prompt, check_prompt(prompt, examples.columns, resolved=True))
    return examples


def calls_per_row(settings: Settings, metric: Metric) -> int:
    """How many calls it takes to answer a row and to judge the answer."""
    return 1 + (settings.judge.repeats if metric.name == "judge" else 0)


def _require_rubric(settings: Settings, place: Place | None) -> None:
    if not (settings.judge.rubric or "").strip():
        message = "The metric 'judge' needs a rubric: without one, nothing says what makes an answer good."
        raise InputError(Problem("rubric-missing", message, "Write it: 'apo.judge: {rubric: …}'.", place))


def _require_agreed(function: ScoringFunction, options: Options, place: Place | None) -> None:
    if options.custom_metric not in (None, function.digest):
        message = f"The metric '{function.module}:{function.name}' is code that nobody has agreed to run as it is now."
        remedy = f"Read {', '.join(function.files)}, then start the run again and allow it."
        raise InputError(Problem("code-not-agreed", message, remedy, place))


def _require_agreed_models(plan: Plan, options: Options) -> None:
    named = ((plan.task_model, ("model",)), (plan.optimizer_model, ("optimizer", "model")))
    for model, key in (*named, *(((plan.judge_model, ("judge", "model")),) if plan.judge_model else ())):
        allowed = allowed_parameters(plan.settings.endpoints, model.name)
        require_leave(model, allowed, _written(plan.prompt, model.name, key))
    for file in plan.model_files if options.model_files is not None else ():
        if file not in (options.model_files or ()):
            message = f"Nobody has agreed to load the model file {file.path} as it is now."
            raise InputError(Problem("model-not-agreed", message, "Start the run again and allow it."))


def _require_open_rows(plan: Plan) -> None:
    if not plan.open_rows:
        message = f"All {len(plan.sealed_rows):,} example rows are hold-out rows, which stay sealed for the verdict."
        remedy = "Add rows that no search has held out, or name the file with your training rows."
        raise InputError(Problem("rows-sealed", message, remedy, Place(plan.examples.rows[0].path)))


def _rows(job: Job, examples: ExampleSet, history: RowHistory) -> Split | None:
    try:
        return split(examples, history.groups, history.sides)
    except InputError:
        if job != "evaluate":
            raise
        return None
