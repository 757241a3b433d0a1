"""What a name in a prompt stands for, and every place of the prompt where the same is named."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from apo_engine.allowed_paths import is_network_path
from apo_engine.positions import Span
from apo_engine.prompt.blocks import closed_blocks
from apo_engine.prompt.partials import partial_names
from apo_engine.prompt.schema import declarations, schema_of
from apo_engine.prompt.yaml_tree import Mapping, Scalar, entries, scalars

if TYPE_CHECKING:
    from apo_engine.prompt.file import PromptFile

_MAPPING = ("apo.examples", "input")


@dataclass(frozen=True, slots=True)
class InputName:
    """An input, or a field of one."""

    path: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ColumnName:
    """A column of the example files, by the files' own name for it."""

    name: str


@dataclass(frozen=True, slots=True)
class LabelName:
    """An answer that the schema of the output allows."""

    text: str


@dataclass(frozen=True, slots=True)
class PartialName:
    """A partial."""

    name: str


@dataclass(frozen=True, slots=True)
class FileName:
    """A file that the front matter names, relative to the prompt."""

    name: str


@dataclass(frozen=True, slots=True)
class FunctionName:
    """A metric of the user's own, as ``module:function``."""

    name: str


Referent = InputName | ColumnName | LabelName | PartialName | FileName | FunctionName


@dataclass(frozen=True, slots=True)
class Mention:
    """One place where something is named; ``declares`` it, or uses it."""

    referent: Referent
    span: Span
    declares: bool = False


def mention_at(prompt: PromptFile, offset: int) -> Mention | None:
    """What the caret is on: the narrowest mention that it touches."""
    touching = [mention for mention in mentions(prompt) if mention.span.contains(offset)]
    return min(touching, key=lambda mention: len(mention.span), default=None)


def mentions_of(prompt: PromptFile, referent: Referent) -> tuple[Mention, ...]:
    """Every place of a prompt that names the same thing, in order."""
    return tuple(sorted(_same(prompt, referent), key=lambda mention: mention.span))


def _same(prompt: PromptFile, referent: Referent) -> Iterator[Mention]:
    seen = set()
    for mention in mentions(prompt):
        if mention.referent == referent and mention.span not in seen:
            seen.add(mention.span)
            yield mention


def mentions(prompt: PromptFile) -> Iterator[Mention]:
    """Every name in a prompt that stands for something elsewhere."""
    yield from _in_front_matter(prompt)
    read = [Mention(InputName((name,)), span) for name, span in prompt.variables]
    read += [Mention(InputName(path), span) for use in prompt.uses for path, span in use.names]
    yield from read
    yield from _in_closing_tags(prompt, read)
    for name, span, _ in partial_names(prompt.nodes):
        yield Mention(PartialName(name), span)


def _in_closing_tags(prompt: PromptFile, read: list[Mention]) -> Iterator[Mention]:
    """A block that is about an input, as ``{{#text}}``, names it once more where it is closed."""
    at = {mention.span.start: mention for mention in read}
    for block, close in closed_blocks(prompt.nodes):
        head = block.call.head.span
        if head.of(prompt.text) == close.name_span.of(prompt.text):
            moved = close.name_span.start - head.start
            for start in range(head.start, head.end):
                if start in at:
                    span = at[start].span
                    yield Mention(at[start].referent, Span(span.start + moved, span.end + moved))


def _in_front_matter(prompt: PromptFile) -> Iterator[Mention]:
    front = prompt.front_matter
    if front is None:
        return
    for found in declarations(front):
        yield Mention(InputName(found.path), found.span, declares=True)
    for entry in entries(front.root.get("input", "default")):
        yield Mention(InputName((entry.key.text,)), inner_span(entry.key), declares=True)
    for needed in scalars(front.root.get("input", "schema", "required")):
        yield Mention(InputName((needed.text,)), inner_span(needed))
    for entry in entries(front.root.get(*_MAPPING)):
        yield Mention(InputName((entry.key.text,)), inner_span(entry.key))
        if isinstance(entry.value, Scalar):
            yield Mention(ColumnName(entry.value.text), inner_span(entry.value))
    expected = front.root.get("apo.examples", "expected")
    if isinstance(expected, Scalar):
        yield Mention(ColumnName(expected.text), inner_span(expected))
    for found in schema_of(front, "output"):
        for node in found.value_nodes:
            yield Mention(LabelName(node.text), inner_span(node))
    for node in file_nodes(prompt):
        yield Mention(FileName(node.text), inner_span(node))
    metric = front.root.get("apo.metric")
    if isinstance(metric, Scalar) and ":" in metric.text:
        yield Mention(FunctionName(metric.text), inner_span(metric))


def file_nodes(prompt: PromptFile) -> tuple[Scalar, ...]:
    """Where the front matter names example files."""
    front = prompt.front_matter
    examples = front.root.get("apo.examples") if front else None
    nodes = [examples]
    if isinstance(examples, Mapping):
        nodes = [examples.get(key) for key in ("path", "train", "holdout")]
    return tuple(node for node in nodes if isinstance(node, Scalar) and node.text)


def beside(prompt: PromptFile, name: str) -> Path | None:
    """The file of a name, relative to the prompt; None where that cannot be told."""
    try:
        os.fsencode(name)
    except UnicodeEncodeError:
        return None
    return None if prompt.path is None or is_network_path(name) else prompt.path.parent / name


def inner_span(node: Scalar) -> Span:
    """The span of a scalar without its quotation marks."""
    quoted = len(node.span) == len(node.text) + 2
    return Span(node.span.start + 1, node.span.end - 1) if quoted else node.span
