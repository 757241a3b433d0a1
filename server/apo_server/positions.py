"""Between character offsets and the editor's positions, in the encoding that the editor counts in.

Offsets are indices into a Python string. A position is a 0-based line and a column in code units of the negotiated
encoding. Lines end at ``\\n``, ``\\r\\n`` and ``\\r`` only, as the protocol says.
"""

from __future__ import annotations

from typing import Literal

from lsprotocol import types

from apo_engine.positions import Lines, Span

Encoding = Literal["utf-8", "utf-16", "utf-32"]


def units(text: str, encoding: Encoding) -> int:
    """How many code units ``text`` takes."""
    if encoding == "utf-32" or text.isascii():
        return len(text)
    if encoding == "utf-16":
        return len(text.encode("utf-16-le", "surrogatepass")) // 2
    return len(text.encode("utf-8", "surrogatepass"))


def characters(text: str, wanted: int, encoding: Encoding) -> int:
    """How many whole characters of ``text`` fit into ``wanted`` code units; all of them where it has fewer."""
    if encoding == "utf-32" or text.isascii():
        return max(0, min(wanted, len(text)))
    taken = 0
    for index, char in enumerate(text):
        taken += units(char, encoding)
        if taken > wanted:
            return index
    return len(text)


class PositionMapper:
    """The positions of one text. Nothing a client may send raises: what lies outside is moved to the nearest place."""

    __slots__ = ("_encoding", "_lines", "_text")

    def __init__(self, text: str, encoding: Encoding) -> None:
        self._text = text
        self._encoding: Encoding = encoding
        self._lines = Lines(text)

    @property
    def lines(self) -> Lines:
        """The lines of the text."""
        return self._lines

    def offset(self, position: types.Position) -> int:
        """The offset of a position; columns past the end of a line mean its end, lines past the last the text's end."""
        if position.line >= len(self._lines.starts):
            return len(self._text)
        line = self._lines.span_of_line(position.line)
        return line.start + characters(line.of(self._text), position.character, self._encoding)

    def position(self, offset: int) -> types.Position:
        """The position of an offset; one between ``\\r`` and ``\\n`` is the end of the line."""
        offset = max(0, min(offset, len(self._text)))
        number = self._lines.line_of(offset)
        line = self._lines.span_of_line(number)
        before = self._text[line.start : min(offset, line.end)]
        return types.Position(number, units(before, self._encoding))

    def span(self, range_: types.Range) -> Span:
        """The span of a range; empty where the range ends before it starts."""
        start = self.offset(range_.start)
        return Span(start, max(start, self.offset(range_.end)))

    def range(self, span: Span) -> types.Range:
        """The range of a span."""
        return types.Range(self.position(span.start), self.position(span.end))
