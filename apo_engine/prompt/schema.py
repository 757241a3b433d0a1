"""What the schemas of the front matter declare: inputs, their fields, and labels (picoschema or JSON schema)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from apo_engine.positions import Span
from apo_engine.prompt.yaml_tree import Mapping, Scalar, scalars

if TYPE_CHECKING:
    from collections.abc import Iterator

    from apo_engine.prompt.frontmatter import FrontMatter
    from apo_engine.prompt.yaml_tree import Node

MAX_DEPTH = 16
# name, the mark of what may be left out, type with the space around it, description
_KEY = re.compile(r"([^(?]*[^(?\s])\s*(\??)\s*(?:\(([^,)]*)(?:,([^)]*))?\))?")
_WILDCARD = "(*)"


@dataclass(frozen=True, slots=True)
class Declaration:
    """One declared input, or a field of one.

    ``path`` leads from the input to it; the items of a list are entered without an index. ``type`` is the word of the
    schema, "object" or "array" where fields or items stand below it. ``span`` is that of the name, ``type_span`` that
    of the type where it is written. ``values`` are those of an enumeration, ``value_nodes`` where they stand. An
    ``open`` one may have more fields than are declared.
    """

    path: tuple[str, ...]
    type: str
    description: str
    optional: bool
    span: Span
    type_span: Span | None = None
    value_nodes: tuple[Scalar, ...] = ()
    open: bool = False

    @property
    def values(self) -> tuple[str, ...]:
        """What an enumeration allows."""
        return tuple(node.text for node in self.value_nodes)


def declarations(front: FrontMatter | None) -> tuple[Declaration, ...]:
    """The inputs that ``input.schema`` declares, each before its fields."""
    return schema_of(front, "input")


def schema_of(front: FrontMatter | None, side: str) -> tuple[Declaration, ...]:
    """What the schema of ``input`` or ``output`` declares."""
    return tuple(_fields(front.root.get(side, "schema"), (), 0)) if front else ()


def declared_inputs(front: FrontMatter | None) -> tuple[tuple[str, Span], ...]:
    """The names of the inputs that ``input.schema`` declares, with their places."""
    return tuple((found.path[0], found.span) for found in declarations(front) if len(found.path) == 1)


def optional_inputs(front: FrontMatter | None) -> frozenset[str]:
    """The declared inputs that a row may leave out: picoschema's ``name?``."""
    return frozenset(found.path[0] for found in declarations(front) if found.optional and len(found.path) == 1)


def accepts_more(front: FrontMatter | None) -> bool:
    """Whether ``input.schema`` allows inputs that it does not declare."""
    schema = front.root.get("input", "schema") if front else None
    return isinstance(schema, Mapping) and any(entry.key.text.startswith(_WILDCARD) for entry in schema.entries)


def declared_labels(front: FrontMatter | None) -> tuple[str, ...]:
    """The labels that ``output.schema`` allows, where it declares exactly one enumeration; else empty."""
    enums = enumerations(front, "output")
    return tuple(node.text for node in enums[0]) if len(enums) == 1 else ()


def enumerations(front: FrontMatter | None, side: str) -> tuple[tuple[Scalar, ...], ...]:
    """The values of each enumeration at the top of a schema, or that the schema itself is."""
    schema = front.root.get(side, "schema") if front else None
    found = [one.value_nodes for one in schema_of(front, side) if len(one.path) == 1 and one.value_nodes]
    if isinstance(schema, Mapping) and (plain := scalars(schema.get("enum"))):
        found.append(plain)
    return tuple(found)


def _fields(schema: Node | None, path: tuple[str, ...], depth: int) -> Iterator[Declaration]:
    if not isinstance(schema, Mapping) or depth > MAX_DEPTH:
        return
    if any(entry.key.text.startswith("$") for entry in schema.entries):
        # A JSON schema that refers to others says nothing here.
        return
    properties = schema.get("properties")
    yield from _json(schema, properties, path, depth) if isinstance(properties, Mapping) else _pico(schema, path, depth)


def _pico(schema: Mapping, path: tuple[str, ...], depth: int) -> Iterator[Declaration]:
    for entry in schema.entries:
        key, value = entry.key, entry.value
        match = _KEY.match(key.text)
        if match is None or match[1].startswith("*"):
            continue
        # A quoted key has its quotation marks around it; with escapes in it, nothing inside can be pointed at.
        quotes = len(key.span) - len(key.text)
        base = key.span.start + quotes // 2 if quotes in (0, 2) else None
        span = Span(base, base + len(match[1])) if base is not None else key.span
        kind, words = (match[3] or "").strip(), (match[4] or "").strip()
        begin = match.start(3) + len(match[3]) - len(match[3].lstrip()) if kind else 0
        type_span = Span(base + begin, base + begin + len(kind)) if kind and base is not None else None
        if not kind and isinstance(value, Scalar):
            kind, _, said = value.text.partition(",")
            words, length = said.strip(), len(kind)
            kind = kind.strip()
            plain = len(value.span) == len(value.text)
            type_span = Span(value.span.start, value.span.start + length) if plain and kind else None
        here = (*path, match[1])
        yield Declaration(
            here,
            kind or ("object" if isinstance(value, Mapping) else ""),
            words,
            bool(match[2]),
            span,
            type_span,
            scalars(value) if kind == "enum" else (),
            isinstance(value, Mapping) and any(inner.key.text.startswith(_WILDCARD) for inner in value.entries),
        )
        yield from _fields(value, here, depth + 1)


def _json(schema: Mapping, properties: Mapping, path: tuple[str, ...], depth: int) -> Iterator[Declaration]:
    needed = {node.text for node in scalars(schema.get("required"))}
    for entry in properties.entries:
        value, here = entry.value, (*path, entry.key.text)
        inner = value if isinstance(value, Mapping) else Mapping(value.span, ())
        items = inner.get("items")
        values = scalars(inner.get("enum"))
        more = (items if isinstance(items, Mapping) else inner).get("additionalProperties")
        yield Declaration(
            here,
            "enum" if values else _text(inner.get("type")),
            _text(inner.get("description")),
            "required" in {entry.key.text for entry in schema.entries} and entry.key.text not in needed,
            entry.key.span,
            None,
            values,
            more is not None and not (isinstance(more, Scalar) and more.value is False),
        )
        nested = items if isinstance(items, Mapping) else inner
        if isinstance(nested.get("properties"), Mapping):
            yield from _fields(nested, here, depth + 1)


def _text(node: Node | None) -> str:
    return node.text if isinstance(node, Scalar) else ""
