"""The template, scanned into nodes that tile it exactly, however broken it is.

The tag rules are those of the Handlebars library that renders prompts, so that what stands here as text is text there.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from apo_engine.positions import Span
from apo_engine.problems import Repair
from apo_engine.prompt.call import Argument, Call, parse_call
from apo_engine.prompt.helpers import HELPERS

if TYPE_CHECKING:
    from collections.abc import Container, Sequence

    from apo_engine.prompt.scan_budget import ScanBudget

MAX_PROBLEMS = 100


@dataclass(frozen=True, slots=True)
class Text:
    """Literal text."""

    span: Span


@dataclass(frozen=True, slots=True)
class Escaped:
    r"""``\{{``: two literal braces."""

    span: Span


@dataclass(frozen=True, slots=True)
class Comment:
    """``{{! … }}`` or ``{{!-- … --}}``; ``text`` without its delimiters and outer white space."""

    span: Span
    text: str


@dataclass(frozen=True, slots=True)
class Expression:
    """``{{x}}``, ``{{{x}}}`` or a helper call."""

    span: Span
    call: Call


@dataclass(frozen=True, slots=True)
class BlockOpen:
    """``{{#name …}}``, ``{{^name …}}``, ``{{#> name …}}`` or ``{{#*inline "name"}}``; ``kind`` is its sign."""

    span: Span
    kind: Literal["#", "^", "#>", "#*"]
    call: Call


@dataclass(frozen=True, slots=True)
class Else:
    """``{{else}}`` or ``{{else if …}}``, the latter with its call."""

    span: Span
    call: Call | None


@dataclass(frozen=True, slots=True)
class BlockClose:
    """``{{/name}}``; ``name_span`` is that of the name."""

    span: Span
    name: str
    name_span: Span


@dataclass(frozen=True, slots=True)
class Partial:
    """``{{> name …}}``."""

    span: Span
    call: Call


@dataclass(frozen=True, slots=True)
class Raw:
    """A raw block with its content, ``{{{{raw}}}} … {{{{/raw}}}}``."""

    span: Span


@dataclass(frozen=True, slots=True)
class Broken:
    """What begins like a tag and is none."""

    span: Span


Tag = Escaped | Comment | Expression | BlockOpen | Else | BlockClose | Partial | Raw | Broken
Node = Text | Tag


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing wrong in a template."""

    code: str
    message: str
    remedy: str
    span: Span
    repairs: tuple[Repair, ...] = ()


def scan(
    text: str, start: int = 0, known: Sequence[Node] = (), budget: ScanBudget | None = None
) -> tuple[tuple[Node, ...], tuple[Fault, ...]]:
    """The nodes of ``text`` from ``start`` on, without gap or overlap, and what is wrong. Linear; bad tags are faults.

    ``known`` are the first of them, where an earlier version has them already (see `unchanged`).

    Raises:
        ScanBudgetSpent: there is a budget, and it does not suffice.
    """
    scanner = _Scanner(text, list(known), budget)
    at = known[-1].span.end if known else start
    while at < len(text):
        opening = text.find("{{", at) if len(scanner.faults) < MAX_PROBLEMS else -1
        if opening < 0:
            scanner.nodes.append(Text(Span(at, len(text))))
            break
        at = scanner.tag(at, opening)
    return tuple(scanner.nodes), (*scanner.faults, *_block_faults(scanner.nodes, text))


def unchanged(nodes: Sequence[Node], common: int) -> Sequence[Node]:
    """The nodes, of a whole scan, that every text has that is the same up to ``common``.

    A tag ends at its first closer, whatever comes later; only one that is broken may be mended by what comes later.
    """
    count = bisect_right(nodes, common, key=lambda node: node.span.end)
    broken = next((index for index in range(count) if isinstance(nodes[index], Broken)), count)
    while broken and isinstance(nodes[broken - 1], Text):
        broken -= 1
    return nodes[:broken]


# A variable, a helper or block with one plain argument, or a closing tag: most tags by far, read without a search.
SIMPLE = re.compile(r"\{\{([#/]?)([A-Za-z_][\w-]*)(?: ([A-Za-z_][\w.-]*))?\}\}(?!\})")


def _simple(match: re.Match[str]) -> Node:
    span, begin, end = Span(*match.span()), match.start(2), match.end(2)
    kind, name = match[1], match[2]
    if kind == "/":
        return BlockClose(span, name, Span(begin, end))
    arguments = (Argument(Span(*match.span(3)), match[3]),) if match[3] is not None else ()
    call = Call(Argument(Span(begin, end), name), arguments, (), ())
    return BlockOpen(span, "#", call) if kind else Expression(span, call)


class _Scanner:
    """The state of one scan: nodes so far, and where the next closers are (so that no search is repeated)."""

    def __init__(self, text: str, nodes: list[Node], budget: ScanBudget | None) -> None:
        self.text = text
        self.budget = budget
        self.nodes = nodes
        self.faults: list[Fault] = []
        self.known: dict[str, int] = {}

    def find(self, token: str, at: int) -> int:
        """``text.find`` for growing ``at``: each token is searched for over each stretch of text once."""
        found = self.known.get(token, -2)
        if found != -1 and found < at:
            found = self.known[token] = self.text.find(token, at)
        return found

    def spend(self, chars: int) -> None:
        if self.budget is not None:
            self.budget.spend_on_tag(chars)

    def tag(self, at: int, opening: int) -> int:
        """Add the text from ``at`` and the tag at ``opening``; the offset after it."""
        text = self.text
        self.spend(0)
        backslashes = 0
        while opening - backslashes > at and text[opening - backslashes - 1] == "\\":
            backslashes += 1
        begin = opening - 1 if backslashes == 1 else opening
        if begin > at:
            self.nodes.append(Text(Span(at, begin)))
        if backslashes == 1:
            self.nodes.append(Escaped(Span(begin, opening + 2)))
            return opening + 2
        if text.startswith("{{{{", opening):
            return self.raw(opening)
        if text.startswith("!--", opening + 2) or text.startswith("~!--", opening + 2):
            return self.long_comment(opening)
        return self.plain(opening)

    def broken(self, opening: int, message: str, remedy: str, closer: str = "") -> int:
        """A tag without an end: give up on it at the next tag or line."""
        text = self.text
        ends = [end for end in (self.find("{{", opening + 2), self.find("\n", opening + 2)) if end >= 0]
        end = min(ends, default=len(text))
        if text.startswith("\r\n", end - 1):
            end -= 1
        self.nodes.append(Broken(Span(opening, end)))
        repairs = (_closed(text, Span(opening, end), closer),) if closer else ()
        self.faults.append(Fault("tag-unclosed", message, remedy, Span(opening, end), tuple(filter(None, repairs))))
        return end

    def raw(self, opening: int) -> int:
        text = self.text
        header_end = self.find("}}}}", opening + 4)
        name = text[opening + 4 : header_end].split(None, 1)[:1] if header_end >= 0 else []
        if not name or name[0].startswith("/") or len(name[0]) > 100:
            return self.broken(opening, "This raw block has no beginning.", "Write {{{{raw}}}} … {{{{/raw}}}}.")
        closer = "{{{{/" + name[0] + "}}}}"
        end = self.find(closer, header_end + 4)
        if end < 0:
            return self.broken(opening, f"The raw block '{name[0]}' is not closed.", f"Add {closer}.")
        self.nodes.append(Raw(Span(opening, end + len(closer))))
        return end + len(closer)

    def long_comment(self, opening: int) -> int:
        body = opening + (6 if self.text[opening + 2] == "~" else 5)
        ends = [(end, len(closer)) for closer in ("--}}", "--~}}") if (end := self.find(closer, body)) >= 0]
        if not ends:
            return self.broken(opening, "This comment is not closed.", "Add '--}}' after it.", " --}}")
        end, length = min(ends)
        self.nodes.append(Comment(Span(opening, end + length), self.text[body:end].strip()))
        return end + length

    def plain(self, opening: int) -> int:
        text = self.text
        simple = SIMPLE.match(text, opening)
        if simple is not None and simple[2] != "else":
            self.nodes.append(_simple(simple))
            return simple.end()
        tilde = text.startswith("~", opening + 2)
        triple = text.startswith("{", opening + 2 + tilde)
        body = opening + 2 + tilde + triple
        closers = ("}}}", "}~}}") if triple else ("}}",)
        ends = [(end, len(closer)) for closer in closers if (end := self.find(closer, body)) >= 0]
        if not ends:
            return self.broken(opening, "This tag is not closed.", f"Add '{closers[0]}' after it.", closers[0])
        end, length = min(ends)
        again = self.find("{{", body)
        if 0 <= again < end and not _inside_quotes(text, body, again):
            message = "This tag is not closed before the next begins."
            return self.broken(opening, message, f"Add '{closers[0]}'.", closers[0])
        span = Span(opening, end + length)
        inner = Span(body, end - 1 if not triple and text.endswith("~", body, end) else end)
        self.spend(len(inner))
        self.nodes.append(self.node(span, inner, triple=triple))
        return span.end

    def node(self, span: Span, inner: Span, *, triple: bool) -> Node:  # noqa: PLR0911 - one return for each kind of tag
        """The node of a closed tag, by the first characters of its body."""
        body = inner.of(self.text)
        inner = Span(inner.start + len(body) - len(body.lstrip()), inner.end)
        body = body.strip()
        if not body:
            return self.wrong(span, "This tag is empty.", "Put a variable or helper between the braces.")
        if triple:
            return self.called(Expression, span, inner)
        if body.startswith("!"):
            return Comment(span, body[1:].strip())
        if body.startswith("/"):
            name = body[1:].split(None, 1)[:1]
            if not name:
                return self.wrong(span, "This closing tag names no block.", "Name the block that it closes.")
            begin = self.text.index(name[0], inner.start + 1)
            return BlockClose(span, name[0], Span(begin, begin + len(name[0])))
        if body == "else":
            return Else(span, None)
        if body.startswith("else "):
            return self.called(Else, span, Span(inner.start + 5, inner.end))
        if body.startswith(">"):
            return self.called(Partial, span, Span(inner.start + 1, inner.end))
        if body.startswith("*"):
            return self.wrong(span, "Decorators are not supported.", "Remove this tag.")
        for kind in ("#>", "#*", "#", "^"):
            if body.startswith(kind):
                call = parse_call(self.text, inner.start + len(kind), inner.end)
                return self.invalid(span, call) if isinstance(call, str) else BlockOpen(span, kind, call)
        return self.called(Expression, span, Span(inner.start + body.startswith("&"), inner.end))

    def called(self, kind: type[Expression | Else | Partial], span: Span, inner: Span) -> Node:
        call = parse_call(self.text, inner.start, inner.end)
        return self.invalid(span, call) if isinstance(call, str) else kind(span, call)

    def invalid(self, span: Span, reason: str) -> Broken:
        return self.wrong(span, f"This tag cannot be read: {reason}.", "Correct it, or write \\{{ for plain braces.")

    def wrong(self, span: Span, message: str, remedy: str) -> Broken:
        self.faults.append(Fault("tag-invalid", message, remedy, span))
        return Broken(span)


def _block_faults(nodes: list[Node], text: str) -> list[Fault]:
    """Blocks that are not closed, closed by another name, and ``{{else}}`` outside of one."""
    faults: list[Fault] = []
    opened: list[BlockOpen] = []
    unclosed: list[tuple[BlockOpen, int | None]] = []
    strays: list[tuple[BlockClose, BlockOpen | None]] = []
    for node in nodes:
        if isinstance(node, BlockOpen):
            opened.append(node)
        elif isinstance(node, Else) and not opened:
            message, remedy = "This {{else}} stands outside any block.", "Remove it, or open a block before it."
            faults.append(Fault("else-outside", message, remedy, node.span, (Repair("Remove it", ((node.span, ""),)),)))
        elif isinstance(node, BlockClose):
            if node.name not in [closing_name(block) for block in opened[-MAX_PROBLEMS:]]:
                strays.append((node, opened[-1] if opened else None))
                continue
            end: int | None = node.span.start
            while closing_name(block := opened.pop()) != node.name:
                unclosed.append((block, end))
                end = None
        if len(faults) + len(unclosed) + len(strays) >= MAX_PROBLEMS:
            break
    else:
        # Only the innermost can be closed where its message ends: what is added there closes that one.
        innermost = opened[-1] if opened else None
        for block in opened[:MAX_PROBLEMS]:
            unclosed.append((block, _end_of_message(nodes, block, len(text)) if block is innermost else None))
    left = {block.span for block, _ in unclosed}
    faults += [_stray(node, block, left) for node, block in strays]
    return faults + [_unclosed(block, text, end) for block, end in unclosed]


def closing_name(block: BlockOpen) -> str:
    """The name that closes a block."""
    return "inline" if block.kind == "#*" else block.call.name


def _stray(node: BlockClose, block: BlockOpen | None, unclosed: Container[Span]) -> Fault:
    """A closing tag that closes nothing; it is taken for that of the block around it if that has no other."""
    message = f"Nothing that is open here is called '{node.name}'."
    if block is None or block.span not in unclosed:
        repairs = (Repair("Remove this closing tag", ((node.span, ""),)),)
        return Fault("block-mismatch", message, "Remove this closing tag.", node.span, repairs)
    name = closing_name(block)
    repairs = (Repair.respelling(node.name_span, name),)
    return Fault("block-mismatch", message, f"Write {{{{/{name}}}}}.", node.span, repairs)


def _unclosed(block: BlockOpen, text: str, end: int | None) -> Fault:
    """A block that must be closed before ``end``; None where others must be closed first."""
    name = closing_name(block)
    closer = f"{{{{/{name}}}}}"
    inside = text[block.span.end : end].rstrip() if end is not None else ""
    repairs: tuple[Repair, ...] = ()
    # Behind half a tag, or behind a backslash, the closing tag would be read as text.
    if end is not None and not inside.endswith(("{", "\\")) and "{{" not in inside.rpartition("}}")[2]:
        at = block.span.end + len(inside)
        own_line = "\n" in inside and not text[: block.span.start].rpartition("\n")[2].strip()
        newline = ("\r\n" if "\r\n" in text else "\n") if own_line else ""
        repairs = (Repair(f"Add {closer}", ((Span(at, at), newline + closer),)),)
    return Fault("block-unclosed", f"The block '{name}' is not closed.", f"Add {closer}.", block.span, repairs)


def _end_of_message(nodes: list[Node], block: BlockOpen, end: int) -> int:
    """Where the message ends in which a block begins, or its last ``{{else}}`` does."""
    depth, found = 0, end
    for node in nodes[nodes.index(block) + 1 :]:
        if isinstance(node, BlockOpen):
            depth += 1
        elif isinstance(node, BlockClose):
            depth -= 1
        elif isinstance(node, Else) and depth == 0:
            found = end
        elif found == end and depth == 0 and isinstance(node, Expression) and node.call.name in ("role", "history"):
            found = node.span.start
    return found


def _closed(text: str, span: Span, closer: str) -> Repair | None:
    """The repair that closes a tag behind what is written of it; None where that makes no tag."""
    written = span.of(text).rstrip()
    at = span.start + len(written)
    nodes, faults = scan(written + closer)
    if len(nodes) != 1 or isinstance(nodes[0], Broken) or any(fault.code != "block-unclosed" for fault in faults):
        return None
    # Words behind a name are prose more often than arguments.
    if isinstance(nodes[0], Expression) and not nodes[0].call.bare and nodes[0].call.name not in HELPERS:
        return None
    return Repair(f"Add {closer.strip()}", ((Span(at, at), closer),))


def _inside_quotes(text: str, start: int, end: int) -> bool:
    quote = ""
    for char in text[start:end]:
        if not quote and char in "\"'":
            quote = char
        elif char == quote:
            quote = ""
    return bool(quote)
