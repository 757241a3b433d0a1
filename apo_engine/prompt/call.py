"""What stands inside a tag: a name, arguments and named arguments, each with its place."""

from __future__ import annotations

import re
from dataclasses import dataclass

from apo_engine.positions import Span

MAX_DEPTH = 16
_NUMBER = re.compile(r"-?[0-9]+(\.[0-9]+)?")
_NAMED = re.compile(r"([^\s\"'(=]+)=")
_PARAMS = re.compile(r"\sas\s\|([^|]*)\|\s*\Z")
_WORDS = ("true", "false", "null", "undefined")


@dataclass(frozen=True, slots=True)
class Argument:
    """A path, a literal, or a call in parentheses."""

    span: Span
    text: str
    call: Call | None = None

    @property
    def literal(self) -> str | None:
        """The string in quotes; None for anything else."""
        quoted = len(self.text) >= 2 and self.text[0] in "\"'" and self.text[-1] == self.text[0]
        return self.text[1:-1] if quoted else None

    @property
    def is_path(self) -> bool:
        """Whether this names a value of the data."""
        plain = self.call is None and self.literal is None
        return plain and self.text not in _WORDS and not _NUMBER.fullmatch(self.text)


@dataclass(frozen=True, slots=True)
class Call:
    """The head of a tag, its arguments, and the names that its block binds (``as |item index|``)."""

    head: Argument
    arguments: tuple[Argument, ...]
    named: tuple[tuple[str, Argument], ...]
    binds: tuple[str, ...]

    @property
    def name(self) -> str:
        """The head without quotes."""
        return self.head.literal if self.head.literal is not None else self.head.text

    @property
    def bare(self) -> bool:
        """Whether there are no arguments, so that the head may be a variable."""
        return not self.arguments and not self.named


def parse_call(text: str, start: int, end: int, depth: int = 0) -> Call | str:
    """The call between two offsets, or the reason why there is none."""
    binds: tuple[str, ...] = ()
    bars = text.rfind("|", start, end)
    if bars >= 0:
        first = text.rfind("|", start, bars)
        bound = _PARAMS.search(text, max(start, first - 4), end) if first > start else None
        if bound:
            binds, end = tuple(bound[1].split()), bound.start()
    arguments: list[Argument] = []
    named: list[tuple[str, Argument]] = []
    for span in _pieces(text, start, end):
        match = _NAMED.match(text, span.start, span.end)
        argument = _argument(text, Span(match.end() if match else span.start, span.end), depth)
        if isinstance(argument, str):
            return argument
        if match:
            named.append((match[1], argument))
        else:
            arguments.append(argument)
    if not arguments:
        return "it names nothing"
    return Call(arguments[0], tuple(arguments[1:]), tuple(named), binds)


def _argument(text: str, span: Span, depth: int) -> Argument | str:
    source = span.of(text)
    if not source:
        return "a named argument has no value"
    if source[0] in "\"'" and (len(source) < 2 or source[-1] != source[0]):
        return "a quotation mark is missing"
    if not source.startswith("("):
        return Argument(span, source)
    if not source.endswith(")"):
        return "a parenthesis is not closed"
    if depth >= MAX_DEPTH:
        return "its parentheses are nested too deeply"
    call = parse_call(text, span.start + 1, span.end - 1, depth + 1)
    return call if isinstance(call, str) else Argument(span, source, call)


def _pieces(text: str, start: int, end: int) -> list[Span]:
    """Split at white space outside quotes and brackets."""
    pieces: list[Span] = []
    begin, depth, quote = -1, 0, ""
    for at in range(start, end):
        char = text[at]
        if quote:
            quote = "" if char == quote else quote
        elif char.isspace() and depth == 0:
            if begin >= 0:
                pieces.append(Span(begin, at))
            begin = -1
            continue
        elif char in "\"'":
            quote = char
        elif char in "([":
            depth += 1
        elif char in ")]":
            depth -= 1
        if begin < 0:
            begin = at
    if begin >= 0:
        pieces.append(Span(begin, end))
    return pieces
