"""The plan of a run: settings, rows, metric and models, made ready without asking a model anything."""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path

import msgspec

from apo_engine.examples.example import Example, ExampleSet
from apo_engine.examples.load import load_examples
from apo_engine.examples.split import Split, split
from apo_engine.models import prices
from apo_engine.models.chat import ChatModel, LabelScorer, Usage
from apo_engine.models.endpoints import Endpoint, open_model
from apo_engine.models.tokens import estimate_tokens
from apo_engine.problems import InputError, Problem
from apo_engine.prompt.checks import check_prompt
from apo_engine.prompt.file import PromptFile, require_runnable
from apo_engine.prompt.render import Renderer
from apo_engine.runs.options import Options
from apo_engine.scoring.metric import Metric, make_metric
from apo_engine.search.arm import seed_arm
from apo_engine.search.events import Estimate, Job, RowCounts, RunStarted
from apo_engine.settings import Layer, Settings, cache_dir, environment_layer, resolve, user_layer

# Rows whose inputs set the base rate of each label, where calibration is asked for.
CALIBRATION_ROWS = 16
# Gradients whose fix is measured when critiques are asked for with fixes.
MEASURED_FIXES = 6
_ANSWER_TOKENS = 8
_WRITING_TOKENS = 400


@dataclass(frozen=True, slots=True)
class Plan:
    """Everything a run needs, resolved and checked. ``rows`` is None where the rows are too few to split."""

    job: Job
    prompt: PromptFile
    settings: Settings
    examples: ExampleSet
    rows: Split | None
    metric: Metric
    task_model: ChatModel
    optimizer_model: ChatModel
    folder: Path
    started: RunStarted

    @property
    def open_rows(self) -> tuple[Example, ...]:
        """The rows that are not sealed."""
        return (*self.rows.critique, *self.rows.selection) if self.rows else self.examples.rows

    @property
    def calibration(self) -> tuple[Example, ...]:
        """The rows that set the base rate of the labels."""
        return self.open_rows[:CALIBRATION_ROWS] if self.settings.calibration == "batch" else ()

    async def close(self) -> None:
        """Let go of the models."""
        await self.task_model.close()
        if self.optimizer_model is not self.task_model:
            await self.optimizer_model.close()


async def make_plan(job: Job, prompt: PromptFile, options: Options) -> Plan:
    """Resolve and check all that a run needs.

    Raises:
        InputError: the prompt, its settings or its rows cannot be used.
        BudgetError: a cap in dollars is set and a price is unknown.
    """
    require_runnable(prompt)
    environ = os.environ if options.environ is None else options.environ
    user = user_layer()
    settings = resolve(
        [
            Layer("flag", options.flags),
            prompt.layer(),
            Layer("editor", options.editor),
            user,
            environment_layer(environ),
        ]
    )
    examples = _examples(prompt, settings)
    rows = _rows(job, examples)
    metric = make_metric(settings.metric, examples.labels)
    folder = cache_dir(environ)
    endpoints = {name: Endpoint(e.base_url, e.key_env) for name, e in settings.endpoints.items()}

    def opened(name: str | None) -> ChatModel:
        return open_model(
            name, environ=environ, endpoints=endpoints, cache_dir=folder, concurrency=settings.concurrency
        )

    task = opened(settings.model)
    optimizer = task if settings.optimizer.model in (None, settings.model) else opened(settings.optimizer.model)
    if settings.budget.usd is not None:
        await prices.require_price(task)
        await prices.require_price(optimizer)
    if not (task.local and optimizer.local):
        await prices.load()
    started = _started(job, prompt, settings, examples, rows, metric, task, optimizer)
    return Plan(job, prompt, settings, examples, rows, metric, task, optimizer, folder, started)


def evidence_only(settings: Settings, optimizer: ChatModel) -> bool:
    """Whether critiques and edits come from evidence alone: asked for, or the optimizer model is an embedded one."""
    critic = settings.optimizer.critic
    return critic == "evidence" or (critic == "auto" and optimizer.name.startswith("embedded/"))


