"""Answers compared with the expected value as text, as a pattern, or as a number."""

from __future__ import annotations

import re

from apo_engine.scoring.judgement import Judgement
from apo_engine.scoring.patterns import PatternsUnavailable, UnusablePattern, pattern_is_in

_NUMBER = re.compile(r"[-+]?(?:(?:\d+(?:[ ,_]\d{3})+|\d+)(?:\.\d+)?|\.\d+)(?:[eE][-+]?\d+)?%?")
_REGEX_INPUT_LIMIT = 20_000


def exact_match(answer: str, expected: str) -> Judgement:
    """Right where both are the same but for white space around them."""
    said = answer.strip()
    return Judgement(float(said == expected.strip()), said, invalid=not said)


def contains(answer: str, expected: str) -> Judgement:
    """Right where the expected value occurs in the answer, in whatever case."""
    return Judgement(float(expected.strip().casefold() in answer.casefold()), answer.strip(), not answer.strip())


def regex(answer: str, expected: str) -> Judgement:
    """Right where the expected value, a regular expression, is found in the answer.

    A pattern that takes too long or too much memory on an answer leaves it unjudged. May take seconds.
    """
    said = answer.strip()
    try:
        found = pattern_is_in(expected, answer[:_REGEX_INPUT_LIMIT])
    except (UnusablePattern, PatternsUnavailable) as reason:
        return Judgement(0.0, said, invalid=True, remark=f"The pattern {reason}.")
    return Judgement(float(found), said, not said)


def numeric(answer: str, expected: str) -> Judgement:
    """Right where the last number of the answer is that of the expected value, to six digits."""
    said, wanted = read_number(answer), read_number(expected)
    if said is None:
        return Judgement(0.0, "", invalid=True)
    close = wanted is not None and abs(said - wanted) <= 1e-6 * max(1.0, abs(wanted))
    return Judgement(float(close), f"{said:g}")


def no_number(expected: str) -> str:
    """Why ``numeric`` cannot use an expected value; empty where it can."""
    return "holds no number" if read_number(expected) is None else ""


def read_number(text: str) -> float | None:
    """The last number in a text (thousands separators and a percent sign allowed), or None."""
    found = _NUMBER.findall(text)
    if not found:
        return None
    last = re.sub(r"[ ,_%]", "", found[-1])
    value = float(last)
    return value / 100 if found[-1].endswith("%") else value
