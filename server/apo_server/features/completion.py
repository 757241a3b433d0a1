"""What may be written at the caret."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from lsprotocol import types

from apo_server.capabilities import ClientCapabilities
from apo_server.features.key_completion import key_proposals
from apo_server.features.plain import said
from apo_server.features.tag_completion import tag_proposals
from apo_server.lookups import Lookups
from apo_server.proposals import Proposal
from apo_server.view import PromptView


def completions(
    view: PromptView,
    position: types.Position,
    client: ClientCapabilities,
    lookups: Lookups,
    roots: Collection[Path],
) -> types.CompletionList:
    """What may be written at a position, the likeliest first. An item replaces the word that the caret touches.

    Names of files come from the folders ``roots``.
    """
    offset = view.offset(position)
    found = tag_proposals(view, offset, roots) if offset >= view.prompt.template.start else None
    found = found or key_proposals(view, offset, lookups, roots)
    if found is None:
        return types.CompletionList(is_incomplete=False, items=[])
    range_ = view.range(found.word)
    ranked = sorted(dict.fromkeys(found.of), key=lambda proposal: proposal.rank)
    items = [_item(proposal, number, range_, client) for number, proposal in enumerate(ranked)]
    return types.CompletionList(is_incomplete=False, items=items)


def _item(proposal: Proposal, number: int, range_: types.Range, client: ClientCapabilities) -> types.CompletionItem:
    snippet = client.snippets and bool(proposal.snippet)
    text = proposal.snippet if snippet else proposal.insert or proposal.label
    return types.CompletionItem(
        label=said(proposal.label),
        kind=proposal.kind,
        detail=said(proposal.detail) or None,
        documentation=said(proposal.words) or None,
        sort_text=f"{number:04}",
        filter_text=proposal.label,
        insert_text_format=types.InsertTextFormat.Snippet if snippet else None,
        text_edit=types.TextEdit(range_, text),
    )
