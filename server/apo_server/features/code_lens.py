"""The lenses above a prompt: what is known, what runs, and what can be done."""

from __future__ import annotations

from lsprotocol import types

from apo_engine.search.events import Job
from apo_server.advance import Advance
from apo_server.features.commands import CANCEL, EVALUATE, GRADIENTS, OPTIMIZE, SHOW_CANDIDATES
from apo_server.features.plain import said
from apo_server.knowledge import Score
from apo_server.view import PromptView

_NAMES = {
    "exact_match": "acc",
    "label": "acc",
    "contains": "acc",
    "regex": "acc",
    "numeric": "acc",
    "json_match": "JSON",
    "f1": "F1",
    "f1_macro": "macro F1",
    "judge": "grade",
}
_DOING: dict[Job, str] = {"evaluate": "Evaluating", "gradients": "Finding critiques", "optimize": "Optimizing"}


def code_lenses(view: PromptView, *, paused: bool = False) -> list[types.CodeLens]:
    """The lenses of a prompt that has example rows and that nothing runs for; a plain prompt has none.

    ``paused`` says that the last run found nothing left to spend.
    """
    if not _has_rows(view):
        return []
    uri = view.document.uri
    lenses = [_lens("Paused by budget", EVALUATE, uri)] if paused else []
    known = view.known
    if known is not None and known.score is not None:
        words = score_in_words(known.score)
        title = words if view.current else f"{words}, before your edits"
        lenses.append(_lens(title, SHOW_CANDIDATES if known.rewrites or known.winner else EVALUATE, uri))
    else:
        lenses.append(_lens("Evaluate", EVALUATE, uri))
    lenses.append(_lens(_critiques(view), GRADIENTS, uri))
    lenses.append(_lens("Optimize", OPTIMIZE, uri))
    return lenses


def running_lenses(view: PromptView, job: Job, advance: Advance | None, *, waits: bool) -> list[types.CodeLens]:
    """The lenses while a job is under way: how far it has come, or that it ``waits`` for its turn, and a way out."""
    if not _has_rows(view):
        return []
    title = "Waiting …" if waits else f"{_DOING[job]} …"
    if advance is not None and advance.words:
        title += f" {advance.percentage} % · {advance.words}"
    return [_lens(title, CANCEL, view.document.uri), _lens("Cancel", CANCEL, view.document.uri)]


def score_in_words(score: Score) -> str:
    """A score with its interval and n, and F1 and cost where known: ``acc 81.4 % ± 3.1 (n 140) · F1 .79 · $0.004``.

    ``n 72 selection rows`` where it is of a part.
    """
    low, high = score.interval
    part = "" if score.part == "open" else f" {score.part} rows"
    # A function of the user's goes by its own name, without its module.
    name = _NAMES.get(score.metric) or score.metric.rpartition(":")[2]
    words = f"{name} {100 * score.value:.1f} % ± {50 * (high - low):.1f} (n {score.n}{part})"
    if score.f1 is not None and name == "acc":
        words += f" · F1 {score.f1:.2f}".replace(" 0.", " .")
    return f"{words} · {_dollars(score.usd)}" if score.usd else words


def _dollars(usd: float) -> str:
    """Money to the first digit that tells anything: ``$1.20``, ``$0.004``."""
    return f"${usd:.2f}" if usd >= 0.1 else f"${usd:.3f}" if usd >= 0.0005 else "below $0.001"


def _critiques(view: PromptView) -> str:
    shown = len(view.passages)
    return f"{shown} critique{'' if shown == 1 else 's'}" if shown else "Find critiques"


def _has_rows(view: PromptView) -> bool:
    return "examples" in view.prompt.layer().values


def _lens(title: str, command: str, uri: str) -> types.CodeLens:
    start = types.Position(0, 0)
    return types.CodeLens(types.Range(start, start), types.Command(said(title), command, arguments=[uri]))
