"""Where a caret stands in a tag of a template that is being written: what may come here, and in which blocks."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from apo_engine.positions import Span
from apo_engine.prompt.template import BlockClose, BlockOpen, Escaped, Raw, closing_name

if TYPE_CHECKING:
    from apo_engine.prompt.file import PromptFile

Slot = Literal["head", "block", "argument", "call", "close", "partial", "role", "marker"]
# No tag that a person writes is longer; further back nothing is looked for.
_LONGEST = 2_000
_OPENING = re.compile(r"~?(?:\{(?!\{)|&)?\s*")
_MARKER = re.compile(r"~?!(?:--)?\s*([\w:-]*)\Z")
_PARTIAL = re.compile(r"~?#?>\s*([^\s}\"'(]*)\Z")
_CLOSE = re.compile(r"~?/\s*([^\s}]*)\Z")
_BLOCK = re.compile(r"~?[#^]\s*([\w.-]*)\Z")
_HEAD = re.compile(r"((?:else\s+)?)([^\s\"'()|=}]*)\Z")
_CALL = re.compile(r"\(\s*([^\s\"'()|=}]*)\Z")
_ROLE = re.compile(r"(?:^|\()role\s+([\"'])([^\"'\r\n]*)\Z")
_NAMING_ROLE = re.compile(r"(?:^|\()role\s+\Z")
_ARGUMENT = re.compile(r"(?:\s|=)([^\s\"'()|=}]*)\Z")
_WORD = re.compile(r"[\w.@/:\[\]]*")


@dataclass(frozen=True, slots=True)
class Block:
    """An open block: its name, the path that it goes into (``each`` and ``with``), and the names that it binds."""

    name: str
    path: str
    binds: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class TagCaret:
    """A caret: which ``slot`` of a tag it stands in, the ``word`` there, and the open ``blocks`` from the outside in.

    ``closed`` is whether the tag ends behind the caret, ``after`` where (else the caret's own place). ``quoted`` says
    that a word that is text already has its quotation mark.
    """

    slot: Slot
    word: Span
    blocks: tuple[Block, ...]
    closed: bool
    after: int
    quoted: bool = True


def tag_caret(prompt: PromptFile, offset: int) -> TagCaret | None:
    """The caret at ``offset``; None outside of tags, and where nothing is to be named in one."""
    text, start = prompt.text, max(prompt.template.start, offset - _LONGEST)
    opening = text.rfind("{{", start, offset)
    if opening < 0 or text.find("}}", opening + 2, offset) >= 0 or _is_text(prompt, opening):
        return None
    found = _slot(text[opening + 2 : offset], offset)
    if found is None:
        return None
    slot, begin, quoted = found
    following = _WORD.match(text, offset)
    end = following.end() if following else offset
    line_end = min((at for at in (text.find("\n", offset), text.find("\r", offset)) if at >= 0), default=len(text))
    closing = text.find("}}", end, line_end)
    again = text.find("{{", end, line_end)
    closed = closing >= 0 and (again < 0 or closing < again)
    return TagCaret(
        slot, Span(begin, end), open_blocks(prompt, opening), closed, closing + 2 if closed else end, quoted
    )


def open_blocks(prompt: PromptFile, offset: int) -> tuple[Block, ...]:
    """The blocks that are open at an offset, from the outside in."""
    found: list[Block] = []
    for node in prompt.nodes:
        if node.span.start >= offset:
            break
        if isinstance(node, BlockOpen):
            argument = node.call.arguments[0].text if node.call.arguments else ""
            inward = node.call.name in ("each", "with")
            found.append(Block(closing_name(node), argument if inward else "", node.call.binds))
        elif isinstance(node, BlockClose):
            names = [block.name for block in found]
            if node.name in names:
                del found[len(names) - 1 - names[::-1].index(node.name) :]
    return tuple(found)


def _is_text(prompt: PromptFile, opening: int) -> bool:
    """Whether the braces at ``opening`` are literal."""
    spans = (node.span for node in prompt.nodes if isinstance(node, Escaped | Raw))
    return any(span.start <= opening < span.end for span in spans)


def _slot(body: str, offset: int) -> tuple[Slot, int, bool] | None:  # noqa: PLR0911 - one return for each slot
    """What may come at the end of a tag's body so far, where its word begins, and whether its quotation is open."""
    simple: tuple[tuple[re.Pattern[str], Slot], ...] = (
        (_MARKER, "marker"),
        (_PARTIAL, "partial"),
        (_CLOSE, "close"),
        (_BLOCK, "block"),
    )
    for pattern, slot in simple:
        match = pattern.match(body)
        if match is not None:
            # The sign of a block belongs to its word: who types it may still choose another kind of tag.
            return slot, offset - len(match[1]), True
    lead = _OPENING.match(body)
    rest = body[lead.end() if lead else 0 :]
    if rest.startswith("!"):
        return None
    role = _ROLE.search(rest)
    if role is not None:
        return "role", offset - len(role[2]), True
    if _in_quotes(rest):
        return None
    if _NAMING_ROLE.search(rest):
        return "role", offset, False
    head = _HEAD.match(rest)
    if head is not None:
        return ("block" if head[1] else "head"), offset - len(head[2]), True
    call = _CALL.search(rest)
    if call is not None:
        return "call", offset - len(call[1]), True
    argument = _ARGUMENT.search(rest)
    return ("argument", offset - len(argument[1]), True) if argument is not None else None


def _in_quotes(text: str) -> bool:
    quote = ""
    for char in text:
        if char == quote:
            quote = ""
        elif not quote and char in "\"'":
            quote = char
    return bool(quote)
