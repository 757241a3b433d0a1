"""What a rewrite may never add: roles, the control tokens of chat templates, and placeholders of any template language.

Tags of this one are compared piece by piece where the rewrite is made (`prompt.edit`); here is what only looks like
one, or becomes one where the text is used elsewhere.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable

from apo_engine.examples.example import Example
from apo_engine.examples.quoting import quoted
from apo_engine.prompt.sections import END, EXEMPLARS
from apo_engine.search.disguise import plain_readings
from apo_engine.search.speakers import ROLES

_MARKERS = re.compile(rf"\{{\{{!--\s*(?:{EXEMPLARS}|{END})\s*--\}}\}}")
_LONGEST_NAME = 40
_PLACEHOLDERS = re.compile(
    r"\{\s*\{[^{}]{0,80}(?:\}\s{0,4}\})?|\{%[^{}]{0,80}|<%[^<>]{0,80}|[$#]\{\s{0,4}[a-z_][^{}]{0,80}\}"
    r"|\[\[\s{0,4}[a-z_][\w. ]{0,40}\]\]|%\([a-z_]\w{0,40}\)[a-z]"
)


class Intrusions:
    """Says what a text adds to the user's own prompt that no rewrite may add."""

    def __init__(self, own: str, names: Collection[str] = ()) -> None:
        """``own`` is the user's text: what stands in it is not added. ``names`` are words of the task, and no roles."""
        self._names = frozenset(name.casefold().strip() for name in names)
        self._own = [frozenset(_all(pattern, own)) for pattern in (ROLES, _PLACEHOLDERS)]

    def added(self, text: str) -> str | None:
        """Why a rewrite that reads so must be refused, or None."""
        for what, pattern, own in zip(("role", "placeholder"), (ROLES, _PLACEHOLDERS), self._own, strict=True):
            for found in _all(pattern, text):
                if found not in own and re.sub(r"\W", "", found) not in self._names:
                    return f"adds what reads as a {what} ({quoted(found)})"
        return None


def names_of(rows: Iterable[Example]) -> frozenset[str]:
    """The words that a task has for its labels and inputs, which may be those of roles."""
    return frozenset(name for row in rows for name in (row.expected, *row.inputs) if len(name) <= _LONGEST_NAME)


def _all(pattern: re.Pattern[str], text: str) -> list[str]:
    rest = _MARKERS.sub("", text)
    return [" ".join(match[0].split()) for reading in plain_readings(rest) for match in pattern.finditer(reading)]
