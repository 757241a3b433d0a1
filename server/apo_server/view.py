"""One version of a prompt as the editor shows it: parsed, with what is known put in its place."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING

from lsprotocol import types

from apo_engine.examples.facts import ExampleFacts
from apo_engine.positions import Span
from apo_engine.problems import Problem
from apo_server.anchoring import Rebase
from apo_server.documents import Document
from apo_server.knowledge import Finding, Knowledge

if TYPE_CHECKING:
    from apo_engine.prompt.file import PromptFile

Edits = tuple[tuple[Span, str], ...]


@dataclass(frozen=True, slots=True)
class Passage:
    """A finding and where the passage it is about stands in this version."""

    finding: Finding
    span: Span


@dataclass(frozen=True)
class PromptView:
    """A version of a prompt with its problems, which ``check`` finds, and its findings.

    All spans are in offsets of ``prompt.text``. ``passages`` stand by falling share of failures, those that the user
    does not want to see in ``ignored``; those whose text is gone are in neither. ``trouble`` is what stopped the last
    run, ``facts`` what the example files hold, once that is known.
    """

    document: Document
    prompt: PromptFile
    check: Callable[[], tuple[Problem, ...]] = tuple
    known: Knowledge | None = None
    passages: tuple[Passage, ...] = ()
    ignored: tuple[Passage, ...] = ()
    trouble: tuple[Problem, ...] = ()
    facts: ExampleFacts | None = None

    @cached_property
    def problems(self) -> tuple[Problem, ...]:
        """What is wrong with the prompt as it stands; found out when first asked for, which most requests do not."""
        return self.check()

    @property
    def current(self) -> bool:
        """Whether what is known is about exactly this text."""
        return self.known is not None and self.known.text == self.prompt.text

    def range(self, span: Span) -> types.Range:
        """The editor's range of a span; the byte order mark is text to the editor."""
        shift = 1 if self.prompt.bom else 0
        return self.document.positions.range(Span(span.start + shift, span.end + shift))

    def offset(self, position: types.Position) -> int:
        """The offset of an editor's position."""
        return max(0, self.document.positions.offset(position) - (1 if self.prompt.bom else 0))

    def passages_in(self, span: Span) -> tuple[Passage, ...]:
        """The passages that a selection touches, the narrowest first."""
        return tuple(sorted(touched(self.passages, span), key=lambda passage: len(passage.span)))

    def edits_to(self, candidate: str) -> Edits | None:
        """The edits that apply a candidate to this version; None where an edit would touch text that has changed."""
        text = self.known.rewrite(candidate) if self.known is not None else None
        return self.edits_between(self.known.text, text) if self.known is not None and text is not None else None

    def edits_between(self, measured: str, rewritten: str) -> Edits | None:
        """What leads from a text to its rewrite, as edits of this version; None where one would touch changed text."""
        edits = _edits_between(measured, rewritten)
        if measured == self.prompt.text:
            return edits
        rebase = Rebase(measured, self.prompt.text)
        moved = [(rebase.untouched(span), new) for span, new in edits]
        return tuple((span, new) for span, new in moved if span is not None) if _all_there(moved) else None


def touched(passages: tuple[Passage, ...], span: Span) -> list[Passage]:
    """Those of some passages that a selection touches."""
    return [passage for passage in passages if passage.span.start <= span.end and span.start <= passage.span.end]


def place(findings: tuple[Finding, ...], measured: str, now: str) -> tuple[Passage, ...]:
    """The findings that can be shown in the text ``now``, and where."""
    rebase = Rebase(measured, now)
    placed = [(finding, rebase.span(finding.span)) for finding in findings]
    return tuple(Passage(finding, span) for finding, span in placed if span is not None)


# Which edits lead from the measured text to a candidate is asked again with every movement of the caret.
@lru_cache(maxsize=64)
def _edits_between(measured: str, candidate: str) -> Edits:
    from apo_engine.prompt.difference import minimal_edits

    return minimal_edits(measured, candidate)


def _all_there(moved: list[tuple[Span | None, str]]) -> bool:
    return all(span is not None for span, _ in moved)
