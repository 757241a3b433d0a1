"""Which inputs a template reads: paths resolved through the scopes of its blocks."""

from __future__ import annotations

import re
from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from apo_engine.positions import Span
from apo_engine.prompt.helpers import HELPERS
from apo_engine.prompt.template import BlockClose, BlockOpen, Else, Expression, Partial

if TYPE_CHECKING:
    from collections.abc import Container, Iterable

    from apo_engine.prompt.call import Argument, Call
    from apo_engine.prompt.template import Node

_STEP = re.compile(r"(?:\.\.|\.|this)(?:[./]|\Z)")
_SEGMENT = re.compile(r"\[([^\]]*)\]|([^./\[\]]+)")
_ROOT = re.compile(r"@root(?![\w-])")
# Data is never nested deeper; a template of nothing but open blocks must not take long.
MAX_DEPTH = 32
# Where a path leads from the root of the data; None where it cannot be told.
Path = tuple[str, ...] | None


@dataclass(frozen=True, slots=True)
class Use:
    """A reference to an input, or into one.

    ``path`` leads from the input on; items of a list are entered without an index. ``span`` is the reference as it is
    written; ``names`` are the names written in it, each with the path that it stands for: in ``{{cell.text}}`` within
    ``{{#each rows}}`` these are ``rows, cell`` and ``rows, cell, text``. Names that a block binds are not among them.
    """

    path: tuple[str, ...]
    span: Span
    names: tuple[tuple[tuple[str, ...], Span], ...]

    @property
    def name_span(self) -> Span:
        """Where the last name stands."""
        return self.names[-1][1]


@dataclass(frozen=True, slots=True)
class References:
    """``names``: each use of a root-level input, in order. ``uses``: all that lead anywhere into the inputs.

    ``whole``: the template reads all inputs at once.
    """

    names: tuple[tuple[str, Span], ...]
    uses: tuple[Use, ...]
    whole: bool


@dataclass(slots=True)
class _Scope:
    """One open block: the names it binds, and where the names inside lead from, if it has a value of its own."""

    own: bool
    binds: tuple[tuple[str, Path], ...] = ()
    base: Path = None


