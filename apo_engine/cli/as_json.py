"""Results as JSON objects, for programs: exactly one object on stdout."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, get_args

from apo_engine.api import Critiques, Evaluation, Optimization
from apo_engine.cli.transcript import Transcript
from apo_engine.evaluation.figures import Figures
from apo_engine.evaluation.result import RowResult
from apo_engine.models.budget import CallRole
from apo_engine.positions import Lines
from apo_engine.search.events import Spent, Verdict
from apo_engine.search.gradient import Gradient

if TYPE_CHECKING:
    from apo_engine.models.reachable import EndpointStatus

Object = dict[str, object]


def emit(value: Object) -> None:
    """Print the object in ASCII, so that no terminal or encoding can change it."""
    sys.stdout.write(json.dumps(value, indent=2, allow_nan=False) + "\n")


def evaluation_object(evaluation: Evaluation) -> Object:
    """``run``, ``metric``, ``score``, ``interval`` [low, high], ``n``, ``invalid`` (rows) and ``invalid_share``,
    ``accuracy`` and ``accuracy_interval`` (null where the metric reads no labels), ``f1`` {macro, binary} and
    ``positive``, the label of the binary one, ``confusion`` {expected: {answered: rows}}, ``judge_noise`` {deviation,
    agreement, n} (null where no model judged twice), ``failing`` [{row, path, line, expected, answered, answer,
    invalid, score, marks, remark}], and what `optimize` says too: ``calls``, ``cached``, ``tokens``, ``usd``,
    ``seconds``. Scores are fractions of 1.
    """
    noise = evaluation.noise
    return {
        "run": evaluation.run,
        "metric": evaluation.metric,
        "score": evaluation.score,
        "interval": list(evaluation.interval),
        "n": evaluation.n,
        **_figures(evaluation.figures),
        "confusion": {expected: dict(answers) for expected, answers in evaluation.confusion.items()},
        "judge_noise": {"deviation": noise.deviation, "agreement": noise.agreement, "n": noise.n} if noise else None,
        "failing": [_row(row) for row in evaluation.failing],
        **_spending(evaluation.spent, evaluation.seconds),
    }


def critiques_object(critiques: Critiques, path: str, text: str, rows: Mapping[str, RowResult]) -> Object:
    """The object of `evaluate`, and ``gradients`` by falling share: [{id, critique, quote, path, line, column,
    end_line, end_column, anchor (exact, fuzzy or section), source (model or evidence), share,
    rows [{row, path, line}]}].

    Lines and columns count characters from 1; the end is exclusive.
    """
    lines = Lines(text)
    found = [_gradient(gradient, path, lines, rows) for gradient in critiques.gradients]
    return {**evaluation_object(critiques.evaluation), "gradients": found}


def optimization_object(optimization: Optimization, transcript: Transcript) -> Object:
    """``run`` and ``experiment``, the ids of this execution and of what was asked; ``start`` and ``best`` {prompt,
    score, n} with the whole text of the file and its score on ``n`` selection rows (null where the search was stopped
    before it had one); ``holdout`` {start, best, difference, interval, p, n, confidence, earlier_looks,
    prompt_looks}, null if it was not opened; ``calls`` by role; ``verdict``. ``p`` is two-sided, as the interval of
    that ``confidence`` is; ``earlier_looks`` at these rows make both stricter. They are null if this store holds none:
    looks elsewhere, and before it began, are unknown. ``prompt_looks`` counts earlier looks for this prompt or its
    files at whatever rows: if it is larger, these rows are new, or those in other words.

    What else is to be known: ``metric``; ``judged``, null where ``holdout`` is, of ``start`` and ``best`` on the same
    rows {invalid, invalid_share, accuracy, accuracy_interval, f1, positive} as in `evaluate`; ``discarded``
    {reason: rewrites}; ``warnings``, in words; ``suspicions``, what ``best`` adds that a reader should look at.
    """
    verdict = optimization.verdict
    holdout: Object | None = None
    if verdict is not None:
        compared = verdict.comparison
        holdout = {
            "start": compared.start,
            "best": compared.best,
            "difference": compared.difference,
            "interval": list(compared.interval),
            "p": compared.p,
            "n": compared.n,
            "confidence": compared.confidence,
            "earlier_looks": verdict.earlier_looks,
            "prompt_looks": verdict.prompt_looks,
        }
    return {
        "run": optimization.run,
        "experiment": optimization.experiment,
        "start": _scored(optimization.start.text, optimization.start_score, optimization.n),
        "best": _scored(optimization.best.text, optimization.best_score, optimization.n),
        "holdout": holdout,
        **_spending(optimization.spent, optimization.seconds),
        "stopped": optimization.stopped,
        "verdict": verdict.decision if verdict else "keep",
        "metric": transcript.started.metric if transcript.started else None,
        "judged": _judged(verdict) if verdict else None,
        "discarded": dict(transcript.discarded),
        "warnings": transcript.warnings,
        "suspicions": list(optimization.best.suspicions),
    }


def models_object(endpoints: Sequence[EndpointStatus]) -> Object:
    """``endpoints`` [{name, address, reachable, reason, models [{name, context_window, input_usd, output_usd}]}];
    prices are per million tokens, null where unknown.
    """
    return {
        "endpoints": [
            {
                "name": endpoint.name,
                "address": endpoint.address,
                "reachable": endpoint.reachable,
                "reason": endpoint.reason,
                "models": [
                    {
                        "name": model.name,
                        "context_window": model.context_window,
                        "input_usd": model.input_usd,
                        "output_usd": model.output_usd,
                    }
                    for model in endpoint.models
                ],
            }
            for endpoint in endpoints
        ]
    }


def _judged(verdict: Verdict) -> Object:
    return {
        "start": _figures(verdict.start) if verdict.start else None,
        "best": _figures(verdict.best) if verdict.best else None,
    }


def _figures(figures: Figures) -> Object:
    return {
        "invalid": figures.invalid,
        "invalid_share": figures.invalid / figures.n if figures.n else 0.0,
        "accuracy": figures.accuracy,
        "accuracy_interval": list(figures.accuracy_interval) if figures.accuracy_interval else None,
        "f1": dict(figures.f1),
        "positive": figures.positive,
    }


def _scored(text: str, score: float, n: int) -> Object:
    return {"prompt": text, "score": score if n else None, "n": n}


def _spending(spent: Spent, seconds: float) -> Object:
    return {
        "calls": {role: spent.calls.get(role, 0) for role in get_args(CallRole)},
        "cached": spent.cached,
        "tokens": {"input": spent.input_tokens, "output": spent.output_tokens},
        "usd": spent.usd,
        "seconds": seconds,
    }


def _row(row: RowResult) -> Object:
    return {
        "row": row.row,
        "path": row.path,
        "line": row.line,
        "expected": row.expected,
        "answered": row.predicted,
        "answer": row.answer,
        "invalid": row.invalid,
        "score": row.score,
        "marks": list(row.marks),
        "remark": row.remark,
    }


def _gradient(gradient: Gradient, path: str, lines: Lines, rows: Mapping[str, RowResult]) -> Object:
    line, column = lines.place(gradient.span.start)
    end_line, end_column = lines.place(gradient.span.end)
    return {
        "id": gradient.id,
        "critique": gradient.critique,
        "quote": gradient.quote,
        "path": path,
        "line": line,
        "column": column,
        "end_line": end_line,
        "end_column": end_column,
        "anchor": gradient.anchor,
        "source": gradient.source,
        "share": gradient.share,
        "rows": [{"row": row, "path": rows[row].path, "line": rows[row].line} for row in gradient.rows if row in rows],
    }
