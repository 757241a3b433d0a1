"""What is doubtful about the schemas of the front matter: types, enumerations, names that stand twice."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from apo_engine.problems import Problem, Repair, Severity
from apo_engine.prompt.keys import PICOSCHEMA
from apo_engine.prompt.schema import enumerations, schema_of
from apo_engine.settings import nearest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from apo_engine.prompt.file import PromptFile

TYPES = (*PICOSCHEMA, "object", "array", "enum")
# YAML 1.1, as most other readers have it, takes these for booleans where they are not quoted.
_ELSEWHERE_BOOLEAN = re.compile(r"[yYnN]|[Yy]es|YES|[Nn]o|NO|[Oo]n|ON|[Oo]ff|OFF")


def schema_problems(prompt: PromptFile) -> Iterator[Problem]:
    """Problems of ``input.schema`` and ``output.schema``; types that resemble none may be defined elsewhere."""
    for side in ("input", "output"):
        yield from _declarations(prompt, side)
        inner = (found.value_nodes for found in schema_of(prompt.front_matter, side) if len(found.path) > 1)
        for nodes in (*enumerations(prompt.front_matter, side), *inner):
            for node in nodes:
                if node.span.of(prompt.text) == node.text and _ELSEWHERE_BOOLEAN.fullmatch(node.text):
                    message = f"Other YAML readers take {node.text} for true or false."
                    repairs = (Repair("Quote it", ((node.span, f'"{node.text}"'),)),)
                    place = prompt.place(node.span)
                    yield Problem("yaml-boolean", message, "Quote it.", place, Severity.INFORMATION, repairs)


def _declarations(prompt: PromptFile, side: str) -> Iterator[Problem]:
    seen: set[tuple[str, ...]] = set()
    for found in schema_of(prompt.front_matter, side):
        name, place = found.path[-1], prompt.place(found.span)
        if found.path in seen:
            message = f"'{name}' is declared a second time."
            yield Problem("schema-duplicate", message, "Remove one of the two.", place, Severity.WARNING)
        seen.add(found.path)
        if found.type_span is not None and found.type not in TYPES:
            close = nearest(found.type, TYPES)
            if close:
                repairs = (Repair.respelling(found.type_span, close),)
                message, remedy = f"There is no type '{found.type}'.", f"Did you mean {close!r}?"
                place = prompt.place(found.type_span)
                yield Problem("schema-type", message, remedy, place, Severity.WARNING, repairs)
        elif found.type == "enum" and not found.values:
            message, remedy = f"The enumeration '{name}' lists no values.", f"Write {name}(enum): [first, second]."
            yield Problem("schema-enum", message, remedy, place, Severity.WARNING)
