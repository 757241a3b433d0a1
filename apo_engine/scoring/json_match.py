"""Answers that are JSON, compared field by field."""

from __future__ import annotations

import json
import math

from apo_engine.encodable import encodable
from apo_engine.scoring.json_value import MISSING, decoded, value_in
from apo_engine.scoring.judgement import Judgement


def json_match(answer: str, expected: str) -> Judgement:
    """The share of the expected fields that the answer has right.

    A field is a path to a value that is no map and no list, or to an empty one. It is right where the answer has an
    equal value of the same kind at the same path: numbers by value, text as it stands but for white space around it
    (case counts), ``true``, ``false`` and ``null`` as themselves. A missing field is wrong. Fields of a map that were
    not expected do not count; items of a list are fields by their index, and every item too many is a field that is
    wrong.

    The answer is the first JSON value in it that is of the expected kind (a map or a list), whatever surrounds it, else
    the first map or list. It is invalid where there is none.
    """
    wanted = decoded(expected)
    found = value_in(answer, type(wanted))
    if found is MISSING:
        return Judgement(0.0, "", invalid=True)
    right, fields = _compared(wanted, found)
    try:
        return Judgement(right / fields, _shown(found))
    except RecursionError:  # nested as deeply as can just be read
        return Judgement(0.0, "", invalid=True)


def no_json(expected: str) -> str:
    """Why ``json_match`` cannot use an expected value; empty where it can."""
    try:
        wanted = decoded(expected)
        _compared(wanted, wanted)
    except (ValueError, RecursionError) as error:
        return f"is not valid JSON: {error}"
    return ""


def _compared(wanted: object, found: object) -> tuple[int, int]:
    """How many of the wanted fields are right, and how many there are."""
    if isinstance(wanted, dict) and wanted:
        inner = found if isinstance(found, dict) else {}
        pairs = [_compared(value, inner.get(key, MISSING)) for key, value in wanted.items()]
        return sum(right for right, _ in pairs), sum(fields for _, fields in pairs)
    if isinstance(wanted, list) and wanted:
        items = found if isinstance(found, list) else []
        padded = [*items, *[MISSING] * (len(wanted) - len(items))]
        pairs = [_compared(value, item) for value, item in zip(wanted, padded, strict=False)]
        surplus = max(0, len(items) - len(wanted))
        return sum(right for right, _ in pairs), sum(fields for _, fields in pairs) + surplus
    return int(_equal(wanted, found)), 1


def _equal(wanted: object, found: object) -> bool:
    if isinstance(wanted, bool) or isinstance(found, bool):
        return wanted is found
    if isinstance(wanted, (int, float)) and isinstance(found, (int, float)):
        return wanted == found or _close(wanted, found)
    if isinstance(wanted, str) and isinstance(found, str):
        return wanted.strip() == found.strip()
    if isinstance(wanted, dict):
        return isinstance(found, dict)
    return type(wanted) is type(found) and wanted == found


def _close(one: float, other: float) -> bool:
    try:
        return math.isclose(one, other, rel_tol=1e-9)
    except OverflowError:  # a whole number beyond all floats
        return False


def _shown(value: object) -> str:
    return encodable(json.dumps(value, ensure_ascii=False))
