"""The public face: plan, evaluate, criticise and optimize a prompt, as typed streams of events with a result."""

from __future__ import annotations

from apo_engine.models.endpoints import EndpointStatus
from apo_engine.prompt.file import PromptFile, load_prompt, parse_prompt
from apo_engine.runs.announcement import announce
from apo_engine.runs.evaluate import evaluate_job
from apo_engine.runs.gradients import gradients_job
from apo_engine.runs.optimize import optimize_job
from apo_engine.runs.options import Options
from apo_engine.runs.plan import make_plan, reachable_models
from apo_engine.runs.results import Critiques, Evaluation, Fix, Optimization
from apo_engine.runs.stream import Run
from apo_engine.search.events import Job, RunStarted

__all__ = [
    "Critiques",
    "Evaluation",
    "Fix",
    "Optimization",
    "Options",
    "Run",
    "evaluate",
    "gradients",
    "list_models",
    "load_prompt",
    "optimize",
    "parse_prompt",
    "plan",
]

_DEFAULTS = Options()


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
