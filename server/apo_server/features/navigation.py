"""From a name to what it stands for, to everything else that names it, and to the files that a prompt names."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from lsprotocol import types

from apo_engine.positions import Span
from apo_engine.problems import InputError
from apo_engine.prompt.partials import partial_names, partial_path, read_partial
from apo_engine.prompt.template import scan
from apo_server.column_places import column_places, line_place
from apo_server.documents import Document
from apo_server.positions import PositionMapper
from apo_server.referents import (
    ColumnName,
    FileName,
    FunctionName,
    InputName,
    LabelName,
    Mention,
    PartialName,
    Referent,
    beside,
    file_nodes,
    inner_span,
    mention_at,
    mentions_of,
)

if TYPE_CHECKING:
    from apo_engine.prompt.file import PromptFile
    from apo_server.texts import Texts
    from apo_server.view import PromptView

# A folder with more prompts than this is looked through no further.
_MANY = 500


def definition(view: PromptView, position: types.Position, texts: Texts) -> list[tuple[types.Range, types.Location]]:
    """Where the thing under the caret comes from, each with the range of the name that leads there.

    An input leads to its declaration, and from there to its column in the example files.
    """
    mention = mention_at(view.prompt, view.offset(position))
    if mention is None:
        return []
    origin = view.range(mention.span)
    return [(origin, place) for place in _sources(view, mention, texts)]


def references(view: PromptView, position: types.Position, texts: Texts, *, declarations: bool) -> list[types.Location]:
    """Everything that names the thing under the caret: in this prompt, and in the rows."""
    mention = mention_at(view.prompt, view.offset(position))
    if mention is None:
        return []
    uri, referent = view.document.uri, mention.referent
    found = [
        types.Location(uri, view.range(one.span))
        for one in mentions_of(view.prompt, referent)
        if declarations or not one.declares
    ]
    return [*found, *_in_rows(view, referent, texts)] if declarations else found


def partial_at(view: PromptView, position: types.Position) -> str | None:
    """The name of the partial under the caret; where nothing else is, that of the partial which this file is."""
    mention = mention_at(view.prompt, view.offset(position))
    if mention is None and view.document.is_partial and view.prompt.path is not None:
        return view.prompt.path.stem[1:]
    return mention.referent.name if mention is not None and isinstance(mention.referent, PartialName) else None


def highlights(view: PromptView, position: types.Position) -> list[types.DocumentHighlight]:
    """Every place of the prompt that names the thing under the caret."""
    mention = mention_at(view.prompt, view.offset(position))
    if mention is None:
        return []
    read, write = types.DocumentHighlightKind.Read, types.DocumentHighlightKind.Write
    return [
        types.DocumentHighlight(view.range(one.span), write if one.declares else read)
        for one in mentions_of(view.prompt, mention.referent)
    ]


def links(view: PromptView) -> list[types.DocumentLink]:
    """The files that a prompt names: example files, partials, the module of its metric."""
    prompt = view.prompt
    found: list[tuple[Span, Path | None]] = [
        (inner_span(node), beside(prompt, node.text)) for node in file_nodes(prompt)
    ]
    found += [(span, partial_path(prompt, name)) for name, span, _ in partial_names(prompt.nodes)]
    metric = prompt.layer().values.get("metric")
    if isinstance(metric, str) and ":" in metric and prompt.front_matter is not None:
        node = prompt.front_matter.root.get("apo.metric")
        assert node is not None
        found.append((node.span, _module(prompt, metric)))
    return [
        types.DocumentLink(view.range(span), target=path.as_uri())
        for span, path in found
        if path is not None and path.is_absolute()
    ]


def _sources(view: PromptView, mention: Mention, texts: Texts) -> list[types.Location]:
    prompt, referent = view.prompt, mention.referent
    if isinstance(referent, InputName):
        declared = [one for one in mentions_of(prompt, referent) if one.declares]
        if declared and not mention.declares:
            return [types.Location(view.document.uri, view.range(one.span)) for one in declared]
    path: Path | None = None
    if isinstance(referent, PartialName):
        path = partial_path(prompt, referent.name)
    elif isinstance(referent, FileName):
        path = beside(prompt, referent.name)
    elif isinstance(referent, FunctionName):
        return _function(view, referent.name, texts)
    if path is None:
        return _in_rows(view, referent, texts)
    return [line_place(path, 1, texts)] if _is_file(path) else []


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError:
        # A name that is too long, or a folder that may not be entered: nothing can be shown there.
        return False


def _in_rows(view: PromptView, referent: Referent, texts: Texts) -> list[types.Location]:
    """The column that fills an input, a column, and the first row with a label, in the example files."""
    facts = view.facts
    if facts is None:
        return []
    if isinstance(referent, LabelName):
        labels = [label for label in facts.labels if label.text == referent.text]
        return [line_place(Path(label.path), label.line, texts) for label in labels]
    columns = [referent.name] if isinstance(referent, ColumnName) else []
    if isinstance(referent, InputName) and len(referent.path) == 1:
        columns = [column.column for column in facts.columns if column.name == referent.path[0]]
    places = (column_places(facts, column, texts, view.document.encoding) for column in columns)
    return [place for found in places for place in found]


def included_elsewhere(view: PromptView, name: str, opened: Mapping[Path, Document]) -> list[types.Location]:
    """Where the other prompts of the folder include a partial. Reads them: not for the loop that answers.

    ``opened`` are the documents in the editor; their text counts.
    """
    if view.prompt.path is None:
        return []
    found = []
    folder = view.prompt.path.parent
    for path in islice(_prompts(folder), _MANY):
        document = opened.get(path)
        try:
            text = document.text if document else read_partial(path, folder)
        except (OSError, ValueError):
            continue
        if text is None or name not in text or path == view.prompt.path:
            continue
        document = document or Document(path.as_uri(), "dotprompt", 0, text, view.document.encoding)
        found += [types.Location(document.uri, document.positions.range(span)) for span in _inclusions(text, name)]
    return found


def _prompts(folder: Path) -> Iterator[Path]:
    try:
        yield from sorted(folder.glob("*.prompt"))
    except OSError:
        return


def _inclusions(text: str, name: str) -> list[Span]:
    nodes, _ = scan(text)
    return [span for found, span, _ in partial_names(nodes) if found == name]


def _module(prompt: PromptFile, metric: str) -> Path | None:
    from apo_engine.evaluation.function import find_function

    if prompt.path is None:
        return None
    try:
        return find_function(metric, prompt.path.parent).file
    except (InputError, ValueError):
        return None


def _function(view: PromptView, metric: str, texts: Texts) -> list[types.Location]:
    """The line that defines a metric of the user's own; the module's first where it is not seen."""
    path = _module(view.prompt, metric)
    if path is None:
        return []
    try:
        folder = view.prompt.path.parent if view.prompt.path else path.parent
        text = texts.read(path, folder) or ""
    except (OSError, ValueError):
        text = ""
    defined = re.search(rf"^(?:async\s+)?def\s+({re.escape(metric.partition(':')[2])})\b", text, re.MULTILINE)
    place = line_place(path, 1, texts)
    if defined is None:
        return [place]
    span = Span(*defined.span(1))
    return [types.Location(place.uri, PositionMapper(text, view.document.encoding).range(span))]
