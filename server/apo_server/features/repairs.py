"""Quick fixes of what is wrong in a prompt by itself: misspelled names, blocks that are not closed."""

from __future__ import annotations

from lsprotocol import types

from apo_engine.positions import Span
from apo_engine.problems import Problem, Repair
from apo_server.capabilities import ClientCapabilities
from apo_server.edits import workspace_edit
from apo_server.features.diagnostics import of_problem, span_of
from apo_server.features.plain import said
from apo_server.view import PromptView


def repairs(view: PromptView, params: types.CodeActionParams, client: ClientCapabilities) -> list[types.CodeAction]:
    """The repairs of the problems that a selection touches, each with its edit."""
    start, end = view.offset(params.range.start), view.offset(params.range.end)
    selected = Span(min(start, end), max(start, end))
    return [
        _action(view, problem, repair, client, preferred=number == 0)
        for problem in view.problems
        if problem.repairs and _touches(span_of(view, problem), selected)
        for number, repair in enumerate(problem.repairs)
    ]


def _touches(span: Span, selected: Span) -> bool:
    return span.start <= selected.end and selected.start <= span.end


def _action(
    view: PromptView, problem: Problem, repair: Repair, client: ClientCapabilities, *, preferred: bool
) -> types.CodeAction:
    return types.CodeAction(
        title=said(repair.title),
        kind=types.CodeActionKind.QuickFix,
        diagnostics=[of_problem(view, problem)],
        is_preferred=True if preferred and client.action_preferred else None,
        edit=workspace_edit(view, repair.edits, client),
    )
