"""The prompts that the optimizer itself uses: `.prompt` files in `meta/`, or the user's own in their place."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path

from apo_engine.evaluation.result import RowResult
from apo_engine.examples.example import Example
from apo_engine.models.chat import Message
from apo_engine.problems import InputError, Problem
from apo_engine.prompt.file import load_prompt, parse_prompt, require_runnable
from apo_engine.prompt.render import Renderer

_NAMES = ("critic", "editor", "paraphrase")


class MetaPrompts:
    """Renders the meta-prompts; a file of the same name in ``folder`` replaces the built-in one.

    Raises:
        InputError: a replacing file cannot be read or is no sound prompt.
    """

    def __init__(self, folder: Path | None = None) -> None:
        if folder is not None and not folder.is_dir():
            raise InputError(
                Problem("no-meta-folder", f"There is no folder of meta-prompts {folder}.", "Mend 'optimizer.meta'.")
            )
        self._renderers = {name: _renderer(name, folder) for name in _NAMES}

    def messages(self, name: str, **data: str) -> tuple[Message, ...]:
        """The messages of one meta-prompt, with the data between tags that it cannot forge."""
        return self._renderers[name].messages({**data, "mark": mark_of(*data.values())})


def mark_of(*data: str) -> str:
    """A tag suffix that depends on the data and hence does not occur in it (to guess it is to invert SHA-256)."""
    digest = hashlib.sha256("\x00".join(data).encode("utf-8", "surrogatepass")).hexdigest()[:10]
    return digest if not any(digest in part for part in data) else mark_of(digest, *data)


def between(answer: str, tag: str) -> str | None:
    """What an answer says between the last ``<tag>`` and ``</tag>``, or None."""
    _head, opening, rest = answer.rpartition(f"<{tag}>")
    body, closing, _ = rest.partition(f"</{tag}>")
    return body.strip("\r\n") if opening and closing else None


def rows_as_text(failures: Sequence[tuple[Example, RowResult]]) -> str:
    """Failing rows as a critic or editor is shown them: numbered from 1, inputs, expected and answered."""
    blocks = []
    for number, (row, result) in enumerate(failures, start=1):
        inputs = "\n".join(f"{name}: {_bounded(value)}" for name, value in row.inputs.items())
        answered = _bounded(result.answer.strip()) or "(nothing)"
        unreadable = " (could not be read as an answer)" if result.invalid else ""
        blocks.append(f"Row {number}\n{inputs}\nexpected: {row.expected}\nanswered: {answered}{unreadable}")
    return "\n\n".join(blocks)


def _bounded(text: str, limit: int = 2000) -> str:
    return text if len(text) <= limit else text[: limit - 1] + "…"


def _renderer(name: str, folder: Path | None) -> Renderer:
    own = folder / f"{name}.prompt" if folder else None
    if own and own.is_file():
        prompt = load_prompt(own)
        require_runnable(prompt)
    else:
        built_in = files("apo_engine.search") / "meta" / f"{name}.prompt"
        prompt = parse_prompt(built_in.read_text("utf-8"), None)
    return Renderer(prompt)
