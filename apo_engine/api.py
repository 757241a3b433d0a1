"""The public face: plan, evaluate, criticise and optimize a prompt, as typed streams of events with a result."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from apo_engine.evaluation.result import RowAnswer
from apo_engine.examples.survey import RowCheck
from apo_engine.models.listed import ListedModel
from apo_engine.models.reachable import EndpointStatus
from apo_engine.models.tokens import TokenCounts
from apo_engine.problems import Problem
from apo_engine.prompt.file import PromptFile, load_prompt, parse_prompt
from apo_engine.runs import check as checking
from apo_engine.runs import lookups
from apo_engine.runs.announcement import announce
from apo_engine.runs.bench import Benchmark, bench_job
from apo_engine.runs.bench_margins import Margin, margins
from apo_engine.runs.bench_rows import BenchRows, require_data
from apo_engine.runs.bench_tasks import REPORTED_MARGINS, TASKS, BenchTask
from apo_engine.runs.evaluate import evaluate_job
from apo_engine.runs.gradients import gradients_job
from apo_engine.runs.history import PastRun, past_run, past_runs
from apo_engine.runs.kept import Kept, cache_folder, clear_kept, kept
from apo_engine.runs.optimize import optimize_job
from apo_engine.runs.options import Options
from apo_engine.runs.plan import make_plan, reachable_models
from apo_engine.runs.report import Report
from apo_engine.runs.report_page import report_page
from apo_engine.runs.results import Critiques, Evaluation, Fix, Optimization
from apo_engine.runs.row import answer_row as _answer_row
from apo_engine.runs.stream import Run
from apo_engine.search.events import Job, RunStarted
from apo_engine.settings import Algorithm

__all__ = [
    "REPORTED_MARGINS",
    "TASKS",
    "BenchRows",
    "BenchTask",
    "Benchmark",
    "Critiques",
    "Evaluation",
    "Fix",
    "Kept",
    "Margin",
    "Optimization",
    "Options",
    "PastRun",
    "Report",
    "RowAnswer",
    "RowCheck",
    "Run",
    "answer_row",
    "bench",
    "cache_folder",
    "check",
    "check_rows",
    "clear_kept",
    "evaluate",
    "gradients",
    "kept",
    "known_models",
    "list_models",
    "load_prompt",
    "margins",
    "optimize",
    "parse_prompt",
    "past_run",
    "past_runs",
    "plan",
    "report_page",
    "token_counts",
]

_DEFAULTS = Options()
_ON_DISK: Mapping[Path, str] = {}
_SAMPLED = BenchRows()


def check(
    prompt: PromptFile, options: Options = _DEFAULTS, buffers: Mapping[Path, str] = _ON_DISK
) -> tuple[Problem, ...]:
    """Everything that can be said about a prompt, its partials and its rows without a model, in the order of place.

    ``buffers`` are unsaved texts of example files, by resolved path. Reads files as they come, and never raises.
    """
    return checking.check(prompt, options, buffers)


def check_rows(prompt: PromptFile, options: Options = _DEFAULTS, buffers: Mapping[Path, str] = _ON_DISK) -> RowCheck:
    """Look through a prompt's example files: what they hold, and what is wrong with which row.

    As `check`, but for what can be said of the prompt at once: its own problems, and labels that it never mentions.
    """
    return checking.check_rows(prompt, options, buffers)


async def plan(prompt: PromptFile, options: Options = _DEFAULTS, job: Job = "optimize") -> RunStarted:
    """What a run would begin with: models, rows, estimate. Asks no model anything and sends nothing.

    Raises:
        InputError: the prompt, its settings or its rows cannot be used.
        BudgetError: a cap in dollars is set and a price is unknown.
    """
    planned = await make_plan(job, prompt, options)
    await planned.close()
    return announce(planned)


async def list_models(options: Options = _DEFAULTS) -> tuple[EndpointStatus, ...]:
    """Which models can be reached from here, endpoint by endpoint, the embedded one included; or why not.

    Raises:
        InputError: the user's configuration file cannot be used.
    """
    return await reachable_models(options)


def known_models(options: Options = _DEFAULTS, name: str = "") -> tuple[ListedModel, ...]:
    """The models that the price list knows at the endpoints named here, or only the one of a name. Asks nobody.

    Raises:
        InputError: the user's configuration file cannot be used.
    """
    return lookups.known_models(options, name)


async def token_counts(texts: Sequence[str], model: str) -> TokenCounts:
    """How many tokens each text has for a model (``provider/name``), estimated where its tokenizer is not at hand."""
    return await lookups.token_counts(texts, model)


async def answer_row(prompt: PromptFile, options: Options, path: Path, line: int) -> RowAnswer:
    """What the prompt says on one row, and what the model answers; kept, capped and priced as in any run.

    Raises:
        InputError: the prompt or its rows cannot be used, or no open row begins on that 1-based line of ``path``.
        BudgetError: a cap was reached.
        ModelError: the endpoint fails for good.
    """
    return await _answer_row(prompt, options, path, line)


def evaluate(prompt: PromptFile, options: Options = _DEFAULTS) -> Run[Evaluation]:
    """Score the prompt on its open rows: all but the sealed hold-out.

    Iterating or awaiting the run raises InputError, BudgetError or ModelError.
    """
    return Run(evaluate_job(prompt, options))


def gradients(prompt: PromptFile, options: Options = _DEFAULTS, *, fixes: bool = False) -> Run[Critiques]:
    """Score the prompt and ask why it fails; with ``fixes``, measure one rewrite per reason on selection rows.

    Iterating or awaiting the run raises InputError, BudgetError or ModelError.
    """
    return Run(gradients_job(prompt, options, fixes=fixes))


def optimize(prompt: PromptFile, options: Options = _DEFAULTS) -> Run[Optimization]:
    """Search for a better prompt and judge the winner on the sealed hold-out.

    A cap or a failing endpoint in the middle ends the run with the best so far (``stopped`` says why); before anything
    is scored, iterating or awaiting raises InputError, BudgetError or ModelError.
    """
    return Run(optimize_job(prompt, options))


def bench(
    task: BenchTask,
    data: Path,
    options: Options = _DEFAULTS,
    *,
    algorithm: Algorithm = "apo",
    rows: BenchRows = _SAMPLED,
) -> Run[Benchmark]:
    """Optimize the first prompt of one of the paper's tasks, and judge the best one on test rows in any case.

    ``data`` holds a folder per task with `train.jsonl` and `test.jsonl`, of which ``rows`` are drawn by the seed among
    the flags. The run is one of `optimize`: same cache, caps and resume.

    Raises:
        InputError: the task's files are not there. Iterating or awaiting the run raises as `optimize` does.
    """
    require_data(task, data)
    return Run(bench_job(task, data, options, algorithm, rows))
