"""The blocks of a template: which tag closes which."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from apo_engine.prompt.template import BlockClose, BlockOpen, closing_name

if TYPE_CHECKING:
    from apo_engine.prompt.template import Node


def closed_blocks(nodes: Sequence[Node]) -> Iterator[tuple[BlockOpen, BlockClose]]:
    """Each block that is closed with the tag that closes it, the inner ones first; what is left open is none."""
    opened: list[BlockOpen] = []
    waiting: dict[str, int] = {}
    for node in nodes:
        if isinstance(node, BlockOpen):
            opened.append(node)
            waiting[closing_name(node)] = waiting.get(closing_name(node), 0) + 1
        elif isinstance(node, BlockClose) and waiting.get(node.name):
            block = None
            while block is None or closing_name(block) != node.name:
                block = opened.pop()
                waiting[closing_name(block)] -= 1
            yield block, node
