"""From a row back to the prompts: where they name the column that a caret is in."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from lsprotocol import types

from apo_server.column_places import column_at
from apo_server.documents import Document
from apo_server.referents import ColumnName, InputName, Mention, mentions_of
from apo_server.view import PromptView

Place = tuple[types.Range, types.Location]


def column_definition(document: Document, position: types.Position, views: Iterable[PromptView]) -> list[Place]:
    """Where the prompts say what the column under a caret is for: its input's declaration, else the first mention.

    Each with the range that leads there. ``views`` are the prompts that name the example file.
    """
    found = column_at(document, position)
    if found is None:
        return []
    origin, column = found
    chosen = []
    for view in views:
        mentions = list(_mentions(view, column))
        declared = [mention for mention in mentions if mention.declares]
        chosen += [(origin, _place(view, mention)) for mention in declared or mentions[:1]]
    return chosen


def column_references(
    document: Document, position: types.Position, views: Iterable[PromptView], *, declarations: bool
) -> list[types.Location]:
    """Everything in the prompts that names the column under a caret, or the input that it fills."""
    found = column_at(document, position)
    if found is None:
        return []
    return [
        _place(view, mention)
        for view in views
        for mention in _mentions(view, found[1])
        if declarations or not mention.declares
    ]


def _mentions(view: PromptView, column: str) -> Iterator[Mention]:
    """In order of place: as the column, and as the input."""
    inputs = [one.name for one in view.facts.columns if one.column == column] if view.facts else []
    found = list(mentions_of(view.prompt, ColumnName(column)))
    for name in inputs:
        found += mentions_of(view.prompt, InputName((name,)))
    yield from sorted(found, key=lambda mention: mention.span)


def _place(view: PromptView, mention: Mention) -> types.Location:
    return types.Location(view.document.uri, view.range(mention.span))