def _examples(prompt: PromptFile, settings: Settings) -> ExampleSet:
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
        examples = load_examples(settings.examples, folder, prompt.required_inputs, place)
    except InputError:
        # A variable that no row fills is better told at its place in the template than as a missing column.
        columns = load_examples(settings.examples, folder, (), place).columns
        require_runnable(prompt, check_prompt(prompt, columns))
        raise
    require_runnable(prompt, check_prompt(prompt, examples.columns))
    return examples


def _rows(job: Job, examples: ExampleSet) -> Split | None:
    if job != "evaluate":
        return split(examples)
    try:
        return split(examples)
    except InputError:
        return None


def _started(
    job: Job,
    prompt: PromptFile,
    settings: Settings,
    examples: ExampleSet,
    rows: Split | None,
    metric: Metric,
    task: ChatModel,
    optimizer: ChatModel,
) -> RunStarted:
    counts = (
        RowCounts(len(rows.critique), len(rows.selection), len(rows.holdout))
        if rows
        else RowCounts(0, len(examples.rows), 0)
    )
    by_probability = metric.by_label and isinstance(task, LabelScorer)
    return RunStarted(
        run=_run_id(job, prompt, settings, examples, task, optimizer),
        job=job,
        prompt=seed_arm(prompt).candidate,
        task_model=task.name,
        optimizer_model=optimizer.name,
        local=task.local and optimizer.local,
        metric=metric.name,
        labels=examples.labels,
        rows=counts,
        estimate=_estimate(job, prompt, settings, examples, counts, task, optimizer, by_probability),
        seed=settings.seed,
    )


def _run_id(
    job: Job, prompt: PromptFile, settings: Settings, examples: ExampleSet, task: ChatModel, optimizer: ChatModel
) -> str:
    """Names a run by all that its path depends on: the same question is the same run."""
    path = msgspec.to_builtins(settings)
    del path["concurrency"], path["endpoints"]
    # What a run may spend in money and time says when it must stop, not which way it goes.
    path["budget"] = {key: path["budget"][key] for key in ("calls", "tokens")}
    parts = [job, prompt.text, examples.fingerprint, path, task.identity, optimizer.identity]
    return hashlib.sha256(msgspec.json.encode(parts, order="deterministic")).hexdigest()[:12]


def _estimate(
    job: Job,
    prompt: PromptFile,
    settings: Settings,
    examples: ExampleSet,
    counts: RowCounts,
    task: ChatModel,
    optimizer: ChatModel,
    by_probability: bool,
) -> Estimate:
    search = settings.optimizer
    written = search.groups * (1 + search.reasons * search.edits)
    asked = counts.critique + counts.selection
    if job == "evaluate":
        written = 0
    elif job == "gradients":
        asked += MEASURED_FIXES * counts.selection
    else:
        rounds = search.rounds * search.beam
        written = min(settings.budget.calls // 3, rounds * written * (1 + search.paraphrases))
        asked = settings.budget.calls - written
    if evidence_only(settings, optimizer):
        asked, written = (asked + written if job == "optimize" else asked), 0
    calls = min(settings.budget.calls, asked + written)
    sample = examples.rows[:20]
    renderer = Renderer(prompt)
    texts = [message.content for row in sample for message in renderer.messages(row.inputs)]
    per_row = sum(map(estimate_tokens, texts)) // max(1, len(sample))
    answer = 0 if by_probability else _ANSWER_TOKENS
    tasks = Usage(asked * per_row, asked * answer)
    # A critique or an edit is shown the prompt and a few rows, and answers with about as much.
    meta = Usage(written * (_WRITING_TOKENS + per_row * (1 + search.group_size)), written * (_WRITING_TOKENS + per_row))
    costs = [prices.price_of(task, tasks), prices.price_of(optimizer, meta) if written else 0.0]
    usd = None if None in costs else sum(cost for cost in costs if cost is not None)
    total = tasks + meta
    return Estimate(calls, total.input + total.output, usd)
