"""Front matter: where it is, and its keys and values with their places, even when other parts are broken."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from apo_engine.positions import Lines, Span
from apo_engine.problems import Place, Problem
from apo_engine.prompt.yaml_tree import Entry, Mapping, Node, YamlError, compose, value_of
from apo_engine.settings import Layer

if TYPE_CHECKING:
    from pathlib import Path

MAX_CHARS = 100_000
MAX_KEYS = 1_000
NAMESPACE = "apo."
_LINE = re.compile(r"([^\r\n]*)(\r\n|\r|\n|\Z)")
_TOP_LEVEL_KEY = re.compile(r"^[^\s#\-][^\r\n]*?:(?=[\s]|$)", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class FrontMatter:
    """The front matter of a file: ``span`` with its ``---`` lines, ``root`` what could be read of it."""

    span: Span
    root: Mapping


def read_front_matter(text: str, path: Path | None, lines: Lines) -> tuple[FrontMatter | None, tuple[Problem, ...]]:
    """Find and read the front matter; None where the whole text is template. Never raises."""
    found = _find(text)
    if found is None:
        return None, ()
    span, inner, closed = found
    problems: list[Problem] = []

    def say(code: str, message: str, remedy: str, span: Span) -> None:
        problems.append(Problem(code, message, remedy, Place.at(path, lines, span)))

    if not closed:
        opening = Span(span.start, lines.span_of_line(lines.line_of(span.start)).end)
        message = "The front matter that begins here has no closing '---' line."
        say("front-matter-unclosed", message, "Add a line '---' before the template.", opening)
    if len(inner) > MAX_CHARS:
        message = f"The front matter is longer than {MAX_CHARS:,} characters."
        say("front-matter-large", message, "Move long text into the template.", Span(inner.start, inner.start))
        return FrontMatter(span, Mapping(inner, ())), tuple(problems)
    try:
        node = compose(inner.of(text), inner.start)
        entries = node.entries if isinstance(node, Mapping) else ()
        if node is not None and not isinstance(node, Mapping):
            say("yaml-syntax", "The front matter must be a map of keys.", "Write 'key: value' lines.", node.span)
    except YamlError as error:
        if closed:
            at = min(error.offset, inner.end)
            end = max(at, lines.span_of_line(lines.line_of(at)).end)
            say(error.code, error.message, error.remedy, Span(at, min(end, max(at, inner.end))))
        entries = _salvaged(text, inner)
    return FrontMatter(span, Mapping(inner, entries)), tuple(problems)


def file_layer(front: FrontMatter | None, path: Path | None, lines: Lines) -> Layer:
    """The settings in the front matter: Dotprompt's ``model`` and ``config``, and everything under ``apo.``."""
    values: dict[str, object] = {}
    nodes: dict[str, Entry] = {}
    for entry in front.root.entries if front else ():
        name = entry.key.text
        setting = name[len(NAMESPACE) :] if name.startswith(NAMESPACE) else name
        if setting != name or name in ("model", "config"):
            # A prefixed `apo.model` would collide with Dotprompt's own key; the plain key wins.
            if setting in values and name.startswith(NAMESPACE):
                continue
            values[setting], nodes[setting] = value_of(entry.value), entry

    def place(keys: tuple[str, ...]) -> Place | None:
        if not keys or keys[0] not in nodes:
            return Place(path)
        found: Node = nodes[keys[0]].value
        span = found.span if len(found.span) else nodes[keys[0]].key.span
        for key in keys[1:]:
            inner = next((e for e in getattr(found, "entries", ()) if e.key.text == key), None)
            if inner is None:
                break
            found, span = inner.value, inner.value.span if len(inner.value.span) else inner.key.span
        return Place.at(path, lines, span)

    def key(keys: tuple[str, ...]) -> Place | None:
        entry = nodes.get(keys[0]) if keys else None
        for name in keys[1:]:
            inner = getattr(entry.value, "entries", ()) if entry is not None else ()
            entry = next((found for found in inner if found.key.text == name), None)
        return Place.at(path, lines, entry.key.span) if entry is not None else None

    return Layer("file", values, place, key)


def default_inputs(front: FrontMatter | None) -> dict[str, object]:
    """The values of ``input.default``: what an input holds when a row leaves it out."""
    default = front.root.get("input", "default") if front else None
    value = value_of(default) if isinstance(default, Mapping) else {}
    assert isinstance(value, dict)
    return value


def front_matter_length(text: str) -> int:
    """How many characters of a text are front matter, whether it can be read or not."""
    found = _find(text)
    return len(found[1]) if found else 0


def _find(text: str) -> tuple[Span, Span, bool] | None:
    """The span with delimiters, the span between them, and whether the closing one is there."""
    at = 0
    while True:
        line = _LINE.match(text, at)
        assert line
        content = line[1]
        if content.rstrip(" \t") == "---":
            break
        if (content.strip() and not content.startswith("#")) or line.end() >= len(text):
            return None
        at = line.end()
    start, inner = at, line.end()
    at = inner
    while at < len(text):
        line = _LINE.match(text, at)
        assert line
        if line[1].rstrip(" \t") == "---":
            return Span(start, line.end()), Span(inner, at), True
        at = line.end()
    return Span(start, len(text)), Span(inner, len(text)), False


def _salvaged(text: str, inner: Span) -> tuple[Entry, ...]:
    """What can be read of a broken front matter: its top-level keys, each on its own."""
    source = inner.of(text)
    starts = [match.start() for match in _TOP_LEVEL_KEY.finditer(source)]
    ends = [*starts[1:], len(source)]
    entries: dict[str, Entry] = {}
    for start, end in zip(starts[:MAX_KEYS], ends, strict=False):
        # A key whose nested lines are broken may still be whole in its own line.
        for upto in (end, start + len(source[start:end].split("\n", 1)[0])):
            try:
                node = compose(source[start:upto], inner.start + start)
            except YamlError:
                continue
            for entry in node.entries if isinstance(node, Mapping) else ():
                entries.setdefault(entry.key.text, entry)
            break
    return tuple(entries.values())
