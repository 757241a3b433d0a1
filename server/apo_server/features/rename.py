"""Renaming an input wherever a prompt names it, so that the prompt says to a model exactly what it said before.

The rows keep the names of their columns: where a column went by the old name, the front matter learns which input it
fills now.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

from lsprotocol import types
from pygls.exceptions import JsonRpcException

from apo_engine.positions import Span
from apo_engine.prompt.helpers import HELPERS
from apo_engine.prompt.partials import partial_problems, partial_texts
from apo_engine.prompt.yaml_tree import Mapping, Scalar
from apo_server.capabilities import ClientCapabilities
from apo_server.edits import workspace_edit
from apo_server.inheritance import inheriting, own_references
from apo_server.referents import InputName, mention_at, mentions_of

if TYPE_CHECKING:
    from apo_engine.prompt.file import PromptFile
    from apo_engine.prompt.yaml_tree import Node
    from apo_server.texts import Texts
    from apo_server.view import PromptView

Edit = tuple[Span, str]
_NAME = re.compile(r"[^\W\d][\w-]*")
_TAKEN = (*HELPERS, "else", "this", "true", "false", "null", "undefined", "as")
_FLOW_SIGNS = re.compile(r"[,\[\]{}:#]")


class CannotRename(JsonRpcException):
    """A name cannot be changed, or not into that; the message says why."""

    CODE = types.LSPErrorCodes.RequestFailed.value
    MESSAGE = "Cannot rename"


def prepare(view: PromptView, position: types.Position) -> types.PrepareRenamePlaceholder | None:
    """The name under the caret, if it is that of an input."""
    found = _input_at(view, position)
    return types.PrepareRenamePlaceholder(view.range(found[1]), found[0]) if found else None


def rename(
    view: PromptView, position: types.Position, new: str, client: ClientCapabilities, texts: Texts
) -> types.WorkspaceEdit | None:
    """The edits that rename the input under the caret.

    Raises:
        CannotRename: the new name is none, or is taken; or the change would not be complete.
    """
    found = _input_at(view, position)
    if found is None:
        return None
    old = found[0]
    if old == new:
        return workspace_edit(view, (), client)
    _require_possible(view, old, new, texts)
    mentions = mentions_of(view.prompt, InputName((old,)))
    edits = {mention.span: _written(view.prompt, mention.span, old, new) for mention in mentions}
    mapping = _column_mapping(view, old, new)
    if mapping is not None:
        edits[mapping[0]] = mapping[1]
    return workspace_edit(view, sorted(edits.items()), client)


def _input_at(view: PromptView, position: types.Position) -> tuple[str, Span] | None:
    mention = mention_at(view.prompt, view.offset(position))
    if mention is None or not isinstance(mention.referent, InputName) or len(mention.referent.path) > 1:
        return None
    return mention.referent.path[0], mention.span


def _require_possible(view: PromptView, old: str, new: str, texts: Texts) -> None:
    prompt = view.prompt
    if not _NAME.fullmatch(new) or new in _TAKEN:
        raise CannotRename(f"'{new}' is no name for an input: use letters, digits, '_' and '-', and no helper's name.")
    columns = {column.name for column in view.facts.columns} if view.facts else set()
    if new in {name for name, _ in (*prompt.declared, *prompt.variables)} | columns | prompt.defaults.keys():
        raise CannotRename(f"There is an input '{new}' already.")
    if own_references(prompt.nodes).whole:
        raise CannotRename("The template shows all inputs with their names, so that the name is part of the prompt.")
    if any(problem.code in ("partial-large", "partial-many") for problem in partial_problems(prompt, texts.read)):
        raise CannotRename("The partials are too large or too many to be looked through; include less, then rename.")
    for name, given, reads in inheriting(prompt.nodes, partial_texts(prompt, texts.read), (old, new)):
        _require_indifferent(name, old, new, {found for found, _ in reads.names} - given, shows_all=reads.whole)
    if view.facts is None and "examples" in prompt.layer().values:
        raise CannotRename("The example rows are not read yet, or cannot be read; rename when they are.")


def _require_indifferent(partial: str, old: str, new: str, read: set[str], *, shows_all: bool) -> None:
    if shows_all:
        raise CannotRename(f"The partial '{partial}' shows all inputs with their names: give it only what it needs.")
    if old in read:
        raise CannotRename(
            f"The partial '{partial}' reads '{old}', too: give it as {{{{> {partial} {old}={old}}}}} first."
        )
    if new in read:
        raise CannotRename(f"The partial '{partial}' reads '{new}', which would be this input: use another name.")


def _written(prompt: PromptFile, span: Span, old: str, new: str) -> str:
    """The new name in the place of the old one; brackets that are needed no longer may stay."""
    return new if span.of(prompt.text) == old else json.dumps(new)


def _column_mapping(view: PromptView, old: str, new: str) -> Edit | None:
    """The entry that lets the column with the old name fill the input; None where none fills it, or one is named."""
    prompt, facts = view.prompt, view.facts
    column = next((one for one in facts.columns if one.name == old), None) if facts else None
    front = prompt.front_matter
    if column is None or front is None or column.column != old:
        return None
    mapped = front.root.get("apo.examples", "input")
    if isinstance(mapped, Mapping) and mapped.get(old) is not None:
        return None
    entry = f"{new}: {_scalar(old)}"
    examples = front.root.get("apo.examples")
    if isinstance(examples, Scalar):
        path = examples.span.of(prompt.text)
        return examples.span, f"{{path: {_in_flow(path)}, input: {{{entry}}}}}"
    if isinstance(mapped, Mapping) and mapped.entries:
        return _first_entry(prompt, mapped, entry)
    if isinstance(examples, Mapping) and examples.entries and mapped is None:
        return _first_entry(prompt, examples, f"input: {{{entry}}}")
    raise CannotRename("The example rows are not named in a way that could be told of the new name.")


def _first_entry(prompt: PromptFile, node: Mapping, entry: str) -> Edit:
    """An entry added before the first of a map, in the map's own style."""
    at = node.entries[0].key.span.start
    if _is_flow(prompt, node):
        return Span(at, at), f"{entry}, "
    line = prompt.lines.span_of_line(prompt.lines.line_of(at))
    newline = "\r\n" if prompt.text.startswith("\r\n", line.end) else "\n"
    return Span(at, at), f"{entry}{newline}{' ' * (at - line.start)}"


def _is_flow(prompt: PromptFile, node: Node) -> bool:
    return prompt.text.startswith("{", node.span.start)


def _in_flow(written: str) -> str:
    """A plain scalar as it must be written between braces."""
    plain = written[:1] not in "\"'"
    return json.dumps(written, ensure_ascii=False) if plain and _FLOW_SIGNS.search(written) else written


def _scalar(text: str) -> str:
    return (
        text
        if _NAME.fullmatch(text) and text.lower() not in ("true", "false", "null")
        else json.dumps(text, ensure_ascii=False)
    )
