"""What an editor with views of its own asks about a run: its report as data, and to apply one of its candidates."""

from __future__ import annotations

from typing import Any

from lsprotocol import types

from apo_engine.problems import ApoError, Severity
from apo_server.edits import workspace_edit
from apo_server.server import ApoLanguageServer


async def report(ls: ApoLanguageServer, *arguments: object) -> object:
    """`apo.report`: the run under way for a prompt, else the last one; null where there is none.

    The answer is the object that `apo report --json` prints.
    """
    uri = ls.named(arguments)
    if uri is None:
        return None
    try:
        return await ls.runner.report(uri)
    except ApoError as error:
        ls.screen.tell(str(error), Severity.WARNING)
        return None


async def apply_candidate(ls: ApoLanguageServer, *arguments: object) -> bool:
    """`apo.applyCandidate`: the prompt's address and the id of a candidate in its report. Whether it was applied."""
    uri = ls.named(arguments)
    view = ls.session.view(uri) if uri is not None else None
    wanted = str(arguments[1]) if len(arguments) > 1 else ""
    told: Any = await report(ls, *arguments)
    texts = {branch["id"]: branch["text"] for branch in told["branches"]} if told else {}
    if view is None or wanted not in texts:
        ls.screen.tell("This candidate is not known any more.", Severity.INFORMATION)
        return False
    edits = view.edits_between(texts[told["prompt"]], texts[wanted])
    if edits is None:
        ls.screen.tell("The prompt has changed since this rewrite was measured.", Severity.WARNING)
        return False
    edit = workspace_edit(view, edits, ls.session.client)
    answer = await ls.workspace_apply_edit_async(types.ApplyWorkspaceEditParams(edit, label="Apply candidate"))
    return answer.applied
