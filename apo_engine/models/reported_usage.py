"""The tokens of an answer as an endpoint reports them: used if they can be true."""

from __future__ import annotations

import json
import math

from apo_engine.models.chat import Usage

#: No model reads or writes more tokens in one request.
MOST_TOKENS = 10_000_000
# More digits than any count has; longer ones may not be converted.
_MOST_DIGITS = 18
# Many times what any endpoint has to say of its tokens.
_MOST_BYTES = 2**20


def parse_lenient(body: bytes | str) -> object:
    """The value of JSON text in which numbers may be of any size, NaN or Infinity; what is no finite number is None.

    Raises:
        ValueError: it is no JSON.
        RecursionError: it is nested too deeply.
    """
    return json.loads(body, parse_int=_integer, parse_float=_finite, parse_constant=lambda _: None)


def read_usage(reported: bytes, text: str) -> Usage:
    """The usage that an answer reports for ``text``; empty and marked as estimated if it cannot be true.

    A total that is larger than its parts counts: some endpoints leave reasoning out of the parts, and bill it.
    """
    unusable = Usage(estimated=True)
    if len(reported) > _MOST_BYTES:
        return unusable
    try:
        said = parse_lenient(reported)
    except (ValueError, RecursionError):
        return unusable
    if not isinstance(said, dict):
        return unusable
    asked, answered, total = (_count(said.get(f"{name}_tokens")) for name in ("prompt", "completion", "total"))
    # No request is empty, and no text is made of no tokens.
    if not asked or answered is None or (text and not answered):
        return unusable
    if said.get("total_tokens") is None:
        total = asked + answered
    if total is None or total < asked + answered:
        return unusable
    return Usage(asked, total - asked)


def is_plausible(usage: Usage) -> bool:
    """Whether one request can have taken so many tokens."""
    return 0 <= usage.input <= MOST_TOKENS and 0 <= usage.output <= MOST_TOKENS


def _count(value: object) -> int | None:
    """A number of tokens; None if it is none."""
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value <= MOST_TOKENS:
        return None
    return int(value) if value == int(value) else None


def _integer(digits: str) -> int | None:
    return int(digits) if len(digits) <= _MOST_DIGITS else None


def _finite(number: str) -> float | None:
    value = float(number)
    return value if math.isfinite(value) else None
