"""Minimal text edits between two versions of a text, for editors that should keep carets and undo steps."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from apo_engine.positions import Span, common_prefix

if TYPE_CHECKING:
    from collections.abc import Iterator

# Beyond this many cells an alignment is not worth its time and memory; the stretch is replaced as a whole.
MAX_CELLS = 25_000_000
_LINE = re.compile(r"[^\r\n]*(?:\r\n|\r|\n)|[^\r\n]+")
_WORD = re.compile(r"\r\n|\w+|\s|[^\w\s]")


def minimal_edits(old: str, new: str) -> tuple[tuple[Span, str], ...]:
    """Edits that turn ``old`` into ``new``: spans of ``old`` with their replacements, in order, none touching.

    Lines are aligned first, then the words of lines that differ. No edit splits a line end.
    """
    edits: list[tuple[Span, str]] = []
    # Whole lines before the first difference are none of an alignment's business.
    same = old.rfind("\n", 0, common_prefix(old, new)) + 1
    for old_span, new_span in _changes(old[same:], new[same:], _LINE, same, same):
        for before, after in _changes(old_span.of(old), new_span.of(new), _WORD, old_span.start, new_span.start):
            replacement = after.of(new)
            if edits and old[edits[-1][0].end : before.start].isspace():
                # Two words changed side by side read better as one change.
                last, text = edits.pop()
                replacement = text + old[last.end : before.start] + replacement
                edits.append((Span(last.start, before.end), replacement))
            elif edits and edits[-1][0].end == before.start:
                last, text = edits.pop()
                edits.append((Span(last.start, before.end), text + replacement))
            else:
                edits.append((before, replacement))
    return tuple(edits)


def _changes(old: str, new: str, token: re.Pattern[str], old_base: int, new_base: int) -> Iterator[tuple[Span, Span]]:
    """The stretches that differ, as spans moved by the two bases."""
    from rapidfuzz.distance import Indel

    old_tokens, new_tokens = token.findall(old), token.findall(new)
    if old_tokens == new_tokens:
        return
    old_starts, new_starts = _starts(old_tokens), _starts(new_tokens)
    if len(old_tokens) * len(new_tokens) > MAX_CELLS:
        yield Span(old_base, old_base + len(old)), Span(new_base, new_base + len(new))
        return
    i = k = 0
    for block in Indel.opcodes(old_tokens, new_tokens).as_matching_blocks():
        if (i, k) != (block.a, block.b):
            yield (
                Span(old_base + old_starts[i], old_base + old_starts[block.a]),
                Span(new_base + new_starts[k], new_base + new_starts[block.b]),
            )
        i, k = block.a + block.size, block.b + block.size


def _starts(tokens: list[str]) -> list[int]:
    """The offset of each token, and the total length."""
    starts = [0]
    for token in tokens:
        starts.append(starts[-1] + len(token))
    return starts
