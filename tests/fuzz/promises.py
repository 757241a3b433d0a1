"""Promises that hold for whatever a parser finds: places lie within the text, repairs can be applied."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from apo_engine.positions import Lines, Span
from apo_engine.problems import Problem


def within(span: Span, text: str) -> None:
    assert 0 <= span.start <= span.end <= len(text), span


def sound(problems: Iterable[Problem], text: str) -> None:
    """Each problem says something, at a place in the text; its repairs can be applied."""
    lines = Lines(text)
    for problem in problems:
        assert problem.code
        assert problem.message
        place = problem.place
        if place is not None:
            assert 1 <= place.line <= len(lines.starts), problem
            assert place.column >= 1, problem
            if place.span is not None:
                within(place.span, text)
        for repair in problem.repairs:
            assert repair.title
            applied(text, repair.edits)


def applied(text: str, edits: Sequence[tuple[Span, str]]) -> str:
    """The text after edits, which are in order and do not overlap."""
    parts, at = [], 0
    for span, new in edits:
        within(span, text)
        assert at <= span.start, edits
        parts += [text[at : span.start], new]
        at = span.end
    return "".join([*parts, text[at:]])
