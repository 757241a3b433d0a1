"""Phrases: the optimizable text taken apart, and the edits that move, drop, put back or replace one of its parts.

A phrase ends at punctuation, a dash between spaces, the end of a line, or before a conjunction with at least three
words on either side. It holds neither that punctuation nor outer white space, and no tag, kept region or passage
break, so that no edit of phrases can touch them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

from apo_engine.positions import Span
from apo_engine.prompt.sections import literals, regions
from apo_engine.prompt.template import scan

# Each run of space or punctuation is looked at from its beginning alone, or a long one would be looked at from every
# character of it.
_MARKER = r"(?:(?:[-*•#>]+|\d+[.)])[^\S\n]+)?"
_CLAUSE_END = r"(?:(?<![.,;:!?…،؛؟])[.,;:!?…،؛؟]+(?=\s|\Z)|[。，、！？；：]+)"
_LINE_END = rf"(?:{_CLAUSE_END}[^\S\n]*|(?<![^\S\n])[^\S\n]+)?\n\s*{_MARKER}"
_GAP = re.compile(rf"{_LINE_END}|{_CLAUSE_END}\s*|(?<!\s)\s+[–—-]+\s+")
_LEAD = re.compile(rf"\s*{_MARKER}")
_CONJUNCTION = re.compile(
    r"(?<!\s)\s+(?=(?:and|or|but|nor|yet|if|unless|because|since|although|though|while|when|where|whether|which|who|that|"
    r"then|so|before|after|until)\s)",
    re.IGNORECASE,
)
_WORD = re.compile(r"\S+")
# A conjunction parts what has at least this many words on either side of it.
_FEWEST_WORDS = 3


@dataclass(frozen=True, slots=True)
class Phrase:
    """A phrase at ``span``; phrases of the same ``run`` have nothing but a gap (space and punctuation) between them."""

    span: Span
    run: int


@dataclass(frozen=True, slots=True)
class Cut:
    """What a phrase that was left out said, and the gap that went with it."""

    words: str
    gap: str


def phrases(text: str, passage_break: str) -> tuple[Phrase, ...]:
    """The phrases of an optimizable text (see `tunable_text`), in order."""
    nodes, _ = scan(text)
    marked = regions(nodes, len(text))
    frozen = sorted([*marked.kept, *([marked.exemplars] if marked.exemplars else [])])
    runs = [
        run for span in literals(nodes, (Span(0, len(text)),), frozen) for run in _between(text, span, passage_break)
    ]
    return tuple(Phrase(span, number) for number, run in enumerate(runs) for span in _phrases(text, run))


def without(text: str, parts: Sequence[Phrase], at: int) -> tuple[str, Cut]:
    """The text without a phrase. Of the gaps on its two sides the weaker one goes with it."""
    start, end = parts[at].span.start, parts[at].span.end
    before = _gap(text, parts, at - 1)
    after = _gap(text, parts, at)
    first, last = start, end
    if before is not None and (after is None or _strength(after) > _strength(before)):
        first = start - len(before)
    elif after is not None:
        last = end + len(after)
    gap = text[first:start] or text[end:last] or " "
    return text[:first] + text[last:], Cut(text[start:end], gap)


def put_back(text: str, parts: Sequence[Phrase], at: int, cut: Cut) -> str:
    """The text with a phrase that was left out put before phrase number ``at``, or after the last (``len(parts)``)."""
    if at < len(parts):
        start = parts[at].span.start
        return f"{text[:start]}{cut.words}{cut.gap}{text[start:]}"
    end = parts[-1].span.end
    return f"{text[:end]}{cut.gap}{cut.words}{text[end:]}"


def swapped(text: str, one: Phrase, other: Phrase) -> str:
    """The text with the words of two phrases exchanged."""
    first, second = sorted((one.span, other.span))
    between = text[first.end : second.start]
    return f"{text[: first.start]}{second.of(text)}{between}{first.of(text)}{text[second.end :]}"


def replaced(text: str, phrase: Phrase, words: str) -> str:
    """The text with other words in place of a phrase."""
    return f"{text[: phrase.span.start]}{words}{text[phrase.span.end :]}"


def _between(text: str, span: Span, passage_break: str) -> Iterator[Span]:
    """The stretches of a literal that no passage break interrupts."""
    start = span.start
    while (at := text.find(passage_break, start, span.end)) >= 0:
        yield Span(start, at)
        start = at + len(passage_break)
    yield Span(start, span.end)


def _phrases(text: str, run: Span) -> Iterator[Span]:
    lead = _LEAD.match(text, run.start, run.end)
    start = lead.end() if lead else run.start
    for gap in _GAP.finditer(text, start, run.end):
        yield from _clauses(text, Span(start, max(start, gap.start())))
        start = gap.end()
    yield from _clauses(text, Span(start, run.end))


def _clauses(text: str, span: Span) -> Iterator[Span]:
    """A stretch without punctuation, parted before its conjunctions; nothing where it has no word."""
    start = span.start
    for joint in _CONJUNCTION.finditer(text, span.start, span.end):
        if _enough_words(text, start, joint.start()) and _enough_words(text, joint.end(), span.end):
            yield from _trimmed(text, Span(start, joint.start()))
            start = joint.end()
    yield from _trimmed(text, Span(start, span.end))


def _trimmed(text: str, span: Span) -> Iterator[Span]:
    words = span.of(text).strip()
    if re.search(r"\w", words):
        start = text.index(words, span.start)
        yield Span(start, start + len(words))


def _enough_words(text: str, start: int, end: int) -> bool:
    return sum(1 for _ in islice(_WORD.finditer(text, start, end), _FEWEST_WORDS)) == _FEWEST_WORDS


def _gap(text: str, parts: Sequence[Phrase], at: int) -> str | None:
    """What stands between a phrase and the next; None where nothing but a tag or an end follows it."""
    if at < 0 or at + 1 >= len(parts) or parts[at].run != parts[at + 1].run:
        return None
    return text[parts[at].span.end : parts[at + 1].span.start]


def _strength(gap: str) -> int:
    """How much a gap parts: a line break more than a full stop, that more than a comma, that more than a space."""
    if "\n" in gap:
        return 3
    if re.search(r"[.!?…؟。！？]", gap):
        return 2
    return 1 if gap.strip() else 0
