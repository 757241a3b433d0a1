"""The prompts that the optimizer itself uses: `.prompt` files in `meta/`, or the user's own in their place."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from importlib.resources import files
from pathlib import Path
from types import MappingProxyType

from apo_engine.allowed_paths import is_network_path, is_within
from apo_engine.evaluation.result import RowResult
from apo_engine.examples.example import Example
from apo_engine.models.chat import Message
from apo_engine.problems import InputError, Place, Problem
from apo_engine.prompt.file import PromptFile, load_named_prompt, load_prompt, parse_prompt, require_runnable
from apo_engine.prompt.partials import load_partials
from apo_engine.prompt.render import Renderer
from apo_engine.prompt.shown_data import shown_field
from apo_engine.prompt.tags import between, mark_of

__all__ = ["MetaPrompts", "between", "load_meta_prompts", "mark_of", "rows_as_text"]

_NAMES = ("critic", "editor", "paraphrase", "phrase")
_NONE: Mapping[str, PromptFile] = MappingProxyType({})


class MetaPrompts:
    """Renders the meta-prompts: the built-in ones, but for those that ``own`` replaces, by name.

    ``texts`` are the text of each and those of its partials; ``own`` are the replacing ones with their partials.
    """

    def __init__(self, own: Mapping[str, PromptFile] = _NONE) -> None:
        prompts = {name: own.get(name) or _built_in(name) for name in _NAMES}
        partials = {name: load_partials(prompt) for name, prompt in prompts.items()}
        self.texts = {name: (prompt.text, dict(partials[name])) for name, prompt in prompts.items()}
        self.own = tuple((prompt, partials[name]) for name, prompt in prompts.items() if name in own)
        self._renderers = {
            # They are rendered on the event loop, and take texts alone.
            name: Renderer(prompt, partials[name], quick=True)
            for name, prompt in prompts.items()
        }

    def messages(self, name: str, **data: str) -> tuple[Message, ...]:
        """The messages of one meta-prompt, with the data between tags that it cannot forge."""
        return self._renderers[name].messages({**data, "mark": mark_of(*data.values())})


def load_meta_prompts(
    name: str | None, base: Path, roots: Sequence[Path] | None, place: Place | None = None
) -> Mapping[str, PromptFile]:
    """The user's own meta-prompts by name: those in a folder that have the name of a built-in one.

    Args:
        name: the folder, relative to ``base``; None for the built-in ones.
        base: the folder of the prompt.
        roots: the folders that the files may lie in; None where the user named the folder, so that it may lie anywhere.
        place: where the folder is named.

    Raises:
        InputError: there is no such folder, it lies elsewhere; or a file in it lies elsewhere, cannot be read or is no
            sound prompt.
    """
    if name is None:
        return _NONE
    folder = base / name
    if roots is not None and (is_network_path(name) or not is_within(folder, roots)):
        raise _outside(folder, place)
    if not folder.is_dir():
        message = f"There is no folder of meta-prompts {folder}."
        raise InputError(Problem("no-meta-folder", message, "Correct 'optimizer.meta', or remove it.", place))
    own = {}
    for known in _NAMES:
        path = folder / f"{known}.prompt"
        if os.path.lexists(path):
            if roots is not None and not is_within(path, roots):
                raise _outside(path, place)
            own[known] = load_prompt(path) if roots is None else load_named_prompt(path, roots)
            require_runnable(own[known])
    return own


def _outside(path: Path, place: Place | None) -> InputError:
    message = f"The meta-prompts {path} lie outside the prompt's folder and the folders you work in."
    remedy = "Copy them beside the prompt, or name the folder in your configuration file."
    return InputError(Problem("meta-outside", message, remedy, place))


def rows_as_text(failures: Sequence[tuple[Example, RowResult]]) -> str:
    """Failing rows as a critic or editor is shown them: numbered from 1, inputs, expected and answered.

    Only lines of ours begin at the margin, so that no row can pass for another one.
    """
    blocks = []
    for number, (row, result) in enumerate(failures, start=1):
        unreadable = " (could not be read as an answer)" if result.invalid else ""
        fields = [
            *(shown_field(name, value) for name, value in row.inputs.items()),
            shown_field("expected", row.expected),
            shown_field(f"answered{unreadable}", result.answer.strip() or "(nothing)"),
        ]
        blocks.append("\n".join([f"Row {number}", *fields]))
    return "\n\n".join(blocks)


def _built_in(name: str) -> PromptFile:
    text = (files("apo_engine.search") / "meta" / f"{name}.prompt").read_text("utf-8")
    return parse_prompt(text, None)
