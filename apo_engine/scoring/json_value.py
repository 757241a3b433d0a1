"""JSON values in what models answer, whatever stands around them."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

_FENCE = re.compile(r"```[\w-]*[ \t]*\r?\n(.*?)```", re.DOTALL)
_OPENING = re.compile(r"[{\[]")
# Enough for any answer that means to be JSON, and an end to the search in one that is made of braces.
_MOST_OPENINGS = 200


class _Missing:
    """Stands for a value that is not there: equal to none."""


MISSING = _Missing()


def decoded(text: str) -> object:
    """The one JSON value that the text is.

    Raises:
        ValueError: it is none.
        RecursionError: it is nested too deeply.
    """
    return _DECODER.decode(text.strip())


def value_in(answer: str, kind: type) -> object:
    """The value that an answer holds, or ``MISSING``.

    That is all of it or of a fenced block, where these are JSON, else the first value of ``kind`` (a map or a list)
    in the text around it, else the first map or list.
    """
    for whole in (answer, *(fenced[1] for fenced in _FENCE.finditer(answer))):
        try:
            value = decoded(whole)
        except (ValueError, RecursionError):
            continue
        if isinstance(value, kind) or not issubclass(kind, (dict, list)):
            return value
    other: object = MISSING
    for value in containers(answer):
        if isinstance(value, kind):
            return value
        other = value if other is MISSING else other
    return other


def containers(text: str) -> Iterator[object]:
    """The maps and lists in a text, one after the other, each taken whole."""
    at = 0
    for _ in range(_MOST_OPENINGS):
        opening = _OPENING.search(text, at)
        if opening is None:
            return
        try:
            value, at = _DECODER.raw_decode(text, opening.start())
        except (ValueError, RecursionError):
            at = opening.end()
        else:
            yield value


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is no JSON")


_DECODER = json.JSONDecoder(parse_constant=_refuse)
