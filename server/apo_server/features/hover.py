"""On hover: the critiques of a passage, with failing rows and measured rewrites; then what the thing itself is."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from lsprotocol import types

from apo_engine.positions import Span
from apo_server.capabilities import ClientCapabilities
from apo_server.features.plain import markdown, points, visible
from apo_server.knowledge import Row
from apo_server.lookups import Lookups
from apo_server.view import Passage, PromptView

if TYPE_CHECKING:
    from apo_server.features.explanations import Explanation

_ROWS = 6


def hover(
    view: PromptView, position: types.Position, client: ClientCapabilities, lookups: Lookups
) -> types.Hover | None:
    """What is known about what stands at a position: critiques first, then what it is; None if nothing."""
    from apo_server.features.explanations import explanation

    offset = view.offset(position)
    passages = [passage for passage in view.passages_in(Span(offset, offset)) if passage.span.contains(offset)]
    text = _as_markdown if client.markdown_hover else _as_plain_text
    parts = [text(view, passage) for passage in passages[:3]]
    explained = explanation(view, offset, lookups)
    if explained is not None:
        parts.append(_explained(explained, client))
    if not parts:
        return None
    rule = "\n\n---\n\n" if client.markdown_hover else "\n\n"
    kind = types.MarkupKind.Markdown if client.markdown_hover else types.MarkupKind.PlainText
    span = explained.span if explained is not None else passages[0].span
    return types.Hover(types.MarkupContent(kind, rule.join(parts)), view.range(span))


def effect(view: PromptView, passage: Passage) -> str | None:
    """The measured effect of the rewrite that a critique led to, in words."""
    rewrite = view.known.rewrite_for(passage.finding.id) if view.known else None
    if rewrite is None or rewrite.against is None:
        return None
    found = rewrite.against
    low, high = (points(end) for end in found.interval)
    interval = f"{100 * found.confidence:.4g} % interval {low} to {high}"
    others = len(rewrite.gradients) - 1
    together = f", together with {others} other critique{'' if others == 1 else 's'}" if others else ""
    return f"{points(found.difference)} points on {found.n} selection rows ({interval}){together}"


def _explained(found: Explanation, client: ClientCapabilities) -> str:
    if client.markdown_hover:
        return "\n\n".join([f"**{markdown(found.title)}**", *found.words, *(markdown(fact) for fact in found.facts)])
    words = (sentence.replace("`", "") for sentence in found.words)
    return "\n".join([visible(found.title), *words, *(visible(fact) for fact in found.facts)])


def _as_markdown(view: PromptView, passage: Passage) -> str:
    parts = [f"**Critique** — {_extent(passage)}", markdown(passage.finding.critique)]
    rows = passage.finding.rows[:_ROWS]
    if rows:
        head = ["| row | expected | answered | text |", "|---|---|---|---|"]
        parts.append("\n".join([*head, *(f"| {' | '.join(_cells(row, markdown))} |" for row in rows)]))
    parts.append(f"**Measured rewrite**: {_outcome(view, passage)}")
    return "\n\n".join(parts)


def _as_plain_text(view: PromptView, passage: Passage) -> str:
    parts = [f"Critique — {_extent(passage)}", visible(passage.finding.critique)]
    for row in passage.finding.rows[:_ROWS]:
        place, expected, answered, text = _cells(row, visible)
        parts.append(f"{place}: expected “{expected}”, answered “{answered}”: {text}")
    parts.append(f"Measured rewrite: {_outcome(view, passage)}")
    return "\n".join(parts)


def _extent(passage: Passage) -> str:
    rows = passage.finding.rows_in_all
    return f"explains {100 * passage.finding.share:.0f} % of the failures seen ({rows} row{'' if rows == 1 else 's'})"


def _outcome(view: PromptView, passage: Passage) -> str:
    words = effect(view, passage) or "none yet"
    return words if view.current else f"{words}; measured before your last edits"


def _cells(row: Row, as_text: Callable[[str], str]) -> tuple[str, str, str, str]:
    place = as_text(f"{Path(row.path).name}:{row.line}")
    return place, as_text(row.expected), as_text(row.answered), as_text(row.text)
