"""The structure of a prompt: its symbols, what can be folded, and what to select next."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from lsprotocol import types

from apo_engine.positions import Span
from apo_engine.prompt.blocks import closed_blocks
from apo_engine.prompt.template import Comment, Expression, Partial, Raw, Text
from apo_engine.prompt.yaml_tree import Mapping, Scalar, Sequence
from apo_server.features.plain import said

if TYPE_CHECKING:
    from apo_engine.prompt.file import PromptFile
    from apo_engine.prompt.template import Node as TemplateNode
    from apo_engine.prompt.yaml_tree import Node
    from apo_server.view import PromptView

_WORD = re.compile(r"[\w-]+")
_LONGEST_NAME = 60
_DEEPEST = 8
# Clients show no deeper tree, and none of them need follow one without end.
_DEEPEST_BLOCK, _MOST_SELECTIONS = 32, 64


@dataclass(frozen=True)
class Part:
    """A part of a prompt, and the parts in it. ``name_span`` is what stands for it."""

    name: str
    kind: types.SymbolKind
    span: Span
    name_span: Span
    detail: str = ""
    parts: tuple[Part, ...] = ()


def parts(prompt: PromptFile) -> tuple[Part, ...]:
    """The front matter with its keys, then the messages with their blocks, partials and marked regions."""
    found = []
    front = prompt.front_matter
    if front is not None:
        first = prompt.lines.span_of_line(prompt.lines.line_of(front.span.start))
        keys = tuple(_keys(front.root, 0))
        found.append(Part("front matter", types.SymbolKind.Namespace, front.span, first, "", keys))
    tags = {node.span.end: node for node in prompt.nodes if isinstance(node, Expression)}
    inner = [*_blocks(prompt.nodes), *_regions(prompt)]
    for section in prompt.sections:
        tag = tags.get(section.span.start)
        span = Span(tag.span.start if tag else section.span.start, section.span.end)
        if not span.of(prompt.text).strip():
            continue
        name_span = tag.span if tag else _first_line(prompt, span)
        inside = [part for part in inner if span.start <= part.span.start and part.span.end <= span.end]
        first_words = " ".join(section.span.of(prompt.text).split())[:_LONGEST_NAME]
        found.append(Part(section.role, types.SymbolKind.String, span, name_span, first_words, _nested(inside)))
    # A block that reaches over several messages belongs to none of them.
    whole = [
        part
        for part in inner
        if not any(outer.span.start <= part.span.start and part.span.end <= outer.span.end for outer in found)
    ]
    return (*found, *(replace(part, parts=()) for part in whole))


def symbols(view: PromptView, *, nested: bool) -> list[types.DocumentSymbol] | list[types.SymbolInformation]:
    """The parts as the client shows them: as a tree, else as a list."""
    if nested:
        return [_symbol(view, part) for part in parts(view.prompt)]
    return [
        types.SymbolInformation(
            types.Location(view.document.uri, view.range(part.span)),
            said(part.name),
            part.kind,
            container_name=outer and said(outer),
        )
        for part, outer in _flat(parts(view.prompt), None)
    ]


def folding(view: PromptView) -> list[types.FoldingRange]:
    """The parts of several lines, and comments; whole lines, which every client can fold."""
    prompt = view.prompt
    found: dict[tuple[int, int], types.FoldingRange] = {}
    for part, _ in _flat(parts(prompt), None):
        kind = types.FoldingRangeKind.Region if part.kind is types.SymbolKind.Constant else None
        # The closing tag of a block stays in sight.
        closed = part.kind in (types.SymbolKind.Struct, types.SymbolKind.Constant)
        _fold(view, part.span, kind, found, keep_last=closed)
    for node in prompt.nodes:
        if isinstance(node, Comment):
            _fold(view, node.span, types.FoldingRangeKind.Comment, found)
        elif isinstance(node, Raw):
            _fold(view, node.span, None, found, keep_last=True)
    return list(found.values())


def selections(view: PromptView, positions: list[types.Position]) -> list[types.SelectionRange]:
    """For each position what to select next, and next, up to the whole prompt."""
    return [_selection(view, position) for position in positions]


def _selection(view: PromptView, position: types.Position) -> types.SelectionRange:
    text, offset = view.prompt.text, view.offset(position)
    spans = {Span(0, len(text)), *(span for span in _around(view.prompt, offset) if span.contains(offset))}
    steps: list[Span] = []
    for span in sorted(spans, key=len, reverse=True):
        # Only what lies within the one before; of two that merely overlap, the larger counts.
        if not steps or (steps[-1].start <= span.start and span.end <= steps[-1].end):
            steps.append(span)
    # The prompt begins behind a byte order mark, but a caret may stand before it.
    chosen = types.SelectionRange(types.Range(types.Position(0, 0), view.range(steps[0]).end))
    for span in steps[1:][-_MOST_SELECTIONS:]:
        inner = view.range(span)
        if inner.start <= position:
            chosen = types.SelectionRange(inner, parent=chosen)
    return chosen


def _around(prompt: PromptFile, offset: int) -> Iterator[Span]:
    text = prompt.text
    line = prompt.lines.span_of_line(prompt.lines.line_of(offset))
    yield line
    words = line.of(text)
    yield Span(line.start + len(words) - len(words.lstrip()), line.start + len(words.rstrip()))
    for word in _WORD.finditer(text, line.start, line.end):
        yield Span(*word.span())
    for part, _ in _flat(parts(prompt), None):
        yield part.span
    for node in prompt.nodes:
        if node.span.contains(offset):
            yield node.span
            call = getattr(node, "call", None)
            if call is not None:
                yield from (argument.span for argument in (call.head, *call.arguments, *(one for _, one in call.named)))
            if isinstance(node, Text):
                yield from _paragraph(text, node.span, offset)
    if prompt.front_matter is not None:
        yield from _yaml_spans(prompt.front_matter.root, 0)


def _paragraph(text: str, span: Span, offset: int) -> Iterator[Span]:
    """The lines around an offset up to the next empty ones."""
    before = re.split(r"\n[ \t]*\r?\n", text[span.start : offset])[-1]
    after = re.split(r"\n[ \t]*\r?\n", text[offset : span.end])[0]
    found = before.lstrip() + after.rstrip() if before.strip() else after.strip()
    begin = (
        offset - len(before) + len(before) - len(before.lstrip())
        if before.strip()
        else offset + len(after) - len(after.lstrip())
    )
    yield Span(begin, begin + len(found))


def _yaml_spans(node: Node, depth: int) -> Iterator[Span]:
    yield node.span
    if depth > _DEEPEST:
        return
    if isinstance(node, Mapping):
        for entry in node.entries:
            yield entry.key.span
            yield Span(entry.key.span.start, max(entry.key.span.end, entry.value.span.end))
            yield from _yaml_spans(entry.value, depth + 1)
    elif isinstance(node, Sequence):
        for item in node.items:
            yield from _yaml_spans(item, depth + 1)


def _keys(node: Node, depth: int) -> Iterator[Part]:
    if not isinstance(node, Mapping) or depth > _DEEPEST:
        return
    for entry in node.entries:
        key, value = entry.key, entry.value
        span = Span(key.span.start, max(key.span.end, value.span.end))
        detail = value.text[:_LONGEST_NAME] if isinstance(value, Scalar) else ""
        yield Part(key.text or "?", types.SymbolKind.Property, span, key.span, detail, tuple(_keys(value, depth + 1)))


def _blocks(nodes: tuple[TemplateNode, ...]) -> list[Part]:
    """Closed blocks with what is in them, and partials."""
    found = [
        Part(f"> {node.call.name}"[:_LONGEST_NAME], types.SymbolKind.File, node.span, node.span)
        for node in nodes
        if isinstance(node, Partial)
    ]
    for block, close in closed_blocks(nodes):
        name = " ".join(["#" + block.call.name, *(argument.text for argument in block.call.arguments)])[:_LONGEST_NAME]
        found.append(Part(name, types.SymbolKind.Struct, Span(block.span.start, close.span.end), block.span))
    return found


def _regions(prompt: PromptFile) -> Iterator[Part]:
    for span in prompt.kept:
        yield Part("kept", types.SymbolKind.Constant, span, _first_line(prompt, span))
    if prompt.exemplars is not None:
        yield Part("exemplars", types.SymbolKind.Constant, prompt.exemplars, _first_line(prompt, prompt.exemplars))


def _nested(found: list[Part], depth: int = 0) -> tuple[Part, ...]:
    """Parts side by side as a tree: each under the narrowest that holds it, as deep as it is worth showing."""
    if depth == _DEEPEST_BLOCK:
        return tuple(sorted(found, key=lambda part: (part.span.start, -part.span.end)))
    roots: list[tuple[Part, list[Part]]] = []
    for part in sorted(found, key=lambda part: (part.span.start, -part.span.end)):
        if roots and part.span.end <= roots[-1][0].span.end:
            roots[-1][1].append(part)
        else:
            roots.append((part, []))
    return tuple(replace(part, parts=_nested(inside, depth + 1)) for part, inside in roots)


def _first_line(prompt: PromptFile, span: Span) -> Span:
    """The part of a span on the first of its lines that says something."""
    text = span.of(prompt.text)
    begin = span.start + len(text) - len(text.lstrip())
    return Span(begin, max(begin, min(span.end, prompt.lines.span_of_line(prompt.lines.line_of(begin)).end)))


def _flat(found: tuple[Part, ...], outer: str | None) -> Iterator[tuple[Part, str | None]]:
    for part in found:
        yield part, outer
        yield from _flat(part.parts, part.name)


def _symbol(view: PromptView, part: Part) -> types.DocumentSymbol:
    children = [_symbol(view, inner) for inner in part.parts]
    whole, named = view.range(part.span), view.range(part.name_span)
    return types.DocumentSymbol(
        said(part.name), part.kind, whole, named, detail=said(part.detail) or None, children=children
    )


def _fold(
    view: PromptView,
    span: Span,
    kind: types.FoldingRangeKind | None,
    found: dict[tuple[int, int], types.FoldingRange],
    *,
    keep_last: bool = False,
) -> None:
    text = span.of(view.prompt.text)
    lines = view.prompt.lines
    first, last = lines.line_of(span.start), lines.line_of(span.start + len(text.rstrip()))
    last -= keep_last
    if last > first:
        found.setdefault((first, last), types.FoldingRange(first, last, kind=kind))
