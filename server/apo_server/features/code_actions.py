"""Quick fixes: measured rewrites of single critiques, the winner of a search, and ignoring a critique."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from lsprotocol import types

from apo_engine.names import shown_name
from apo_engine.positions import Span
from apo_server.capabilities import ClientCapabilities
from apo_server.edits import workspace_edit
from apo_server.features.commands import (
    EXPLAIN_CRITIQUE,
    IGNORE_CRITIQUE,
    OPEN_REPORT,
    RESTORE_CRITIQUES,
    RUN_ROW,
    SHOW_CANDIDATES,
)
from apo_server.features.diagnostics import of_critique
from apo_server.features.hover import effect
from apo_server.features.plain import points, said
from apo_server.rows import shortened
from apo_server.view import Passage, PromptView, touched

_KIND = types.CodeActionKind.QuickFix
_NAME = 60
_CAUTION = 160
# So many of the rows that show a critique are offered to be run.
_ROWS = 2


def code_actions(
    view: PromptView, params: types.CodeActionParams, client: ClientCapabilities
) -> list[types.CodeAction]:
    """The actions for a selection. No model is asked: everything offered was measured before."""
    if not client.action_literals or not wanted(params.context.only):
        return []
    selected = view.document.positions.span(params.range)
    shift = 1 if view.prompt.bom else 0
    selected = Span(max(0, selected.start - shift), max(0, selected.end - shift))
    passages = view.passages_in(selected)
    several = len(passages) > 1
    actions = _winner(view, client)
    actions += _rewrites(view, passages, client)
    for passage in passages:
        actions.append(_reading(view, passage, client, "Explain", EXPLAIN_CRITIQUE, named=several))
        actions += _run_rows(view, passage, client) if not several else []
    actions += _pages(view, passages)
    actions += [_reading(view, passage, client, "Ignore", IGNORE_CRITIQUE, named=several) for passage in passages]
    return [*actions, *_restore(view, selected)]


def resolve(view: PromptView | None, action: types.CodeAction, client: ClientCapabilities) -> types.CodeAction:
    """The action with its edit; without one where the prompt has changed too much since it was measured."""
    data = action.data if isinstance(action.data, dict) else {}
    if view is not None and action.edit is None and isinstance(data.get("candidate"), str):
        action.edit = _edit(view, data["candidate"], client)
    return action


def wanted(only: object) -> bool:
    """Whether quick fixes are among the kinds that the client asks for; a kind includes its sub-kinds."""
    if not isinstance(only, (list, tuple)) or not only:
        return True
    kinds = [kind.value if isinstance(kind, types.CodeActionKind) else str(kind) for kind in only]
    return any(kind in ("", _KIND.value) for kind in kinds)


def _rewrites(view: PromptView, passages: Sequence[Passage], client: ClientCapabilities) -> list[types.CodeAction]:
    """The rewrites that critiques led to, each once, the best first."""
    answered: dict[str, list[Passage]] = {}
    gains: dict[str, float] = {}
    for passage in passages:
        rewrite = view.known.rewrite_for(passage.finding.id) if view.known else None
        if rewrite is not None and rewrite.against is not None:
            answered.setdefault(rewrite.id, []).append(passage)
            gains[rewrite.id] = rewrite.against.difference
    ranked = sorted(answered, key=lambda rewrite: -gains[rewrite])
    actions = [_rewrite(view, answered[rewrite], client, named=len(passages) > 1) for rewrite in ranked]
    return [action for action in actions if action is not None]


def _rewrite(
    view: PromptView, passages: Sequence[Passage], client: ClientCapabilities, *, named: bool
) -> types.CodeAction | None:
    """The rewrite that some critiques led to, ``named`` after the critique where it answers one of several."""
    first = passages[0]
    rewrite = view.known.rewrite_for(first.finding.id) if view.known else None
    if rewrite is None or rewrite.against is None:
        return None
    found = rewrite.against
    words = f"{points(found.difference)} points on {found.n} selection rows"
    if len(rewrite.gradients) > 1:
        words += f", answers {len(rewrite.gradients)} critiques"
    elif named:
        words += _name(first)
    if found.difference <= 0:
        return _disabled(f"Apply rewrite: {words}", f"The rewrite is no better: {effect(view, first)}.", client)
    diagnostics = [of_critique(view, passage, client) for passage in passages]
    return _apply(view, f"Apply rewrite: {words}{_caution(rewrite.suspicions)}", rewrite.id, client, diagnostics)


def _winner(view: PromptView, client: ClientCapabilities) -> list[types.CodeAction]:
    winner = view.known.winner if view.known else None
    if winner is None or winner.text == view.prompt.text:
        return []
    verdict = winner.verdict
    if verdict is None:
        reason = "The run ended before its winner was judged on unseen rows."
        action = _disabled("Apply the winner of the run", reason, client)
    else:
        adopt = verdict.decision == "adopt"
        lead = "Apply the winner of the run" if adopt else "Apply the winner of the run anyway"
        title = f"{lead}: {said(verdict.words)}{_caution(winner.suspicions)}"
        # What somebody should read first is nothing to be applied by one key.
        preferred = adopt and view.current and not winner.suspicions
        action = _apply(view, title, winner.id, client, preferred=preferred)
    return [action] if action else []


def _apply(
    view: PromptView,
    title: str,
    candidate: str,
    client: ClientCapabilities,
    diagnostics: Sequence[types.Diagnostic] = (),
    *,
    preferred: bool = False,
) -> types.CodeAction | None:
    edit = _edit(view, candidate, client)
    if edit is None:
        return _disabled(title, "The prompt has changed since this was measured.", client)
    return types.CodeAction(
        title=title if view.current else f"{title}, measured before your edits",
        kind=_KIND,
        diagnostics=list(diagnostics) or None,
        is_preferred=True if preferred and client.action_preferred else None,
        edit=None if client.action_resolve else edit,
        data={"uri": view.document.uri, "candidate": candidate},
    )


def _about(
    view: PromptView, passage: Passage, client: ClientCapabilities, title: str, command: str, *arguments: object
) -> types.CodeAction:
    """An action on a critique that is a command, whose first argument is the prompt's address."""
    return types.CodeAction(
        title=title,
        kind=_KIND,
        diagnostics=[of_critique(view, passage, client)],
        command=types.Command(title, command, arguments=[view.document.uri, *arguments]),
    )


