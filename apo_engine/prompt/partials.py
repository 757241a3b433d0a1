"""Partials: ``{{> name}}`` stands for the template in ``_name.prompt`` beside the prompt."""

from __future__ import annotations

from typing import TYPE_CHECKING

from apo_engine.positions import Lines
from apo_engine.problems import InputError, Place, Problem
from apo_engine.prompt.frontmatter import read_front_matter
from apo_engine.prompt.template import BlockOpen, Partial, scan
from apo_engine.prompt.usage import usage_faults

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from apo_engine.positions import Span
    from apo_engine.prompt.file import PromptFile
    from apo_engine.prompt.template import Node

MAX_PARTIALS = 100
MAX_BYTES = 1_000_000


def partial_names(nodes: Sequence[Node]) -> tuple[tuple[str, Span, bool], ...]:
    """The files that these nodes include: name, place, and whether there must be one (no fallback is given)."""
    inline = {
        node.call.arguments[0].literal or node.call.arguments[0].text
        for node in nodes
        if isinstance(node, BlockOpen) and node.kind == "#*" and node.call.arguments
    }
    found = []
    for node in nodes:
        if isinstance(node, Partial) or (isinstance(node, BlockOpen) and node.kind == "#>"):
            name = node.call.name
            if name not in inline and name != "@partial-block" and node.call.head.call is None:
                found.append((name, node.call.head.span, isinstance(node, Partial)))
    return tuple(found)


def load_partials(prompt: PromptFile) -> Mapping[str, str]:
    """The templates of all partials that a prompt includes, directly or through others, by name.

    Raises:
        InputError: one is missing, broken, outside the prompt's folder, or they include each other in a circle.
    """
    loaded: dict[str, str] = {}
    _load(prompt.path, prompt.nodes, prompt.lines, loaded, (), prompt.path)
    return loaded


def _load(
    root: Path | None,
    nodes: Sequence[Node],
    lines: Lines,
    loaded: dict[str, str],
    chain: tuple[str, ...],
    including: Path | None,
) -> None:
    for name, span, required in partial_names(nodes):
        place = Place.at(including, lines, span)
        if name in chain:
            circle = " → ".join((*chain[chain.index(name) :], name))
            message = f"Partials include each other in a circle: {circle}."
            raise InputError(Problem("partial-circle", message, "Take one of them out.", place))
        if name in loaded:
            continue
        path = _path_of(name, root, place)
        if not path.is_file():
            if required:
                message = f"The partial '{name}' is missing: there is no file {path.name} beside the prompt."
                raise InputError(Problem("partial-missing", message, "Make it, or correct the name.", place))
            continue
        if len(loaded) >= MAX_PARTIALS:
            raise InputError(Problem("partial-many", f"More than {MAX_PARTIALS} partials.", "Use fewer.", place))
        text = _read(path, place)
        front, problems = read_front_matter(text, path, inner_lines := Lines(text))
        start = front.span.end if front else 0
        inner, faults = scan(text, start)
        wrong = [Problem(f.code, f.message, f.remedy, Place.at(path, inner_lines, f.span)) for f in faults]
        wrong += [
            Problem(f.code, f.message, f.remedy, Place.at(path, inner_lines, f.span)) for f in usage_faults(inner)
        ]
        if problems or wrong:
            raise InputError(*problems, *wrong)
        loaded[name] = text[start:]
        _load(root, inner, inner_lines, loaded, (*chain, name), path)


def _path_of(name: str, root: Path | None, place: Place) -> Path:
    if root is None:
        message = f"The partial '{name}' cannot be found: this prompt has no file."
        raise InputError(Problem("partial-missing", message, "Save the prompt first.", place))
    folder, _, base = name.rpartition("/")
    path = root.parent / folder / f"_{base}.prompt"
    if "\0" in name or not path.resolve().is_relative_to(root.parent.resolve()):
        message = f"The partial '{name}' lies outside the prompt's folder."
        raise InputError(Problem("partial-outside", message, "Move it beside the prompt.", place))
    return path


def _read(path: Path, place: Place) -> str:
    try:
        if path.stat().st_size > MAX_BYTES:
            message = f"The partial {path.name} is larger than {MAX_BYTES:,} bytes."
            raise InputError(Problem("partial-large", message, "Shorten it.", place))
        return path.read_bytes().decode("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        message = f"The partial {path.name} cannot be read: {error}."
        raise InputError(Problem("partial-unreadable", message, "Save it as UTF-8 text.", place)) from None
