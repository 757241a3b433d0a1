"""What a run says first: models, rows, the most that it may cost, and whether its verdict can tell anything."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec

from apo_engine import caps
from apo_engine.models.chat import ChatModel, Usage
from apo_engine.models.tokens import estimate_tokens
from apo_engine.runs.destinations import destinations_of, fingerprint
from apo_engine.runs.extra_parameters import model_notice, notices
from apo_engine.runs.included_files import included_files, link_target
from apo_engine.runs.plan import CRITIQUE_GROUPS, MEASURED_FIXES, Plan
from apo_engine.runs.row_budget import cap_for_holdout
from apo_engine.scoring.power import HOPED, rows_needed, shortage
from apo_engine.search import exemplars
from apo_engine.search.arm import seed_arm
from apo_engine.search.events import CustomMetric, Estimate, FileRows, RowCounts, RunCaps, RunStarted
from apo_engine.search.proposer import EvidenceProposer, most_children
from apo_engine.search.verdict import Look
from apo_engine.store import Looks

_SAMPLE = 20
# What stands around the row of a worked example.
_EXEMPLAR_TOKENS = 4
_ANSWER_TOKENS = 8
# What a critic or editor is told besides the prompt and rows, and about what it writes.
_WRITING_TOKENS = 400
# What a judge is told besides the rubric and the row, and about what it answers.
_JUDGING_TOKENS, _GRADE_TOKENS = 250, 40
# Rows that a search scores for each child it makes, those of parents and rivals among them: as measured, 50 to 100.
_ROWS_PER_CHILD = 60
# The metrics whose rows are right or wrong, which the test is about that the power is calculated for.
_RIGHT_OR_WRONG = ("label", "exact_match", "contains", "regex", "numeric")


def announce(plan: Plan, run: str = "", experiment: str = "") -> RunStarted:
    """The first event of the plan's run; of a mere plan, that has no id."""
    rows = plan.rows
    counts = (
        RowCounts(len(rows.critique), len(rows.selection), len(rows.holdout))
        if rows
        else RowCounts(0, len(plan.open_rows), 0)
    )
    function = plan.function
    budget = plan.settings.budget
    destinations, files, included = destinations_of(plan, counts), _files(plan), included_files(plan)
    return RunStarted(
        run=run,
        job=plan.job,
        prompt=seed_arm(plan.prompt).candidate,
        task_model=plan.task_model.name,
        optimizer_model=plan.optimizer_model.name,
        metric=plan.metric.name,
        labels=plan.examples.labels,
        rows=counts,
        estimate=_estimate(plan, counts),
        seed=plan.settings.seed,
        judge_model=plan.judge_model.name if plan.judge_model else None,
        custom_metric=CustomMetric(plan.metric.name, str(function.file), function.digest, function.files)
        if function
        else None,
        destinations=destinations,
        files=files,
        file=str(plan.prompt.path.absolute()) if plan.prompt.path else "",
        caps=RunCaps(budget.calls, budget.tokens, budget.usd, budget.seconds),
        model_files=plan.model_files,
        notices=(*filter(None, map(model_notice, plan.models)), *notices(plan.settings.config, plan.task_model)),
        fingerprint=fingerprint(plan, destinations, files, included),
        rows_fingerprint=plan.examples.fingerprint,
        experiment=experiment,
        included=included,
    )


def on_exposure(started: RunStarted) -> str:
    """What to tell people whose rows and key can be read on their way; empty where they cannot."""
    exposed = [one for one in started.destinations if not one.encrypted]
    if not exposed:
        return ""
    hosts = " and ".join(dict.fromkeys(one.host for one in exposed))
    proxies = " and ".join(dict.fromkeys(one.proxy for one in exposed if one.proxy))
    read = f" The proxy {proxies} can read it." if proxies else ""
    return f"What is sent to {hosts}, your key included, is not encrypted. Use an https:// address, or a tunnel.{read}"


