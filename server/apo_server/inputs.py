"""What is known of the inputs of a prompt: as declared, as columns of the rows, as used in the template."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from apo_engine.examples.facts import ColumnFacts
from apo_engine.prompt.yaml_tree import Mapping, Scalar

if TYPE_CHECKING:
    from apo_engine.prompt.yaml_tree import Node
    from apo_server.view import PromptView

_PLAIN = re.compile(r"[^\W\d][\w-]*")
_PICO = re.compile(r"([^(?\s]+)\s*(\??)\s*(?:\(([^)]*)\))?")


@dataclass(frozen=True, slots=True)
class Input:
    """One input, or a field of one: its ``declaration`` in words (empty where there is none) and its column."""

    name: str
    declaration: str = ""
    column: ColumnFacts | None = None
    fields: tuple[Input, ...] = ()

    @property
    def written(self) -> str:
        """The name as it stands in a tag."""
        return self.name if _PLAIN.fullmatch(self.name) else f"[{self.name}]"


def inputs_of(view: PromptView) -> tuple[Input, ...]:
    """The inputs that a template may read: those declared, those with a default, then the other columns."""
    front = view.prompt.front_matter
    declared = _fields(front.root.get("input", "schema") if front else None)
    columns = {column.name: column for column in view.facts.columns} if view.facts else {}
    found = {one.name: Input(one.name, one.declaration, columns.get(one.name), one.fields) for one in declared}
    for name in (*view.prompt.defaults, *columns):
        found.setdefault(name, Input(name, "", columns.get(name)))
    return tuple(found.values())


def input_named(view: PromptView, name: str) -> Input:
    """What is known of one input, be it nothing but its name."""
    return next((one for one in inputs_of(view) if one.name == name), Input(name))


def _fields(schema: Node | None) -> tuple[Input, ...]:
    """The fields that picoschema or JSON schema declares."""
    if not isinstance(schema, Mapping):
        return ()
    properties = schema.get("properties")
    if isinstance(properties, Mapping):
        return tuple(
            Input(entry.key.text, _json_words(entry.value), None, _fields(_items(entry.value)))
            for entry in properties.entries
        )
    found = []
    for entry in schema.entries:
        match = _PICO.match(entry.key.text)
        if match is None or match[1].startswith("*"):
            continue
        kind, _, words = (match[3] or "").partition(",")
        if isinstance(entry.value, Scalar):
            words = f"{words}, {entry.value.text}" if words else entry.value.text
        optional = "may be left out" if match[2] else ""
        parts = (part.strip() for part in (kind, words, optional))
        found.append(Input(match[1], ", ".join(part for part in parts if part), None, _fields(entry.value)))
    return tuple(found)


def _items(schema: Node) -> Node | None:
    items = schema.get("items") if isinstance(schema, Mapping) else None
    return items or schema


def _json_words(schema: Node) -> str:
    if not isinstance(schema, Mapping):
        return ""
    parts = (schema.get("type"), schema.get("description"))
    return ", ".join(part.text for part in parts if isinstance(part, Scalar))
