"""Where something stands in a text: character spans, and lines.

Every room speaks in character offsets (indices into a Python string). Only the edges turn them into lines:
error messages (1-based line and column) and the language server (0-based, in the client's encoding).
"""

from __future__ import annotations

import re
from bisect import bisect_right
from dataclasses import dataclass
from functools import cached_property

# The only line ends that editors agree on. str.splitlines() also breaks at form feeds, U+2028 and others.
_LINE_END = re.compile(r"\r\n|\n|\r")


@dataclass(frozen=True, slots=True, order=True)
class Span:
    """A half-open range of character offsets, ``start <= end``."""

    start: int
    end: int

    def __len__(self) -> int:
        return self.end - self.start

    def contains(self, offset: int) -> bool:
        """Whether a caret at ``offset`` touches this span (both ends included)."""
        return self.start <= offset <= self.end

    def overlaps(self, other: Span) -> bool:
        """Whether the two spans share at least one character."""
        return self.start < other.end and other.start < self.end

    def of(self, text: str) -> str:
        """The characters of ``text`` that this span covers."""
        return text[self.start : self.end]


@dataclass(frozen=True)
class Lines:
    """The line starts of a text, so that offsets and lines can be turned into each other."""

    text: str

    @cached_property
    def starts(self) -> tuple[int, ...]:
        """The offset at which each line begins; the first is 0."""
        return (0, *(match.end() for match in _LINE_END.finditer(self.text)))

    def line_of(self, offset: int) -> int:
        """The 0-based line that holds ``offset``; offsets past the end belong to the last line."""
        return bisect_right(self.starts, max(0, offset)) - 1

    def place(self, offset: int) -> tuple[int, int]:
        """The 1-based line and column of ``offset``, as error messages show them."""
        line = self.line_of(offset)
        return line + 1, max(0, offset) - self.starts[line] + 1

    def span_of_line(self, line: int) -> Span:
        """The span of a 0-based line, without its line end.

        Raises:
            IndexError: there is no such line.
        """
        if line < 0:
            raise IndexError(line)
        start = self.starts[line]
        end = self.starts[line + 1] if line + 1 < len(self.starts) else len(self.text)
        return Span(start, start + len(self.text[start:end].rstrip("\r\n")))


def common_prefix(one: str, other: str) -> int:
    """How many characters two texts have in common at their beginning."""
    low, high = 0, min(len(one), len(other))
    # Comparing halves costs less than a step of Python for each character.
    while low < high:
        middle = (low + high + 1) // 2
        if one[low:middle] == other[low:middle]:
            low = middle
        else:
            high = middle - 1
    return low
