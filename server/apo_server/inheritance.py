"""Which partials see the inputs of a prompt: those that are given no data of their own, and so take over all."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from apo_engine.positions import Span
from apo_engine.prompt.blocks import closed_blocks
from apo_engine.prompt.call import Argument
from apo_engine.prompt.references import References, references
from apo_engine.prompt.template import BlockOpen, Expression, Partial, scan

if TYPE_CHECKING:
    from typing import TypeGuard

    from apo_engine.prompt.template import Node

    # By name; the body of an inline partial stands under the same name as a file's.
    Bodies = Mapping[str, Sequence[Sequence[Node]]]

_NOTHING, _ALL = Argument(Span(0, 0), '""'), Argument(Span(0, 0), "this")


def own_references(nodes: Sequence[Node]) -> References:
    """What these nodes read themselves, whatever the partials that they include may read."""
    return references(_given(node, _NOTHING) if _is_bare_include(node) else node for node in nodes)


def inheriting(
    nodes: Sequence[Node], texts: Mapping[str, str], names: Collection[str]
) -> Iterator[tuple[str, frozenset[str], References]]:
    """The partials that see the inputs, with what they read and which of the ``names`` they are given instead.

    ``texts`` are the partials in files that these nodes lead to. One that names the root of the data sees it anyway.
    """
    bodies = _bodies(nodes, texts)
    seen: set[tuple[str, frozenset[str]]] = set()
    waiting = list(_heirs(nodes, bodies, names))
    waiting += [(name, frozenset()) for name, text in texts.items() if "@root" in text]
    while waiting:
        heir = name, given = waiting.pop()
        if heir in seen:
            continue
        seen.add(heir)
        for body in bodies[name]:
            yield name, given, own_references(body)
            waiting += [(inner, given | more) for inner, more in _heirs(body, bodies, names)]


def _bodies(nodes: Sequence[Node], texts: Mapping[str, str]) -> Bodies:
    found: dict[str, list[Sequence[Node]]] = defaultdict(list)
    for name, text in texts.items():
        found[name].append(scan(text)[0])
    for outer in [nodes, *(body for bodies in list(found.values()) for body in bodies)]:
        for block, close in closed_blocks(outer):
            if block.kind == "#*" and block.call.arguments:
                named = block.call.arguments[0]
                inner = Span(block.span.end, close.span.start)
                body = [node for node in outer if inner.start <= node.span.start and node.span.end <= inner.end]
                found[named.literal or named.text].append(body)
    return found


def _heirs(nodes: Sequence[Node], bodies: Bodies, names: Collection[str]) -> Iterator[tuple[str, frozenset[str]]]:
    """What is included where the data is still that of the root, and which names it is given there."""
    alike: dict[tuple[str, frozenset[str]], set[Span]] = defaultdict(set)
    for node in nodes:
        if _is_include(node) and not node.call.arguments and node.call.name in bodies:
            alike[node.call.name, frozenset(name for name, _ in node.call.named if name in names)].add(node.span)
    silent = [
        _given(node, _NOTHING) if _is_include(node) else node for node in nodes if not isinstance(node, Expression)
    ]
    for heir, spans in alike.items():
        if references(_given(node, _ALL) if node.span in spans else node for node in silent).whole:
            yield heir


def _is_include(node: Node) -> TypeGuard[Partial | BlockOpen]:
    return isinstance(node, Partial) or (isinstance(node, BlockOpen) and node.kind == "#>")


def _is_bare_include(node: Node) -> TypeGuard[Partial | BlockOpen]:
    return _is_include(node) and node.call.bare


def _given(node: Node, argument: Argument) -> Node:
    """An include as if it were given this, and nothing else."""
    assert isinstance(node, Partial | BlockOpen)
    return replace(node, call=replace(node.call, arguments=(argument,), named=()))
