"""Which message each part of the template belongs to, and which parts of it may be rewritten."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from apo_engine.positions import Span
from apo_engine.problems import Repair
from apo_engine.prompt.template import Comment, Expression, Fault, Text
from apo_engine.settings import nearest

if TYPE_CHECKING:
    from collections.abc import Sequence

    from apo_engine.prompt.template import Node

KEEP, EXEMPLARS, END = "apo:keep", "apo:exemplars", "apo:end"
_BOUNDARIES = ("role", "history")


@dataclass(frozen=True, slots=True)
class Section:
    """A stretch of the template that makes one message: what follows a role tag, up to the next."""

    role: str
    span: Span


@dataclass(frozen=True, slots=True)
class Regions:
    """The marked regions, markers included: ``kept`` ones and the ``exemplars`` block."""

    kept: tuple[Span, ...]
    exemplars: Span | None
    faults: tuple[Fault, ...]


def sections(nodes: Sequence[Node], start: int, end: int) -> tuple[Section, ...]:
    """The sections between two offsets, in order; the first, before any role tag, is the user's."""
    found: list[Section] = []
    role, begin = "user", start
    for node in nodes:
        if isinstance(node, Expression) and node.call.name in _BOUNDARIES:
            found.append(Section(role, Span(begin, node.span.start)))
            named = node.call.arguments[0].literal if node.call.arguments else None
            role = "model" if node.call.name == "history" else named or "user"
            begin = node.span.end
    return (*found, Section(role, Span(begin, end)))


def passages(text: str, parts: Sequence[Section]) -> tuple[Span, ...]:
    """What may be optimized: every system section with text, else the first user section with text."""
    filled = [part for part in parts if part.span.of(text).strip()]
    system = tuple(part.span for part in filled if part.role == "system")
    return system or tuple(part.span for part in filled if part.role == "user")[:1]


def regions(nodes: Sequence[Node], end: int) -> Regions:
    """The regions between ``{{!-- apo:keep --}}`` or ``{{!-- apo:exemplars --}}`` and ``{{!-- apo:end --}}``."""
    kept: list[Span] = []
    exemplars: Span | None = None
    faults: list[Fault] = []
    opened: Comment | None = None

    crossed = False

    def close(at: int) -> None:
        nonlocal exemplars
        assert opened is not None
        span = Span(opened.span.start, at)
        if opened.text == KEEP or crossed:
            kept.append(span)
        elif exemplars is None:
            exemplars = span
        else:
            kept.append(span)
            message = "There is a second block of exemplars here; only the first is managed."
            faults.append(Fault("region-repeated", message, "Join the two blocks.", opened.span))

    for node in nodes:
        if opened is not None and not crossed and isinstance(node, Expression) and node.call.name in _BOUNDARIES:
            crossed = True
            message = "This marked region reaches into the next message, so neither can be rewritten."
            faults.append(Fault("region-crossing", message, f"Close it with {END} before the role.", opened.span))
        if not isinstance(node, Comment) or not node.text.startswith("apo:"):
            continue
        if node.text == END and opened is not None:
            close(node.span.end)
            opened, crossed = None, False
        elif node.text == END:
            message = "This end marker closes nothing."
            repair = Repair("Remove it", ((node.span, ""),))
            faults.append(Fault("region-stray", message, f"Remove it, or open a region: {KEEP}.", node.span, (repair,)))
        elif node.text not in (KEEP, EXEMPLARS):
            message = f"There is no marker '{node.text[:40]}'."
            meant = nearest(node.text, (KEEP, EXEMPLARS, END))
            remedy = f"Did you mean {meant!r}?" if meant else f"Use {KEEP}, {EXEMPLARS} or {END}."
            repairs = (Repair(f"Change to {meant}", ((node.span, f"{{{{!-- {meant} --}}}}"),)),) if meant else ()
            faults.append(Fault("region-unknown", message, remedy, node.span, repairs))
        elif opened is not None:
            message = "A marked region cannot stand inside another."
            faults.append(Fault("region-nested", message, f"Close the first with {END} before it.", node.span))
        else:
            opened = node
    if opened is not None:
        message = "This marked region is not closed, so nothing after it can be rewritten."
        faults.append(Fault("region-unclosed", message, f"Add {{{{!-- {END} --}}}}.", opened.span))
        # Treated as kept whatever it is: removing a block whose end is unknown could remove the template.
        kept.append(Span(opened.span.start, end))
    return Regions(tuple(kept), exemplars, tuple(faults))


def literals(nodes: Sequence[Node], parts: Sequence[Span], frozen: Sequence[Span]) -> tuple[Span, ...]:
    """The text within ``parts`` that lies in no tag and in none of the ``frozen`` regions; all in order."""
    found: list[Span] = []
    first_part = first_frozen = 0
    for node in nodes:
        if not isinstance(node, Text):
            continue
        while first_part < len(parts) and parts[first_part].end <= node.span.start:
            first_part += 1
        while first_frozen < len(frozen) and frozen[first_frozen].end <= node.span.start:
            first_frozen += 1
        # Parts and regions begin and end at tags, so a text lies wholly inside or outside of each.
        inside = first_part < len(parts) and parts[first_part].start <= node.span.start
        cold = first_frozen < len(frozen) and frozen[first_frozen].start <= node.span.start
        if inside and not cold:
            found.append(node.span)
    return tuple(found)
