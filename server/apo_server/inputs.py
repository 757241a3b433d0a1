"""What is known of the inputs of a prompt: as declared, as columns of the rows, as used in the template."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from apo_engine.examples.facts import ColumnFacts
from apo_engine.prompt.schema import Declaration, declarations

if TYPE_CHECKING:
    from apo_server.view import PromptView

_PLAIN = re.compile(r"[^\W\d][\w-]*")


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
    declared = declarations(view.prompt.front_matter)
    columns = {column.name: column for column in view.facts.columns} if view.facts else {}
    found = {one.name: replace(one, column=columns.get(one.name)) for one in _fields(declared, ())}
    for name in (*view.prompt.defaults, *columns):
        found.setdefault(name, Input(name, "", columns.get(name)))
    return tuple(found.values())


def input_at(view: PromptView, path: tuple[str, ...]) -> Input:
    """What is known of one input, or of a field of one, be it nothing but its name."""
    among, found = inputs_of(view), Input(path[-1])
    for name in path:
        found = next((one for one in among if one.name == name), Input(path[-1]))
        among = found.fields
    return found


def _fields(declared: Sequence[Declaration], path: tuple[str, ...]) -> tuple[Input, ...]:
    """The fields below a path, with theirs."""
    below = [one for one in declared if len(one.path) > len(path) and one.path[: len(path)] == path]
    return tuple(
        Input(one.path[-1], _words(one), None, _fields(below, one.path))
        for one in below
        if len(one.path) == len(path) + 1
    )


def _words(declared: Declaration) -> str:
    kind = f"one of {', '.join(declared.values)}" if declared.values else declared.type
    optional = "may be left out" if declared.optional else ""
    return ", ".join(part for part in (kind, declared.description, optional) if part)
