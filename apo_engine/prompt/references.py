"""Which inputs a template reads: paths resolved through the scopes of its blocks."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from apo_engine.positions import Span
from apo_engine.prompt.helpers import HELPERS
from apo_engine.prompt.template import BlockClose, BlockOpen, Else, Expression, Partial

if TYPE_CHECKING:
    from collections.abc import Iterable

    from apo_engine.prompt.call import Argument, Call
    from apo_engine.prompt.template import Node

_STEP = re.compile(r"(?:\.\.|\.|this)(?:[./]|\Z)")
_SEGMENT = re.compile(r"\[([^\]]*)\]|([^./\[\]]+)")


@dataclass(frozen=True, slots=True)
class References:
    """``names``: each use of a root-level input, in order. ``whole``: the template reads all inputs at once."""

    names: tuple[tuple[str, Span], ...]
    whole: bool


@dataclass(slots=True)
class _Scope:
    """One open block: whether names inside are fields of its own value, and the names it binds."""

    own: bool
    binds: tuple[str, ...]


@dataclass(slots=True)
class _Reader:
    """What was read so far; ``depth`` and ``bound`` sum up the open ``scopes``."""

    scopes: list[_Scope] = field(default_factory=list)
    depth: int = 0
    bound: Counter[str] = field(default_factory=Counter)
    names: list[tuple[str, Span]] = field(default_factory=list)
    whole: bool = False

    def open(self, scope: _Scope) -> None:
        self.scopes.append(scope)
        self.depth += scope.own
        self.bound.update(scope.binds)

    def close(self) -> None:
        scope = self.scopes.pop()
        self.depth -= scope.own
        self.bound.subtract(scope.binds)

    def call(self, call: Call) -> None:
        """The paths in a tag; a bare head that is no helper is a path itself, in a block too."""
        if call.head.call is not None:
            self.call(call.head.call)
        elif call.bare and call.name not in HELPERS and call.head.is_path:
            self.path(call.head)
        for argument in (*call.arguments, *(argument for _, argument in call.named)):
            if argument.call is not None:
                self.nested(argument.call)
            elif argument.is_path:
                self.path(argument)

    def nested(self, call: Call) -> None:
        """A call in parentheses: its head is always a helper."""
        for argument in (*call.arguments, *(argument for _, argument in call.named)):
            if argument.call is not None:
                self.nested(argument.call)
            elif argument.is_path:
                self.path(argument)

    def path(self, argument: Argument) -> None:
        text, start, depth = argument.text, argument.span.start, self.depth
        if text.startswith("@"):
            if not re.match(r"@root(?![\w-])", text):
                return
            text, start, depth = text[5:], start + 5, 0
        at = 0
        while step := _STEP.match(text, at):
            depth -= step[0].startswith("..")
            at = step.end()
        match = _SEGMENT.search(text, at)
        if match is None:
            self.whole = self.whole or depth <= 0
            return
        name = match[1] if match[1] is not None else match[2]
        if depth <= 0 and not self.bound[name]:
            begin = start + match.start(1 if match[1] is not None else 2)
            self.names.append((name, Span(begin, begin + len(name))))


def references(nodes: Iterable[Node]) -> References:
    """The root-level inputs that these nodes read; fields of ``{{#each}}`` items and ``@data`` are none."""
    reader = _Reader()
    for node in nodes:
        if isinstance(node, Expression):
            reader.call(node.call)
        elif isinstance(node, Partial):
            _partial(reader, node.call)
        elif isinstance(node, BlockOpen):
            if node.kind in ("#>", "#*"):
                _partial(reader, node.call)
                reader.open(_Scope(own=node.kind == "#*", binds=()))
                continue
            reader.call(node.call)
            own = node.call.name in ("each", "with") or node.call.name not in HELPERS
            reader.open(_Scope(own and node.kind == "#", node.call.binds))
        elif isinstance(node, Else) and reader.scopes:
            reader.close()
            reader.open(_Scope(own=False, binds=()))
            if node.call is not None:
                reader.call(node.call)
        elif isinstance(node, BlockClose) and reader.scopes:
            reader.close()
    return References(tuple(reader.names), reader.whole)


def _partial(reader: _Reader, call: Call) -> None:
    """A partial reads what it is given; given nothing, it may read everything."""
    reader.whole = reader.whole or call.bare
    reader.nested(call)
