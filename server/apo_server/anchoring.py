"""Where a passage of one text stands in a later version of it, or that it is gone.

A finding is about a passage of the text that was measured; the editor shows a text that has moved on. A passage is
found again where the changes between the two texts leave it untouched, else where its exact words stand just once,
else where most of its words survive side by side; otherwise it is gone. It is never put on text it is not about.
"""

from __future__ import annotations

import re
from functools import lru_cache

from apo_engine.positions import Span

# Of a passage's words, this share must survive, and make up this share of what stands there now.
_SURVIVES = 0.6
_WORD = re.compile(r"\w+")


class Rebase:
    """The way from the spans of ``old`` to those of ``new``."""

    def __init__(self, old: str, new: str) -> None:
        self.old = old
        self.new = new

    def span(self, span: Span) -> Span | None:
        """Where the passage at ``span`` stands now; None where it is gone or no longer certain."""
        if self.old == self.new:
            return span
        quote = span.of(self.old)
        if not quote.strip():
            return None
        return self.untouched(span) or self._only_occurrence(quote) or self._surviving(span)

    def untouched(self, span: Span) -> Span | None:
        """Where the span's characters stand, moved by the changes around them; None where one of them was touched.

        An empty span needs the characters on both sides of it to be there and still side by side.
        """
        if self.old == self.new:
            return span
        start, end = (span.start, span.end) if len(span) else (max(0, span.start - 1), min(len(self.old), span.end + 1))
        for old_start, new_start, length in self._matches:
            if old_start <= start and end <= old_start + length:
                moved = span.start - old_start + new_start
                return Span(moved, moved + len(span))
        return None

    def _only_occurrence(self, quote: str) -> Span | None:
        at = self.new.find(quote)
        if at < 0 or self.new.find(quote, at + 1) >= 0 or self.old.count(quote) > 1:
            return None
        return Span(at, at + len(quote))

    def _surviving(self, span: Span) -> Span | None:
        """From the first surviving word of the passage to its last."""
        words = [match.span() for match in _WORD.finditer(self.old, span.start, span.end)]
        kept = [
            (old + new_start - old_start, end + new_start - old_start)
            for old_start, new_start, length in self._matches
            for old, end in words
            if old_start <= old and end <= old_start + length
        ]
        if not words or len(kept) < _SURVIVES * len(words):
            return None
        now = Span(kept[0][0], kept[-1][1])
        if len(kept) < _SURVIVES * len(_WORD.findall(self.new, now.start, now.end)):
            return None
        return now

    @property
    def _matches(self) -> tuple[tuple[int, int, int], ...]:
        return _matches(self.old, self.new)


# Whoever asks for the same two texts within a keystroke shares the answer.
@lru_cache(maxsize=16)
def _matches(old: str, new: str) -> tuple[tuple[int, int, int], ...]:
    """Blocks ``(old start, new start, length)`` of equal characters, in order in both texts."""
    from apo_engine.prompt.difference import minimal_edits

    blocks = []
    at = now = 0
    for span, text in minimal_edits(old, new):
        kept = span.start - at
        blocks.append((at, now, kept))
        at, now = span.end, now + kept + len(text)
    blocks.append((at, now, len(old) - at))
    return tuple(block for block in blocks if block[2])
