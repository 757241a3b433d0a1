"""The lenses above a prompt: what is known, what runs, and what can be done."""

from __future__ import annotations

from lsprotocol import types

from apo_engine.search.events import Job
from apo_server.features.commands import CANCEL, EVALUATE, GRADIENTS, OPTIMIZE, SHOW_CANDIDATES
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


def code_lenses(view: PromptView, running: Job | None) -> list[types.CodeLens]:
    """The lenses of a prompt that has example rows; a plain prompt has none."""
    uri = view.document.uri
    if "examples" not in view.prompt.layer().values:
        return []
    if running is not None:
        return [_lens(f"{_DOING[running]} …", CANCEL, uri), _lens("Cancel", CANCEL, uri)]
    lenses = []
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


def score_in_words(score: Score) -> str:
    """A score with its interval and n: ``acc 81.4 % ± 3.1 (n 140)``; ``n 72 selection rows`` where it is of a part."""
    low, high = score.interval
    part = "" if score.part == "open" else f" {score.part} rows"
    # A function of the user's goes by its own name, without its module.
    name = _NAMES.get(score.metric) or score.metric.rpartition(":")[2]
    return f"{name} {100 * score.value:.1f} % ± {50 * (high - low):.1f} (n {score.n}{part})"


def _critiques(view: PromptView) -> str:
    shown = len(view.passages)
    return f"{shown} critique{'' if shown == 1 else 's'}" if shown else "Find critiques"


def _lens(title: str, command: str, uri: str) -> types.CodeLens:
    start = types.Position(0, 0)
    return types.CodeLens(types.Range(start, start), types.Command(title, command, arguments=[uri]))
