"""Colours that only a parse can tell: helpers, roles, inputs that exist, partials, markers, keys that are read."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from lsprotocol import types

from apo_engine.positions import Span
from apo_engine.prompt.helpers import HELPERS
from apo_engine.prompt.partials import partial_names
from apo_engine.prompt.schema import declarations
from apo_engine.prompt.template import BlockClose, BlockOpen, Comment, Else, Expression
from apo_server.positions import units
from apo_server.token_legend import DECLARATION

if TYPE_CHECKING:
    from apo_engine.prompt.call import Call
    from apo_engine.prompt.file import PromptFile
    from apo_server.view import PromptView

Token = tuple[Span, str, bool]


def semantic_tokens(
    view: PromptView, known: types.SemanticTokensLegend, within: types.Range | None = None
) -> types.SemanticTokens:
    """The tokens of a prompt, or of the lines of a range, each within one line."""
    data: list[int] = []
    columns = _Columns(view)
    kinds = list(known.token_types)
    line = column = 0
    taken = -1
    lines = view.prompt.lines
    for span, kind, declares in sorted(_tokens(view), key=lambda token: (token[0].start, token[0].end)):
        if kind not in kinds or span.start < taken:
            continue
        taken = span.end
        for number in range(lines.line_of(span.start), lines.line_of(max(span.start, span.end - 1)) + 1):
            whole = lines.span_of_line(number)
            begin = columns.of(number, max(span.start, whole.start))
            length = columns.of(number, min(span.end, whole.end)) - begin
            if length <= 0 or (within is not None and not within.start.line <= number <= within.end.line):
                continue
            delta = number - line
            modifiers = 1 if declares and DECLARATION in known.token_modifiers else 0
            data += [delta, begin - column if delta == 0 else begin, length, kinds.index(kind), modifiers]
            line, column = number, begin
    return types.SemanticTokens(data=data)


class _Columns:
    """The editor's columns of offsets that only grow, so that no line is counted twice."""

    def __init__(self, view: PromptView) -> None:
        self._text = view.prompt.text
        self._lines = view.prompt.lines
        self._encoding = view.document.encoding
        self._first = units("\ufeff", self._encoding) if view.prompt.bom else 0
        self._line, self._offset, self._column = -1, 0, 0

    def of(self, line: int, offset: int) -> int:
        """The column of an offset on a line."""
        if line != self._line or offset < self._offset:
            self._line, self._offset = line, self._lines.starts[line]
            self._column = self._first if line == 0 else 0
        self._column += units(self._text[self._offset : offset], self._encoding)
        self._offset = offset
        return self._column


def _tokens(view: PromptView) -> Iterator[Token]:
    prompt = view.prompt
    yield from _front_matter(prompt)
    wrong = {
        problem.place.span
        for problem in view.problems
        if problem.code == "variable-undefined" and problem.place is not None
    }
    named = {span for use in prompt.uses for _, span in use.names} | {span for _, span in prompt.variables}
    for span in named - wrong:
        yield span, "variable", False
    for _, span, _ in partial_names(prompt.nodes):
        yield span, "macro", False
    for node in prompt.nodes:
        if isinstance(node, Comment):
            yield node.span, "decorator" if node.text.startswith("apo:") else "comment", False
        elif isinstance(node, Expression | BlockOpen) or (isinstance(node, Else) and node.call is not None):
            assert node.call is not None
            yield from _call(node.call)
        elif isinstance(node, BlockClose) and node.name in HELPERS:
            yield node.name_span, "keyword", False


def _call(call: Call) -> Iterator[Token]:
    if call.head.call is None and call.name in HELPERS:
        yield call.head.span, "keyword", False
    for argument in (*call.arguments, *(one for _, one in call.named)):
        if argument.call is not None:
            yield from _call(argument.call)
        elif argument.literal is not None:
            yield argument.span, "string", False


def _front_matter(prompt: PromptFile) -> Iterator[Token]:
    front = prompt.front_matter
    if front is None:
        return
    for found in declarations(front):
        yield found.span, "variable", True
    for entry in front.root.entries:
        if entry.key.text.startswith("apo.") or entry.key.text in ("model", "config", "input", "output"):
            yield entry.key.span, "property", False