def _files(plan: Plan) -> tuple[FileRows, ...]:
    """The example files, in the order of their rows; only a search is ever shown sealed rows, for its verdict."""
    shown = Counter(row.path for row in plan.open_rows)
    sealed = Counter(row.path for row in plan.sealed_rows)
    if plan.job == "optimize" and plan.rows is not None:
        shown.update(row.path for row in plan.rows.holdout)
        sealed.subtract(row.path for row in plan.rows.holdout)
    held = Counter(row.path for row in plan.examples.rows)
    folder = plan.prompt.path.parent if plan.prompt.path else Path.cwd()
    inputs: dict[Path, dict[str, None]] = {path: {} for path in held}
    for row in plan.examples.rows:
        if row.inputs.keys() - inputs[row.path].keys():
            inputs[row.path].update(dict.fromkeys(row.inputs))
    filled_by = plan.settings.examples.input if plan.settings.examples is not None else {}
    answers = plan.examples.expected if _shows_answers(plan) else ""
    return tuple(
        FileRows(
            path=str(path),
            shown=shown[path],
            kept=rows - shown[path],
            columns=tuple(filled_by.get(name, name) for name in inputs[path]),
            target=link_target(path, folder),
            answers=answers,
            sealed=sealed[path],
        )
        for path, rows in held.items()
    )


def _shows_answers(plan: Plan) -> bool:
    """Whether expected answers leave: a judge compares with them; critiques and worked examples quote them."""
    return plan.job != "evaluate" or (plan.judge_model is not None and not plan.judge_model.local)


def few_unseen_rows(plan: Plan, looks: Looks) -> str:
    """What to tell people whose sealed rows cannot show the gain hoped for, and how many would; empty where they can.

    Heeds the earlier ``looks`` at them, as the verdict will. Silent where the metric's rows are not right or wrong:
    the power of other tests is not known beforehand.
    """
    if plan.job != "optimize" or plan.metric.name not in _RIGHT_OR_WRONG or plan.rows is None or plan.counted is None:
        return ""
    level = 1 - Look(looks.earlier, looks.opened).confidence
    needed = rows_needed(HOPED, level=level)
    sealed = len(plan.counted.holdout)
    rows = len(plan.counted.critique) + len(plan.counted.selection) + sealed
    to_label = plan.examples.holdout is None and sealed < needed
    said = shortage(len(plan.rows.holdout), sealed / rows if to_label else None, level=level)
    cap, wanted = plan.settings.budget.calls, cap_for_holdout(needed)
    if not said or wanted <= cap:
        return said
    return f"{said} That takes a cap of about {math.ceil(wanted / 100) * 100:,} calls, in place of {cap:,}."


def shown_before(plan: Plan) -> str:
    """What to tell people who hold out rows that an earlier search was shown; empty if they do not."""
    if plan.job != "optimize" or plan.rows is None:
        return ""
    shown = sum(row.id in plan.history.shown for row in plan.rows.holdout)
    if not shown:
        return ""
    rows, were = ("1 hold-out row", "was") if shown == 1 else (f"{shown:,} hold-out rows", "were")
    return f"{rows} {were} shown to an earlier run: they count as looked at. Hold out rows that no run has shown."


def copied_words(plan: Plan) -> str:
    """What to tell people some of whose hold-out rows are copies of others; empty if none is."""
    if not plan.copies:
        return ""
    count = len(plan.copies)
    rows = "1 hold-out row is a copy" if count == 1 else f"{count:,} hold-out rows are copies"
    return f"{rows} of another one, apart from form, ids and unread columns: the verdict counts each distinct row once."


def sealed_words(plan: Plan) -> str:
    """What to tell people of sealed rows that the run leaves out although they may expect them; empty if none is."""
    judged = {row.id for row in plan.whole.holdout} if plan.whole is not None else set()
    sealed = sum(row.id not in judged for row in plan.sealed_rows)
    if not sealed:
        return ""
    if plan.whole is None:
        rows = "1 hold-out row is" if sealed == 1 else f"{sealed:,} hold-out rows are"
        return f"{rows} left out: hold-out rows stay sealed until a search compares its winner on them."
    rows = "1 row is" if sealed == 1 else f"{sealed:,} rows are"
    return f"{rows} left out, as an earlier search held them out or they repeat hold-out rows. Sealed rows stay sealed."


def lowered_caps(plan: Plan, flags: Mapping[str, object]) -> str:
    """What to tell people whose prompt asks for more than their own settings allow; empty if it does not."""
    used = msgspec.to_builtins(plan.settings)
    texts = [
        f"{name} is {cap:,} and not {asked:,}"
        for name, asked, cap in caps.lowered(plan.prompt.layer().values, flags, used)
    ]
    if not texts:
        return ""
    remedy = "To raise them, change your settings or give a flag such as --max-calls."
    return f"Your own settings lower what the prompt asks for: {', '.join(texts)}. {remedy}"


