"""Misspelled keys of the front matter. Keys that resemble none are left alone: Dotprompt passes them on."""

from __future__ import annotations

from typing import TYPE_CHECKING

from apo_engine.positions import Span
from apo_engine.problems import Problem, Repair, Severity
from apo_engine.prompt.frontmatter import NAMESPACE
from apo_engine.prompt.keys import DOTPROMPT
from apo_engine.prompt.yaml_tree import Mapping
from apo_engine.settings import nearest

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from apo_engine.prompt.file import PromptFile
    from apo_engine.prompt.yaml_tree import Entry

# Dotprompt keeps two more for itself.
_RESERVED = (*(key.name for key in DOTPROMPT if len(key.path) == 1), "ext", "raw")
_BELOW = {name: tuple(key.name for key in DOTPROMPT if key.path[:-1] == (name,)) for name in ("input", "output")}


def key_problems(prompt: PromptFile) -> Iterator[Problem]:
    """Keys that are likely misspelled, at the top and below Dotprompt's ``input`` and ``output``."""
    if prompt.front_matter is None:
        return
    root = prompt.front_matter.root
    for entry in root.entries:
        name = entry.key.text
        if name == NAMESPACE.rstrip("."):
            yield _nested_namespace(prompt, entry)
        elif name not in _RESERVED and "." not in name:
            yield from _misspelled(prompt, entry, root, _RESERVED, "Dotprompt")
        elif name in _BELOW and isinstance(entry.value, Mapping):
            for inner in entry.value.entries:
                yield from _misspelled(prompt, inner, entry.value, _BELOW[name], f"'{name}'")


def _misspelled(
    prompt: PromptFile, entry: Entry, among: Mapping, known: Sequence[str], owner: str
) -> Iterator[Problem]:
    name = entry.key.text
    close = nearest(name, known) if name not in known else None
    if close:
        # A key that stands there twice would break the front matter.
        repairs = (Repair.respelling(entry.key.span, close),) if among.get(close) is None else ()
        message, remedy, place = (
            f"'{name}' is no key of {owner}.",
            f"Did you mean {close!r}?",
            prompt.place(entry.key.span),
        )
        yield Problem("key-unknown", message, remedy, place, Severity.WARNING, repairs)


def _nested_namespace(prompt: PromptFile, entry: Entry) -> Problem:
    """``apo:`` with keys below it, which is read as one unknown key."""
    message, remedy = "'apo' is not read as a map.", "Write its keys as 'apo.examples: …'."
    return Problem(
        "key-unknown", message, remedy, prompt.place(entry.key.span), Severity.WARNING, _flattened(prompt, entry)
    )


def _flattened(prompt: PromptFile, entry: Entry) -> tuple[Repair, ...]:
    """Each key below on a line of its own, with the prefix; only where each has a line of its own already."""
    entries = entry.value.entries if isinstance(entry.value, Mapping) else ()
    root = prompt.front_matter.root if prompt.front_matter else None
    if root is None or any(root.get(f"{NAMESPACE}{inner.key.text}") is not None for inner in entries):
        return ()
    edits: list[tuple[Span, str]] = []
    begin = entry.key.span.start
    for inner in entries:
        start = inner.key.span.start
        line = prompt.lines.span_of_line(prompt.lines.line_of(start)).start
        if prompt.text[line:start].strip() or "\n" not in prompt.text[begin:start]:
            return ()
        edits.append((Span(begin if not edits else line, start), NAMESPACE))
    return (Repair("Write the keys with the prefix", tuple(edits)),) if edits else ()
