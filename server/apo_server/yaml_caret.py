"""Where a caret stands in front matter that is being written: under which keys, and in a key or a value.

Read line by line and character by character, for YAML that is being written is rarely valid.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from apo_engine.positions import Span

_LINE = re.compile(r"( *)((?:- +)*)(?:(\"[^\"\n]*\"|'[^'\n]*'|[^\s#\"'{\[\]},&*!|>%@`-][^\n]*?)[ \t]*:(?=[ \t]|$))?")
_WORD_END = re.compile(r"[ \t]*(?:[,}\]\r\n]|#|$)|: |:$", re.MULTILINE)
_BLOCK_TEXT = re.compile(r"[|>][-+0-9]*[ \t]*(?:#.*)?\Z")
_LONGEST = 100_000


@dataclass(frozen=True, slots=True)
class YamlCaret:
    """A caret: ``path`` are the keys that it stands under, with its own key where it stands in a value.

    ``word`` is what it touches: the key or value that is being written, without quotation marks. ``flow`` says that
    this stands in braces; ``beside`` are the keys of the same map before it. ``quote`` is the quotation mark that
    is open.
    """

    path: tuple[str, ...]
    in_value: bool
    word: Span
    flow: bool = False
    beside: tuple[str, ...] = ()
    quote: str = ""


@dataclass(slots=True)
class _Level:
    """An open map: the indent of its keys (-1 in braces), the keys so far, and whether the last one has its colon."""

    indent: int
    keys: list[str] = field(default_factory=list)
    in_value: bool = False
    list: bool = False


def yaml_caret(text: str, inner: Span, offset: int) -> YamlCaret | None:
    """The caret at ``offset`` of a text whose front matter, without its delimiters, is ``inner``.

    None within comments, running text and outside of the front matter.
    """
    if not inner.start <= offset <= inner.end or len(inner) > _LONGEST:
        return None
    scan = _Scan(text)
    at = inner.start
    while True:
        end = _line_end(text, at, inner.end)
        if offset <= end:
            return scan.caret(at, end, offset)
        scan.line(at, end)
        at = end + (2 if text.startswith("\r\n", end) else 1)


class _Scan:
    """The maps that are open after the lines so far."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.levels: list[_Level] = []
        self.token = -1
        self.quote = ""
        self.running: int | None = None

    def line(self, at: int, end: int) -> None:
        """Take up a whole line."""
        self.recover(at)
        if self.in_flow:
            self.flow(at, end)
            return
        value = self.block(at, end)
        if value is not None:
            self.flow(value, end)
            if self.text[value:end].strip() and not self.in_flow:
                self.levels[-1].in_value = False

    def caret(self, at: int, end: int, offset: int) -> YamlCaret | None:
        """The caret on the line from ``at`` to ``end``."""
        self.recover(at)
        if not self.in_flow:
            value = self.block(at, end)
            if self.running is not None:
                return None
            if value is None or offset < value:
                return self.block_key(at, end, offset)
            self.flow(value, offset)
        else:
            self.flow(at, offset)
        if self.token == -2:
            return None
        begin = self.token if self.token >= 0 else offset
        word = Span(begin, self.word_end(offset, end))
        if self.in_flow:
            level = self.levels[-1]
            if level.list:
                return YamlCaret(self.path(), True, word, True, (), self.quote)
            return YamlCaret(self.path(), level.in_value, word, True, tuple(level.keys), self.quote)
        return YamlCaret(self.path(), True, word, False, (), self.quote)

    def recover(self, at: int) -> None:
        """Give up on braces and quotation marks that a key at the left margin shows to have been left open."""
        match = _LINE.match(self.text, at)
        if (self.in_flow or self.quote) and match is not None and match[3] is not None and not match[1]:
            self.levels, self.quote = [], ""

    @property
    def in_flow(self) -> bool:
        return bool(self.levels) and self.levels[-1].indent < 0

    def path(self) -> tuple[str, ...]:
        last = len(self.levels) - 1
        return tuple(
            level.keys[-1] for n, level in enumerate(self.levels) if level.keys and (n < last or level.in_value)
        )

    def block(self, at: int, end: int) -> int | None:
        """Open and close maps for a line outside of braces; where its value begins, None where it has no key."""
        match = _LINE.match(self.text, at, end)
        assert match is not None
        indent, self.token = len(match[1]), -1
        blank = not self.text[at:end].strip()
        if self.running is not None:
            if blank or indent > self.running:
                return None
            self.running = None
        if blank or self.text.startswith("#", match.end(1)):
            return None
        indent += len(match[2])
        while self.levels and self.levels[-1].indent > indent:
            self.levels.pop()
        if match[3] is None:
            return None
        if not self.levels or self.levels[-1].indent < indent:
            self.levels.append(_Level(indent))
        level = self.levels[-1]
        level.keys.append(match[3].strip("\"'"))
        level.in_value = True
        value = match.end() + 1
        if _BLOCK_TEXT.match(self.text[value:end].strip()):
            self.running = indent
        return min(value, end)

    def block_key(self, at: int, end: int, offset: int) -> YamlCaret | None:
        """The caret where a key of its own line is, or may be, written."""
        line = self.text[at:end]
        stripped = line.lstrip(" ")
        if stripped.startswith("#"):
            return None
        start = at + len(line) - len(stripped)
        while self.text.startswith("- ", start):
            start += 2
        match = _LINE.match(self.text, at, end)
        assert match is not None
        if match[3] is not None:
            # The key itself was taken up already; it is not beside itself.
            self.levels[-1].keys.pop()
            self.levels[-1].in_value = False
            word = Span(match.start(3), match.end(3))
            if not word.contains(offset):
                return None
        else:
            word = Span(min(start, offset), max(min(start, offset), end if stripped.strip() else offset))
        indent = word.start - at
        while self.levels and self.levels[-1].indent > indent:
            self.levels.pop()
        beside: tuple[str, ...] = ()
        if self.levels and self.levels[-1].indent == indent:
            self.levels[-1].in_value = False
            beside = tuple(self.levels[-1].keys)
        return YamlCaret(self.path(), False, word, False, beside)

    def flow(self, at: int, end: int) -> None:
        """Read a value, which may open and close braces, up to ``end``; where its last word begins is noted."""
        self.token = -1 if not self.quote else self.token
        for index in range(at, end):
            char = self.text[index]
            if self.token == -2:
                return
            if self.quote:
                if char == self.quote:
                    self.quote = ""
            elif char in "\"'" and self.token < 0:
                self.quote, self.token = char, index + 1
            elif char == "#" and (index == at or self.text[index - 1] in " \t"):
                self.token = -2
            elif char in "{[" and (self.in_flow or self.token < 0):
                self.levels.append(_Level(-1, list=char == "["))
                self.token = -1
            elif char in "}]" and self.in_flow:
                self.levels.pop()
                self.token = index
            elif char == "," and self.in_flow:
                self.levels[-1].in_value, self.token = False, -1
            elif char == ":" and self.in_flow and not self.levels[-1].list and self.ends_key(index):
                self.levels[-1].keys.append(self.text[self.token : index].strip(" \"'") if self.token >= 0 else "")
                self.levels[-1].in_value, self.token = True, -1
            elif not char.isspace() and self.token < 0:
                self.token = index

    def ends_key(self, index: int) -> bool:
        """Whether the colon at ``index`` ends a key within braces."""
        level = self.levels[-1]
        following = self.text[index + 1 : index + 2]
        return not level.in_value and (not following or following in " \t\r\n,}]\"'{[")

    def word_end(self, offset: int, end: int) -> int:
        if self.quote:
            closing = self.text.find(self.quote, offset, end)
            return closing if closing >= 0 else end
        if not self.in_flow:
            comment = self.text.find(" #", offset, end)
            return max(offset, offset + len(self.text[offset : comment if comment >= 0 else end].rstrip()))
        match = _WORD_END.search(self.text, offset, end)
        return match.start() if match else end


def _line_end(text: str, at: int, end: int) -> int:
    found = [place for place in (text.find("\n", at, end), text.find("\r", at, end)) if place >= 0]
    return min(found, default=end)
