"""YAML as an immutable tree in which every key and value knows where it stands in the file."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from apo_engine.positions import Span

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ruamel.yaml.events import Event

MAX_DEPTH = 32
# YAML 1.2 core schema, section 10.3.2: Yes, No, on and off are strings.
_NULL = re.compile(r"~|null|Null|NULL|")
_BOOL = re.compile(r"true|True|TRUE|false|False|FALSE")
_INT = re.compile(r"[-+]?[0-9]{1,18}|0o[0-7]{1,20}|0x[0-9a-fA-F]{1,16}")
_FLOAT = re.compile(
    r"[-+]?(\.[0-9]{1,40}|[0-9]{1,40}(\.[0-9]{0,40})?)([eE][-+]?[0-9]{1,4})?|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)"
)


@dataclass(frozen=True, slots=True)
class Scalar:
    """A scalar: ``text`` as a string, unquoted; ``value`` as YAML 1.2 resolves it."""

    span: Span
    text: str
    value: str | int | float | bool | None


@dataclass(frozen=True, slots=True)
class Sequence:
    """A list of nodes."""

    span: Span
    items: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Entry:
    """One ``key: value`` of a map."""

    key: Scalar
    value: Node


@dataclass(frozen=True, slots=True)
class Mapping:
    """A map, in the file's order; keys are unique."""

    span: Span
    entries: tuple[Entry, ...]

    def get(self, *path: str) -> Node | None:
        """The value under nested keys, or None."""
        node: Node | None = self
        for key in path:
            if not isinstance(node, Mapping):
                return None
            node = next((entry.value for entry in node.entries if entry.key.text == key), None)
        return node


Node = Scalar | Sequence | Mapping


class YamlError(Exception):
    """What is wrong with a YAML text, and the offset at which it is."""

    def __init__(self, code: str, message: str, remedy: str, offset: int) -> None:
        super().__init__(message)
        self.code, self.message, self.remedy, self.offset = code, message, remedy, offset


# While a template is written, its front matter is read with every keystroke.
@lru_cache(maxsize=64)
def compose(text: str, base: int) -> Node | None:
    """The tree of one YAML document; spans are offsets in ``text`` plus ``base``. None if there is nothing.

    Raises:
        YamlError: a syntax error, or something outside the subset that prompt files use: anchors, tags,
            keys that are not plain, duplicate keys, nesting deeper than 32.
    """
    from ruamel.yaml import YAML
    from ruamel.yaml.error import MarkedYAMLError, YAMLError
    from ruamel.yaml.reader import ReaderError

    try:
        events = iter(list(_bounded(YAML(typ="safe", pure=True).parse(text), base)))
        for event in events:
            if type(event).__name__ in ("ScalarEvent", "SequenceStartEvent", "MappingStartEvent"):
                return _node(event, events, base)
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        reason = str(error.problem or error.context or "it cannot be read")
        raise _syntax_error(reason, base + (mark.index if mark else 0)) from None
    except ReaderError as error:
        raise _syntax_error("it holds a control character", base + max(0, error.position)) from None
    except (YAMLError, ValueError, OverflowError, IndexError) as error:
        raise _syntax_error(str(error).partition("\n")[0] or "it cannot be read", base) from None
    return None


def scalars(node: Node | None) -> tuple[Scalar, ...]:
    """The scalars of a list; none where there is no list."""
    return tuple(item for item in node.items if isinstance(item, Scalar)) if isinstance(node, Sequence) else ()


def entries(node: Node | None) -> tuple[Entry, ...]:
    """The entries of a map; none where there is no map."""
    return node.entries if isinstance(node, Mapping) else ()


def value_of(node: Node, *, as_written: bool = False) -> object:
    """The node as plain Python values; with ``as_written``, every scalar as its text."""
    if isinstance(node, Scalar):
        return node.text if as_written else node.value
    if isinstance(node, Sequence):
        return [value_of(item, as_written=as_written) for item in node.items]
    return {entry.key.text: value_of(entry.value, as_written=as_written) for entry in node.entries}


def _syntax_error(reason: str, offset: int) -> YamlError:
    message = f"The front matter is not valid YAML here: {reason}."
    return YamlError("yaml-syntax", message, "Correct this line.", offset)


def _bounded(events: Iterator[Event], base: int) -> Iterator[Event]:
    """The events as they come, stopping at what must not be built."""
    depth = 0
    for event in events:
        name = type(event).__name__
        depth += name.endswith("StartEvent") - name.endswith("EndEvent")
        offset = base + event.start_mark.index
        if depth > MAX_DEPTH:
            raise YamlError("yaml-depth", "The front matter is nested too deeply.", "Make it flatter.", offset)
        if getattr(event, "anchor", None) is not None:
            message = "Anchors and aliases (& and *) are not supported in front matter."
            raise YamlError("yaml-unsupported", message, "Write the value out, or quote the text.", offset)
        if getattr(event, "tag", None) is not None:
            message = "Explicit YAML tags (!) are not supported in front matter."
            raise YamlError("yaml-unsupported", message, "Remove the tag, or quote the text.", offset)
        yield event


def _node(event: Event, events: Iterator[Event], base: int) -> Node:
    name = type(event).__name__
    if name == "ScalarEvent":
        return _scalar(event, base)
    start = base + event.start_mark.index
    if name == "SequenceStartEvent":
        items: list[Node] = []
        for inner in events:
            if type(inner).__name__ == "SequenceEndEvent":
                return Sequence(Span(start, _end(event, inner, [item.span for item in items], base)), tuple(items))
            items.append(_node(inner, events, base))
    entries: list[Entry] = []
    seen: set[str] = set()
    for inner in events:
        if type(inner).__name__ == "MappingEndEvent":
            end = _end(event, inner, [entry.value.span for entry in entries], base)
            return Mapping(Span(start, end), tuple(entries))
        offset = base + inner.start_mark.index
        if type(inner).__name__ != "ScalarEvent":
            raise YamlError("yaml-key", "A key must be plain text.", "Quote it.", offset)
        key = _scalar(inner, base)
        if key.text in seen:
            message = f"The key '{key.text}' stands here a second time."
            raise YamlError("yaml-duplicate", message, "Remove one of the two.", offset)
        seen.add(key.text)
        entries.append(Entry(key, _node(next(events), events, base)))
    raise _syntax_error("it ends too early", start)


def _end(opening: Event, closing: Event, inside: list[Span], base: int) -> int:
    """Where a collection ends: at its bracket, or with its last value (the parser says: at the next token)."""
    if getattr(opening, "flow_style", False):
        return base + int(closing.end_mark.index)
    return max((span.end for span in inside), default=base + int(opening.end_mark.index))


def _scalar(event: Any, base: int) -> Scalar:
    text = str(event.value)
    plain = event.style is None and event.implicit[0]
    span = Span(base + event.start_mark.index, base + event.end_mark.index)
    return Scalar(span, text, _resolved(text) if plain else text)


def _resolved(text: str) -> str | int | float | bool | None:
    if _NULL.fullmatch(text):
        return None
    if _BOOL.fullmatch(text):
        return text.lower() == "true"
    if _INT.fullmatch(text):
        return int(text, 0) if text[:2] in ("0o", "0x") else int(text)
    if _FLOAT.fullmatch(text):
        return float(text.lower().replace(".inf", "inf").replace(".nan", "nan"))
    return text
