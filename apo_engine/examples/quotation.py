"""Rows that a prompt quotes: what it is scored by must not stand in it."""

from __future__ import annotations

from bisect import bisect_right
from typing import TYPE_CHECKING

from apo_engine.examples.resemblance import folded

if TYPE_CHECKING:
    from collections.abc import Iterable

# Anything shorter may stand in a prompt by chance.
_FEWEST_CHARS, _FEWEST_WORDS, _FEWEST_FOLDED = 40, 8, 16
_MOST_CHARS = 200_000
_BREAK = b"\0"


class Quotations:
    """Finds rows in the literal text of a prompt, whatever their case, white space and punctuation."""

    def __init__(self, lines: Iterable[tuple[int, str]]) -> None:
        """``lines`` are stretches of the text, each with its line number; an empty one parts what is not connected."""
        parts: list[bytes] = []
        self._starts: list[int] = []
        self._lines: list[int] = []
        length = room = 0
        for number, text in lines:
            # A line may be as long as the file.
            part = folded(text[: _MOST_CHARS - room]) if text else _BREAK
            self._starts.append(length)
            self._lines.append(number)
            parts.append(part)
            length += len(part)
            room += len(text)
            if room > _MOST_CHARS:
                break
        self._text = b"".join(parts)
        self._begins = {
            self._text[at : at + _FEWEST_FOLDED] for at in range(max(0, len(self._text) - _FEWEST_FOLDED + 1))
        }

    def may_hold(self, fold: bytes) -> bool:
        """Whether a folded text begins like something in the prompt: quick to say, and seldom wrong."""
        return fold[:_FEWEST_FOLDED] in self._begins

    def line_of(self, text: str, fold: bytes) -> int | None:
        """The line on which the prompt begins to quote a text, given also folded; None where it does not."""
        long_enough = len(text) >= _FEWEST_CHARS or len(text.split()) >= _FEWEST_WORDS
        if not (long_enough and self.may_hold(fold)):
            return None
        at = self._text.find(fold)
        return self._lines[bisect_right(self._starts, at) - 1] if at >= 0 else None
