"""The sentences in which a run is told."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import get_args

from apo_engine.cli.figures import count, duration, money, percent, rounded, span
from apo_engine.evaluation.figures import Figures
from apo_engine.models.budget import CallRole
from apo_engine.names import shown_name
from apo_engine.search.events import RunStarted, Spent

_METRICS = {
    "label": "accuracy",
    "exact_match": "exact match",
    "json_match": "JSON match",
    "f1": "F1",
    "f1_macro": "macro F1",
    "judge": "judge's grade",
}
_OPERATORS = {
    "exemplars": "worked examples from your rows were added",
    "rule": "rules were counted from your rows",
    "phrase-swap": "phrases changed places",
    "phrase-delete": "phrases were left out",
    "phrase-add": "phrases that had been left out were put back",
}
_REWRITING = ("edit", "paraphrase", "phrase-paraphrase")


def metric_name(metric: str) -> str:
    """What a metric's figure is called."""
    return f"score by {metric}" if ":" in metric else _METRICS.get(metric, metric)


def estimate(started: RunStarted) -> str:
    """The most that a run may use, and whether anything is sent."""
    asked = dict.fromkeys(
        (
            started.task_model,
            *([] if started.job == "evaluate" else [started.optimizer_model]),
            *([started.judge_model] if started.judge_model else []),
        )
    )
    bound = started.estimate
    models = listed([*map(shown_name, asked)])
    parts = [f"At most {count(bound.calls, 'call')} of {models}", f"about {rounded(bound.tokens)} tokens"]
    if started.local:
        whose = {1: "It runs", 2: "Both run"}.get(len(asked), "All run")
        return f"{', '.join(parts)}. {whose} on this machine: nothing is sent."
    parts.append("at an unknown price" if bound.usd is None else f"about {money(bound.usd)}")
    return f"{', '.join(parts)}."


def destinations(started: RunStarted) -> str:
    """Where a run sends its rows; empty if nothing leaves."""
    if started.local:
        return ""
    hosts: dict[tuple[str, bool, str], None] = dict.fromkeys(
        (one.host, one.encrypted, one.proxy) for one in started.destinations
    )
    ways = [
        f"{host} ({'encrypted' if encrypted else 'not encrypted'}{f', read by the proxy {proxy}' if proxy else ''})"
        for host, encrypted, proxy in hosts
    ]
    return f"Rows are sent to {listed(ways)}."


def listed(names: Collection[str]) -> str:
    """``a``, ``a and b``, ``a, b and c``."""
    *most, last = names
    return f"{', '.join(most)} and {last}" if most else last


def figures(start: Figures, best: Figures, metric: str) -> str:
    """What two prompts' answers to the same rows come to besides the metric; empty where there is nothing to say."""
    pairs: list[tuple[str, float | None, float | None]] = []
    if metric != "label":
        pairs.append(("accuracy", start.accuracy, best.accuracy))
    names = {"binary": f"F1 of '{start.positive}'", "macro": "macro F1"}
    shown = {"f1": "binary", "f1_macro": "macro"}.get(metric)
    pairs += [(name, start.f1.get(key), best.f1.get(key)) for key, name in names.items() if key != shown]
    parts = [f"{name} {percent(a)} → {percent(b)}" for name, a, b in pairs if a is not None and b is not None]
    if start.invalid or best.invalid:
        parts.append(f"could not be read {start.invalid:,} → {count(best.invalid, 'answer')}")
    return ", ".join(parts)


def rows(started: RunStarted) -> str:
    """How the rows are divided."""
    parts = started.rows
    if not parts.holdout and not parts.critique:
        return f"{count(parts.selection, 'row')}, too few to divide: all are scored"
    opened = parts.critique + parts.selection
    if started.job == "evaluate":
        return f"{count(opened, 'row')} and {count(parts.holdout, 'sealed row')}"
    used = f"{count(parts.critique, 'row')} to criticise, {parts.selection:,} to select by"
    return f"{used}, {parts.holdout:,} sealed for the verdict"


def score(metric: str, value: float, interval: tuple[float, float], n: int) -> str:
    """A figure with its interval and number of rows."""
    return f"{percent(value)} {metric_name(metric)}, 95 % interval {span(interval)}, on {count(n, 'row')}"


def credit(operators: Collection[str], model: str) -> str:
    """Which part did what, so that nobody credits the wrong one. ``model`` is who writes rewrites."""
    done = [sentence for operator, sentence in _OPERATORS.items() if operator in operators]
    if any(operator in operators for operator in _REWRITING):
        done.append(f"the wording was rewritten by {model}")
        sentence = ", and ".join([", ".join(done[:-1]), done[-1]]) if done[:-1] else done[-1]
    elif done:
        sentence = f"{' and '.join(done)}; the wording was not improved by a model"
    else:
        sentence = "nothing was changed"
    return f"{sentence[0].upper()}{sentence[1:]}."


def caution(suspicions: Collection[str]) -> str:
    """What a rewrite adds that somebody should look at before it is used."""
    return f"Read the diff before you use it: it {listed(suspicions)}"


def discards(reasons: Mapping[str, int]) -> str:
    """``5 rewrites discarded (3 × too long, 2 × copies the text of a row)``; empty where there are none."""
    if not reasons:
        return ""
    most = sorted(reasons.items(), key=lambda item: (-item[1], item[0]))
    why = ", ".join(f"{n} × {reason}" for reason, n in most) if len(most) > 1 else most[0][0]
    return f"{count(sum(reasons.values()), 'rewrite')} discarded ({why})"


def spending(spent: Spent, seconds: float) -> str:
    """Calls by role, what of them was known already, tokens, money and time."""
    total = sum(spent.calls.values())
    roles = [f"{spent.calls[role]:,} {role}" for role in get_args(CallRole) if spent.calls.get(role)]
    calls = count(total, "call") + (f" ({', '.join(roles)})" if len(roles) > 1 else "")
    cached = f"{spent.cached:,} of them answered before" if spent.cached else ""
    tokens = f"{spent.input_tokens:,} tokens in and {spent.output_tokens:,} out"
    cost = "price unknown" if spent.usd is None else money(spent.usd)
    return " · ".join(part for part in (calls, cached, tokens, cost, duration(seconds)) if part)
