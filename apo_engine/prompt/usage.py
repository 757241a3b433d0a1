"""Whether tags call helpers and name roles that exist."""

from __future__ import annotations

from typing import TYPE_CHECKING

from apo_engine.problems import Repair
from apo_engine.prompt.blocks import closed_blocks
from apo_engine.prompt.helpers import BLOCK_HELPERS, HELPERS, INLINE_HELPERS, ROLE_ALIASES, ROLES
from apo_engine.prompt.template import BlockOpen, Else, Expression, Fault, Partial
from apo_engine.settings import nearest

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from apo_engine.positions import Span
    from apo_engine.prompt.call import Argument, Call
    from apo_engine.prompt.template import Node

MAX_FAULTS = 100


def usage_faults(nodes: Sequence[Node]) -> tuple[Fault, ...]:
    """Unknown helpers, and roles that are unknown or would be chosen by data."""
    faults: list[Fault] = []
    closing = {block.span: close.name_span for block, close in closed_blocks(nodes)}
    for node in nodes:
        if isinstance(node, Expression):
            faults.extend(_expression_faults(node.call))
        elif isinstance(node, BlockOpen) and node.kind in ("#", "^"):
            if not node.call.bare and node.call.name not in BLOCK_HELPERS:
                faults.append(_unknown_helper(node.call, BLOCK_HELPERS, closing.get(node.span)))
            faults.extend(_nested_faults(node.call))
        elif isinstance(node, Else) and node.call is not None and node.call.name not in BLOCK_HELPERS:
            faults.append(_unknown_helper(node.call, BLOCK_HELPERS))
        elif isinstance(node, Partial | BlockOpen):
            faults.extend(_nested_faults(node.call))
        if len(faults) >= MAX_FAULTS:
            break
    return tuple(faults[:MAX_FAULTS])


def _expression_faults(call: Call) -> Iterator[Fault]:
    if call.name == "role":
        yield from _role_faults(call)
    elif not call.bare and call.name not in INLINE_HELPERS:
        yield _unknown_helper(call, INLINE_HELPERS)
    yield from _nested_faults(call)


def _nested_faults(call: Call) -> Iterator[Fault]:
    arguments: list[Argument] = [*call.arguments, *(argument for _, argument in call.named)]
    for argument in arguments:
        if argument.call is not None:
            if argument.call.name not in INLINE_HELPERS:
                yield _unknown_helper(argument.call, INLINE_HELPERS)
            elif argument.call.name == "role":
                yield from _role_faults(argument.call)
            yield from _nested_faults(argument.call)


def _role_faults(call: Call) -> Iterator[Fault]:
    if not call.arguments:
        yield Fault("role-missing", "This tag names no role.", 'Write {{role "user"}}.', call.head.span)
        return
    argument = call.arguments[0]
    role = argument.literal
    if role is None:
        message = "A role must be written out: data must not choose it."
        yield Fault("role-dynamic", message, 'Write {{role "user"}}.', argument.span)
    elif role not in ROLES:
        close = ROLE_ALIASES.get(role.lower()) or nearest(role, ROLES)
        remedy = f"Did you mean {close!r}?" if close else f"The roles are {', '.join(ROLES)}."
        quote = argument.text[0]
        repairs = (Repair(f"Change to {close}", ((argument.span, f"{quote}{close}{quote}"),)),) if close else ()
        yield Fault("role-unknown", f"There is no role {role[:40]!r}.", remedy, argument.span, repairs)


def _unknown_helper(call: Call, known: tuple[str, ...], closing: Span | None = None) -> Fault:
    close = nearest(call.name, known)
    if call.name in HELPERS:
        remedy = "Open a block with it: {{#…}}." if call.name in BLOCK_HELPERS else "Write it without '#'."
        return Fault("helper-misused", f"The helper '{call.name}' does not stand here.", remedy, call.head.span)
    remedy = f"Did you mean {close!r}?" if close else f"The helpers are {', '.join(known)}."
    edits = ((call.head.span, close or ""), *(((closing, close or ""),) if closing else ()))
    repairs = (Repair(f"Change to {close}", edits),) if close else ()
    return Fault("helper-unknown", f"There is no helper {call.name[:40]!r}.", remedy, call.head.span, repairs)
