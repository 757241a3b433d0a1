"""Where in a prompt a quote stands."""

from __future__ import annotations

from apo_engine.positions import Span
from apo_engine.prompt.file import PromptFile
from apo_engine.search.gradient import Anchor

# Below this similarity (rapidfuzz partial ratio, 0–100) a found passage is as likely to be another one.
_ALIKE = 80.0


def anchor(prompt: PromptFile, quote: str) -> tuple[Span, Anchor]:
    """The span that ``quote`` is about, in offsets of the prompt's text.

    Exact where the quote stands in an optimizable passage to the letter; fuzzy where a passage says nearly the same;
    otherwise the whole section, without its surrounding white space.
    """
    wanted = quote.strip()
    if wanted:
        for passage in prompt.passages:
            at = prompt.text.find(wanted, passage.start, passage.end)
            if at >= 0:
                return Span(at, at + len(wanted)), "exact"
        similar = _similar(prompt, wanted)
        if similar:
            return similar, "fuzzy"
    return _section(prompt), "section"


def _similar(prompt: PromptFile, wanted: str) -> Span | None:
    from rapidfuzz.fuzz import partial_ratio_alignment

    best: tuple[float, Span] | None = None
    for passage in prompt.passages:
        text = passage.of(prompt.text)
        if len(wanted) > len(text):
            continue
        found = partial_ratio_alignment(wanted.casefold(), text.casefold(), score_cutoff=_ALIKE)
        if found and len(text.casefold()) == len(text) and (best is None or found.score > best[0]):
            best = (found.score, Span(passage.start + found.dest_start, passage.start + found.dest_end))
    return _trimmed(prompt.text, best[1]) if best else None


def _section(prompt: PromptFile) -> Span:
    whole = prompt.passages[0] if prompt.passages else Span(0, len(prompt.text))
    return _trimmed(prompt.text, whole)


def _trimmed(text: str, span: Span) -> Span:
    inside = span.of(text)
    start = span.start + len(inside) - len(inside.lstrip())
    return Span(start, max(start, start + len(inside.strip())))