def _reading(
    view: PromptView, passage: Passage, client: ClientCapabilities, verb: str, command: str, *, named: bool
) -> types.CodeAction:
    """To read more about a critique, or to see it no more; ``named`` after it where others stand beside it."""
    name = _name(passage) if named else ""
    return _about(view, passage, client, f"{verb} this critique{name}", command, passage.finding.id)


def _run_rows(view: PromptView, passage: Passage, client: ClientCapabilities) -> list[types.CodeAction]:
    """Run the prompt on one of the rows that show a critique."""
    shown = [(row, f"{shown_name(Path(row.path).name)}:{row.line}") for row in passage.finding.rows[:_ROWS]]
    return [_about(view, passage, client, f"Run on {place}", RUN_ROW, row.line, row.path) for row, place in shown]


def _restore(view: PromptView, selected: Span) -> list[types.CodeAction]:
    """Where critiques are ignored: to see them again."""
    count = len(touched(view.ignored, selected))
    if not count:
        return []
    title = f"Show ignored critiques again ({len(view.ignored)})"
    return [
        types.CodeAction(
            title, kind=_KIND, command=types.Command(title, RESTORE_CRITIQUES, arguments=[view.document.uri])
        )
    ]


def _pages(view: PromptView, passages: tuple[Passage, ...]) -> list[types.CodeAction]:
    """What there is to read about the prompt, where something is marked."""
    known, uri = view.known, view.document.uri
    if known is None or not passages:
        return []
    pages = [("Compare candidates", SHOW_CANDIDATES)] if known.rewrites or known.winner else []
    pages.append(("Open report", OPEN_REPORT))
    return [
        types.CodeAction(title, kind=_KIND, command=types.Command(title, name, arguments=[uri]))
        for title, name in pages
    ]


def _caution(suspicions: Sequence[str]) -> str:
    """What a reader should look at before a rewrite is applied."""
    return f" — check first: it {shortened(said(' and '.join(suspicions)), _CAUTION)}" if suspicions else ""


def _name(passage: Passage) -> str:
    return f" (“{shortened(said(passage.finding.critique), _NAME)}”)"


def _disabled(title: str, reason: str, client: ClientCapabilities) -> types.CodeAction | None:
    """An action that says why it cannot be taken, for clients that show such; else none."""
    if not client.action_disabled:
        return None
    return types.CodeAction(title=title, kind=_KIND, disabled=types.CodeActionDisabled(reason))


def _edit(view: PromptView, candidate: str, client: ClientCapabilities) -> types.WorkspaceEdit | None:
    """The smallest edits that apply a candidate to this version."""
    found = view.edits_to(candidate)
    return workspace_edit(view, found, client) if found else None