def kept_words(plan: Plan) -> str:
    """What to tell people who want nothing kept of what is kept all the same; empty if nothing is."""
    if not plan.keeps_nothing:
        return ""
    return (
        "Nothing of this run is kept but keyed fingerprints of its rows, by which looks at hold-out rows are counted."
    )


@dataclass(frozen=True, slots=True)
class _Work:
    """How many rows are scored, and how many critiques and rewrites written."""

    rows: int
    written: int


def _estimate(plan: Plan, counts: RowCounts) -> Estimate:
    most = _most(plan, counts)
    calls = min(plan.settings.budget.calls, most.rows * plan.most_calls_per_row + most.written)
    likely = _likely(plan, most, calls)
    per_row = plan.tokens_per_row
    answered = 0 if plan.by_probability else likely.rows * _ANSWER_TOKENS
    tasks = Usage(likely.rows * (per_row + _count_quoted_tokens(plan)), answered)
    # A critique or an edit is shown the prompt and a few rows, and answers with about as much as the prompt.
    shown = _WRITING_TOKENS + per_row * (1 + plan.settings.optimizer.group_size)
    written = Usage(likely.written * shown, likely.written * (_WRITING_TOKENS + per_row))
    spent: list[tuple[ChatModel, Usage]] = [(plan.task_model, tasks)]
    if likely.written:
        spent.append((plan.optimizer_model, written))
    if plan.judge_model is not None:
        spent.append((plan.judge_model, _judging(plan, likely.rows)))
    costs = [plan.price_of(model, usage) for model, usage in spent]
    known = [cost for cost in costs if cost is not None]
    tokens = sum(usage.input + usage.output for _, usage in spent)
    return Estimate(calls, tokens, sum(known) if len(known) == len(costs) else None)


def _count_quoted_tokens(plan: Plan) -> int:
    """The tokens of the worked examples that the prompts of this search quote, on average."""
    if plan.job != "optimize" or not plan.evidence_only:
        return 0
    rows = exemplars.usable(plan.examples.rows[:_SAMPLE])
    each = [sum(map(estimate_tokens, (*row.inputs.values(), row.expected))) + _EXEMPLAR_TOKENS for row in rows]
    return _average(EvidenceProposer.sizes) * _average(each)


def _judging(plan: Plan, rows: int) -> Usage:
    grades = rows * (plan.calls_per_row - 1)
    sample = plan.examples.rows[:_SAMPLE]
    data = _average([sum(map(estimate_tokens, (*row.inputs.values(), row.expected, row.expected))) for row in sample])
    shown = _JUDGING_TOKENS + estimate_tokens(plan.settings.judge.rubric or "") + data
    return Usage(grades * shown, grades * _GRADE_TOKENS)


def _most(plan: Plan, counts: RowCounts) -> _Work:
    """An upper bound, whatever is answered, but for the caps."""
    search = plan.settings.optimizer
    opened = counts.critique + counts.selection
    calibrated = len(plan.calibration)
    if plan.job == "evaluate":
        return _Work(opened, 0)
    if plan.job == "gradients":
        critiques = 0 if plan.evidence_only else max(CRITIQUE_GROUPS, search.groups)
        fixes = MEASURED_FIXES if plan.fixes else 0
        return _Work(opened + fixes * (counts.selection + calibrated), critiques + (fixes if critiques else 0))
    if search.algorithm != "apo":
        return _Work(plan.settings.budget.calls, 0 if plan.evidence_only else plan.settings.budget.calls)
    parents = 1 + (search.rounds - 1) * search.beam
    prompts = 1 + parents * search.max_children
    rows = prompts * (counts.selection + calibrated) + parents * counts.critique + 2 * counts.holdout
    return _Work(rows, 0 if plan.evidence_only else parents * (search.groups + search.max_children))


def _likely(plan: Plan, most: _Work, calls: int) -> _Work:
    """What is to be expected of a run that makes about as many calls as it may."""
    if plan.job != "optimize":
        return _Work(min(most.rows, calls // plan.calls_per_row), most.written)
    search = plan.settings.optimizer
    # A parent's children share its critiques.
    per_child = 1 + (search.groups / most_children(search) if search.algorithm == "apo" else 0)
    share = per_child / (per_child + _ROWS_PER_CHILD * plan.calls_per_row)
    written = min(most.written, round(share * calls))
    return _Work(min(most.rows, (calls - written) // plan.calls_per_row), written)


def _average(figures: Sequence[int]) -> int:
    return sum(figures) // max(1, len(figures))