@dataclass(slots=True)
class _Reader:
    """What was read so far; ``bases`` and ``bound`` sum up the open ``scopes``."""

    objects: Container[tuple[str, ...]]
    scopes: list[_Scope] = field(default_factory=list)
    bases: list[Path] = field(default_factory=lambda: [()])
    bound: defaultdict[str, list[Path]] = field(default_factory=lambda: defaultdict(list))
    names: list[tuple[str, Span]] = field(default_factory=list)
    uses: list[Use] = field(default_factory=list)
    whole: bool = False

    def open(self, scope: _Scope) -> None:
        self.scopes.append(scope)
        if scope.own:
            self.bases.append(scope.base)
        for name, path in scope.binds:
            self.bound[name].append(path)

    def close(self) -> None:
        scope = self.scopes.pop()
        if scope.own:
            self.bases.pop()
        for name, _ in scope.binds:
            self.bound[name].pop()

    def block(self, call: Call) -> _Scope:
        """The scope that a block opens. What it is about is its first argument, or its head where that is a path."""
        own = call.name in ("each", "with") or call.name not in HELPERS
        about = call.head if call.name not in HELPERS else next(iter(call.arguments), None)
        base = self.resolved(about)[0] if own and about is not None and about.is_path else None
        # The values of an object, unlike the items of a list, may each be of another shape.
        if base is not None and (len(base) > MAX_DEPTH or (call.name == "each" and base in self.objects)):
            base = None
        # The second name of {{#each}} is the index or key.
        return _Scope(own, tuple((name, base if at == 0 else None) for at, name in enumerate(call.binds)), base)

    def call(self, call: Call) -> None:
        """The paths in a tag; a bare head that is no helper is a path itself, in a block too."""
        if call.head.call is not None:
            self.call(call.head.call)
        elif call.bare and call.name not in HELPERS and call.head.is_path:
            self.path(call.head)
        self.nested(call)

    def nested(self, call: Call) -> None:
        """The paths among the arguments of a call."""
        for argument in (*call.arguments, *(argument for _, argument in call.named)):
            if argument.call is not None:
                self.nested(argument.call)
            elif argument.is_path:
                self.path(argument)

    def path(self, argument: Argument) -> None:
        path, names, depth = self.resolved(argument)
        if not names:
            self.whole = self.whole or (depth <= 0 and path is not None)
            return
        first, span = names[0]
        if depth <= 0 and not self.bound.get(first):
            self.names.append((first, span))
        # A name that a block binds is none of the input that it stands for.
        written = [(name, span) for at, (name, span) in enumerate(names) if at or not self.is_bound(argument, name)]
        if path and written and len(path) <= MAX_DEPTH:
            begin = len(path) - len(written) + 1
            led = tuple((path[: begin + at], span) for at, (_, span) in enumerate(written))
            self.uses.append(Use(path, argument.span, led))

    def is_bound(self, argument: Argument, name: str) -> bool:
        """Whether a path begins at a name that a block around it binds; not if it says where to look for it."""
        return bool(self.bound.get(name)) and not argument.text.startswith("@") and not _STEP.match(argument.text)

    def resolved(self, argument: Argument) -> tuple[Path, list[tuple[str, Span]], int]:
        """Where a path leads, the names in it, and how many values of blocks are around what it begins at."""
        text, start, bases = argument.text, argument.span.start, self.bases
        if text.isidentifier() and text != "this" and not self.bound.get(text):
            base = bases[-1]
            return (None if base is None else (*base, text)), [(text, argument.span)], len(bases) - 1
        if text.startswith("@"):
            if not _ROOT.match(text):
                return None, [], 1
            text, start, bases = text[5:], start + 5, [()]
        at, up = 0, 0
        while step := _STEP.match(text, at):
            up += step[0].startswith("..")
            at = step.end()
        names: list[tuple[str, Span]] = []
        for match in _SEGMENT.finditer(text, at):
            group = 1 if match[1] is not None else 2
            # An index leads to an item, and items are entered without one.
            if not (names and match[group].isdigit()):
                names.append((match[group], Span(start + match.start(group), start + match.end(group))))
        base = bases[max(0, len(bases) - 1 - up)]
        rest = tuple(name for name, _ in names)
        if names and self.is_bound(argument, rest[0]):
            base, rest = self.bound[rest[0]][-1], rest[1:]
        return (None if base is None else (*base, *rest)), names, len(bases) - 1 - up


def references(nodes: Iterable[Node], objects: Container[tuple[str, ...]] = ()) -> References:
    """The inputs that these nodes read; ``@data`` such as ``@index`` are none.

    ``objects`` are the paths of inputs, and of fields of them, that are known to be objects and no lists.
    """
    reader = _Reader(objects)
    for node in nodes:
        if isinstance(node, Expression):
            reader.call(node.call)
        elif isinstance(node, Partial):
            _partial(reader, node.call)
        elif isinstance(node, BlockOpen):
            if node.kind in ("#>", "#*"):
                _partial(reader, node.call)
                reader.open(_Scope(own=node.kind == "#*"))
                continue
            reader.call(node.call)
            scope = reader.block(node.call)
            reader.open(scope if node.kind == "#" else _Scope(own=False, binds=scope.binds))
        elif isinstance(node, Else) and reader.scopes:
            reader.close()
            reader.open(_Scope(own=False))
            if node.call is not None:
                reader.call(node.call)
        elif isinstance(node, BlockClose) and reader.scopes:
            reader.close()
    return References(tuple(reader.names), tuple(reader.uses), reader.whole)


def _partial(reader: _Reader, call: Call) -> None:
    """A partial reads what it is given; given nothing, it may read everything."""
    reader.whole = reader.whole or call.bare
    reader.nested(call)
