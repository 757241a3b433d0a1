"""Structural edits: rewriting the optimizable text of a prompt while everything else stays byte for byte.

What must survive (tags, comments, kept regions) is compared piece by piece; what a model returns is only ever taken
as the literal text between those pieces.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter, defaultdict, deque
from dataclasses import dataclass
from typing import TYPE_CHECKING

from apo_engine.positions import Span
from apo_engine.problems import Severity
from apo_engine.prompt.file import PromptFile, parse_prompt
from apo_engine.prompt.sections import END, EXEMPLARS, regions
from apo_engine.prompt.template import BlockClose, BlockOpen, Else, Text, scan

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from apo_engine.prompt.template import Node

_BREAK = "=== next system message ==="
_BEGIN_MARK, _END_MARK = f"{{{{!-- {EXEMPLARS} --}}}}", f"{{{{!-- {END} --}}}}"
# Stands for an exemplar block in the midst of a passage; one at the end of it needs no stand-in.
_STAND_IN = _BEGIN_MARK + _END_MARK


class EditRejected(ValueError):
    """A rewrite that must not become a prompt; ``reason`` says why, in a few words."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class _Passage:
    """A passage taken apart: ``lead + core + tail`` is its text. The core is shown and may be rewritten; the lead and
    tail are white space, and an exemplar block at the end."""

    lead: str
    core: str
    tail: str


def tunable_text(prompt: PromptFile) -> str:
    r"""The optimizable text, as a model is shown it: ``\n`` line ends, no exemplar block, kept regions as they are.

    Several passages are joined by a line of their own, :func:`passage_break`, which must survive a rewrite.
    """
    return f"\n\n{passage_break(prompt)}\n\n".join(_plain_lines(part.core) for part in _passages(prompt))


def passage_break(prompt: PromptFile) -> str:
    """The line between two passages in :func:`tunable_text`; no line of the prompt itself."""
    mark = _BREAK
    while mark in prompt.text:
        mark = f"={mark}="
    return mark


def with_tunable_text(prompt: PromptFile, new: str) -> PromptFile:
    """The prompt with its optimizable text replaced by ``new``, in which all tags and kept regions must survive.

    Outer white space of ``new`` does not matter; line ends become those of the file.

    Raises:
        EditRejected: a placeholder, helper, block, partial, comment or kept region is missing, added or changed; the
            text is empty; or the result would not parse as the prompt did.
    """
    if new == tunable_text(prompt):
        return prompt
    parts = _passages(prompt)
    if not parts:
        raise EditRejected("the prompt has no text to rewrite")
    if any(_crosses(kept, prompt.passages) for kept in prompt.kept):
        raise EditRejected("a kept region reaches from one message into another")
    pieces = [piece.strip() for piece in _plain_lines(new).split(passage_break(prompt))]
    if len(pieces) != len(parts):
        raise EditRejected(f"it has {len(pieces)} parts instead of {len(parts)}")
    line_end = _line_end(prompt.text)
    block = prompt.exemplars.of(prompt.text) if prompt.exemplars else ""
    text, at = [], 0
    for span, part, piece in zip(prompt.passages, parts, pieces, strict=True):
        core = _rewritten(part.core, piece, line_end).replace(_STAND_IN, block)
        text += [prompt.text[at : span.start], part.lead, core, part.tail]
        at = span.end
    return _verified(prompt, "".join([*text, prompt.text[at:]]), [_plain_lines(piece) for piece in pieces])


def with_exemplars(prompt: PromptFile, block: str | None) -> PromptFile:
    """The prompt with ``block`` in its marked exemplar block, at the end of the first passage if there is none yet.

    None removes the block; putting a block and removing it again gives the same prompt.

    Raises:
        EditRejected: ``block`` holds ``{{``, which would make data a template; or there is nowhere to put it.
    """
    if block is not None and ("{{" in block or not block.strip()):
        raise EditRejected("the exemplars hold template braces" if block.strip() else "the exemplars are empty")
    text, line_end = prompt.text, _line_end(prompt.text)
    marked = "" if block is None else f"{_BEGIN_MARK}\n{_plain_lines(block)}\n{_END_MARK}".replace("\n", line_end)
    if prompt.exemplars:
        start, end = prompt.exemplars.start, prompt.exemplars.end
        if block is None:
            section = max((part.span.start for part in prompt.sections if part.span.start <= start), default=0)
            before = text[section:start].rstrip()
            start = section + len(before) if before else start
        return _reparsed(prompt, text[:start] + marked + text[end:])
    if block is None:
        return prompt
    if not prompt.passages:
        raise EditRejected("the prompt has no text to put exemplars after")
    span = prompt.passages[0]
    at = span.start + len(span.of(text).rstrip())
    at_mark = at + 2 * len(line_end)
    result = _reparsed(prompt, text[:at] + line_end * 2 + marked + text[at:])
    # Behind a region that nothing closes, the new end mark would close that one.
    if result.exemplars != Span(at_mark, at_mark + len(marked)):
        raise EditRejected("the exemplars would stand inside another marked region")
    return result


