"""APO: better prompts from evidence.

    import asyncio, pathlib, apo_engine

    async def main() -> None:
        run = apo_engine.optimize(apo_engine.load_prompt(pathlib.Path("triage.prompt")))
        async for event in run:
            print(event)
        print(run.result.best.text)

    asyncio.run(main())

Everything public is named here and loaded when it is first used, so that ``import apo_engine`` costs nothing.
"""

# No import here, not even of the future: `module_path` must be reached before anything else is looked for.
TYPE_CHECKING = False

if TYPE_CHECKING:
    from apo_engine.api import (
        Benchmark,
        BenchRows,
        BenchTask,
        Critiques,
        Evaluation,
        Fix,
        Optimization,
        Options,
        PastRun,
        Report,
        RowCheck,
        Run,
        bench,
        check,
        check_rows,
        evaluate,
        gradients,
        list_models,
        optimize,
        past_run,
        past_runs,
        plan,
        report_page,
    )
    from apo_engine.positions import Lines, Span
    from apo_engine.problems import ApoError, BudgetError, InputError, ModelError, Place, Problem, Severity
    from apo_engine.prompt.file import PromptFile, load_prompt, parse_prompt
    from apo_engine.search import events
    from apo_engine.search.candidate import Candidate
    from apo_engine.search.gradient import Gradient

__version__ = "0.1.0"
__all__ = [
    "ApoError",
    "BenchRows",
    "BenchTask",
    "Benchmark",
    "BudgetError",
    "Candidate",
    "Critiques",
    "Evaluation",
    "Fix",
    "Gradient",
    "InputError",
    "Lines",
    "ModelError",
    "Optimization",
    "Options",
    "PastRun",
    "Place",
    "Problem",
    "PromptFile",
    "Report",
    "RowCheck",
    "Run",
    "Severity",
    "Span",
    "bench",
    "check",
    "check_rows",
    "evaluate",
    "events",
    "gradients",
    "list_models",
    "load_prompt",
    "optimize",
    "parse_prompt",
    "past_run",
    "past_runs",
    "plan",
    "report_page",
]

_HOMES = {
    "api": (
        "BenchRows",
        "BenchTask",
        "Benchmark",
        "Critiques",
        "Evaluation",
        "Fix",
        "Optimization",
        "Options",
        "PastRun",
        "Report",
        "RowCheck",
        "Run",
        "bench",
        "check",
        "check_rows",
        "evaluate",
        "gradients",
        "list_models",
        "optimize",
        "past_run",
        "past_runs",
        "plan",
        "report_page",
    ),
    "positions": ("Lines", "Span"),
    "problems": ("ApoError", "BudgetError", "InputError", "ModelError", "Place", "Problem", "Severity"),
    "prompt.file": ("PromptFile", "load_prompt", "parse_prompt"),
    "search": ("events",),
    "search.candidate": ("Candidate",),
    "search.gradient": ("Gradient",),
}
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names}


def __getattr__(name: str) -> object:
    from importlib import import_module

    if name == "events":
        value: object = import_module("apo_engine.search.events")
    elif name in _HOME_OF:
        value = getattr(import_module(f"apo_engine.{_HOME_OF[name]}"), name)
    else:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
