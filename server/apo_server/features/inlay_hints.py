"""Beside the text: how many tokens each section has, and what a call costs."""

from __future__ import annotations

from collections.abc import Sequence

from lsprotocol import types

from apo_engine.positions import Span
from apo_engine.prompt.sections import Section
from apo_engine.prompt.template import Escaped, Text
from apo_engine.prompt.yaml_tree import Scalar
from apo_server.features.prices import dollars, tokens
from apo_server.lookups import Counted, Lookups
from apo_server.view import PromptView


def inlay_hints(view: PromptView, range_: types.Range, lookups: Lookups) -> list[types.InlayHint]:
    """The hints in a range: of the prompt's own text, for what the rows fill in differs from call to call."""
    front = view.prompt.front_matter
    named = front.root.get("model") if front else None
    model = named.text if isinstance(named, Scalar) else ""
    literal = [(section, text) for section, text in _literals(view) if text]
    counted = lookups.tokens(model, [text for _, text in literal])
    hints = []
    if isinstance(named, Scalar) and len(named.span):
        label = _cost(model, counted, lookups)
        if label:
            words = "Of the prompt's own text; what the rows fill in and the answer come on top."
            hints.append(_hint(view, named.span.end, label, words))
    for (section, _), (count, estimated) in zip(literal, counted, strict=True):
        words = "An estimate: " if estimated else f"Counted for {model}: "
        words += "the text of this section, without what the rows fill in."
        hints.append(_hint(view, _beginning(view, section), tokens(count, estimated=estimated), words))
    shown = view.document.positions.span(range_)
    return [hint for hint in hints if shown.contains(view.document.positions.offset(hint.position))]


def _cost(model: str, counted: Sequence[Counted], lookups: Lookups) -> str:
    facts = lookups.model(model)
    words = tokens(sum(count for count, _ in counted), estimated=any(estimated for _, estimated in counted))
    if facts is None or not facts.known:
        return words
    if facts.local:
        return f"{words} · free, on this machine"
    if facts.input_usd is None:
        return f"{words} · price unknown"
    return f"{words} · from {dollars(facts.input_usd * sum(count for count, _ in counted) / 1_000_000)} a call"


def _literals(view: PromptView) -> list[tuple[Section, str]]:
    """Each section with the text of it that stands in every call."""
    text, sections = view.prompt.text, view.prompt.sections
    parts: list[list[str]] = [[] for _ in sections]
    at = 0
    for node in view.prompt.nodes:
        while at + 1 < len(sections) and node.span.start >= sections[at].span.end:
            at += 1
        if isinstance(node, Text | Escaped):
            parts[at].append(node.span.of(text) if isinstance(node, Text) else "{{")
    return [(section, "".join(words).strip()) for section, words in zip(sections, parts, strict=True)]


def _beginning(view: PromptView, section: Section) -> int:
    """Where the hint of a section stands: behind its role tag, else at the end of its first line with text."""
    text, start = view.prompt.text, section.span.start
    if start > view.prompt.template.start:
        return start
    first = start + len(section.span.of(text)) - len(section.span.of(text).lstrip())
    return view.prompt.lines.span_of_line(view.prompt.lines.line_of(first)).end


def _hint(view: PromptView, offset: int, label: str, words: str) -> types.InlayHint:
    position = view.range(Span(offset, offset)).start
    return types.InlayHint(position=position, label=label, tooltip=words, padding_left=True)