def _within(inner: Span, outer: Span) -> bool:
    return outer.start <= inner.start and inner.end <= outer.end


def _crosses(kept: Span, passages: Sequence[Span]) -> bool:
    """Whether a region lies partly in one of the passages, which are in order."""
    first = bisect_right(passages, kept.start, key=lambda span: span.end)
    if first == len(passages) or _within(kept, passages[first]):
        return False
    return kept.overlaps(passages[first])


def _passages(prompt: PromptFile) -> list[_Passage]:
    parts = []
    for span in prompt.passages:
        text = span.of(prompt.text)
        core = text.strip()
        start = span.start + text.index(core)
        end, shown = start + len(core), core
        block = prompt.exemplars
        if block and start <= block.start and block.end <= end:
            if block.end == end and prompt.text[start : block.start].strip():
                shown = prompt.text[start : block.start].rstrip()
                end = start + len(shown)
            else:
                shown = prompt.text[start : block.start] + _STAND_IN + prompt.text[block.end : end]
        parts.append(_Passage(prompt.text[span.start : start], shown, prompt.text[end : span.end]))
    return parts


def _rewritten(old: str, new: str, line_end: str) -> str:
    """``new`` with the line ends of the file, and with every fixed piece as ``old`` has it."""
    if not new:
        raise EditRejected("it is empty")
    fixed_old, fixed_new = list(_fixed(old)), list(_fixed(new))
    wanted = [_plain_lines(span.of(old)) for span, _ in fixed_old]
    given = [_plain_lines(span.of(new)) for span, _ in fixed_new]
    # Expressions may change places among themselves; where there are blocks, their scope would change.
    ordered = any(isinstance(node, (BlockOpen, BlockClose, Else)) for _, node in fixed_old)
    if wanted != given and (ordered or Counter(wanted) != Counter(given)):
        raise EditRejected(_difference(wanted, given))
    originals: defaultdict[str, deque[str]] = defaultdict(deque)
    for key, (span, _) in zip(wanted, fixed_old, strict=True):
        originals[key].append(span.of(old))
    result, at = [], 0
    for key, (span, _) in zip(given, fixed_new, strict=True):
        result += [new[at : span.start].replace("\n", line_end), originals[key].popleft()]
        at = span.end
    if _has_words(old, [span for span, _ in fixed_old]) and not _has_words(new, [span for span, _ in fixed_new]):
        raise EditRejected("nothing but placeholders is left")
    return "".join([*result, new[at:].replace("\n", line_end)])


def _fixed(text: str) -> Iterator[tuple[Span, Node | None]]:
    """The pieces of a passage that must survive: kept regions as a whole, and every tag outside of them."""
    nodes, _ = scan(text)
    kept: Sequence[Span] = regions(nodes, len(text)).kept
    for node in nodes:
        before = bisect_right(kept, node.span.start, key=lambda span: span.start)
        inside = kept[before - 1] if before and _within(node.span, kept[before - 1]) else None
        if inside is None and not isinstance(node, Text):
            yield node.span, node
        elif inside is not None and node.span.start == inside.start:
            yield inside, None


def _has_words(text: str, fixed: Sequence[Span]) -> bool:
    """Whether anything but white space stands between the fixed pieces."""
    starts, ends = [0, *(span.end for span in fixed)], [*(span.start for span in fixed), len(text)]
    return any(text[start:end].strip() for start, end in zip(starts, ends, strict=True))


def _difference(wanted: list[str], given: list[str]) -> str:
    missing, added = Counter(wanted) - Counter(given), Counter(given) - Counter(wanted)
    if missing:
        return f"it lost {_named(missing)}"
    return f"it added {_named(added)}" if added else "it moved placeholders in or out of a block"


def _named(pieces: Counter[str]) -> str:
    return ", ".join(piece if len(piece) <= 40 else f"{piece[:39]}…" for piece in list(pieces)[:3])


def _verified(prompt: PromptFile, text: str, pieces: list[str]) -> PromptFile:
    """The new prompt, once it is certain that it reads as the text that was asked for and changes nothing else."""
    result = _reparsed(prompt, text)
    if [_plain_lines(part.core) for part in _passages(result)] != pieces:
        raise EditRejected("it would be read differently")
    return result


def _reparsed(prompt: PromptFile, text: str) -> PromptFile:
    result = parse_prompt(text, prompt.path)
    if result.bom:
        raise EditRejected("it begins with a byte order mark")
    result = parse_prompt("\ufeff" + text, prompt.path) if prompt.bom else result
    same_parts = [part.role for part in result.sections] == [part.role for part in prompt.sections]
    if not same_parts or result.template.start != prompt.template.start or _errors(result) > _errors(prompt):
        raise EditRejected("the result is not a valid prompt")
    return result


def _errors(prompt: PromptFile) -> int:
    return sum(problem.severity is Severity.ERROR for problem in prompt.problems)


def _plain_lines(text: str) -> str:
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _line_end(text: str) -> str:
    """The line end that the text uses most."""
    return "\r\n" if text.count("\r\n") * 2 > text.count("\n") else "\n"
