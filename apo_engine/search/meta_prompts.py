"""The prompts that the optimizer itself uses: `.prompt` files in `meta/`, or the user's own in their place."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path

from apo_engine.evaluation.result import RowResult
from apo_engine.examples.example import Example
from apo_engine.models.chat import Message
from apo_engine.problems import InputError, Problem
from apo_engine.prompt.file import PromptFile, load_prompt, parse_prompt, require_runnable
from apo_engine.prompt.partials import load_partials
from apo_engine.prompt.render import Renderer
from apo_engine.prompt.shown_data import shown_field
from apo_engine.prompt.tags import between, mark_of

__all__ = ["MetaPrompts", "between", "mark_of", "rows_as_text"]

_NAMES = ("critic", "editor", "paraphrase", "phrase")


class MetaPrompts:
    """Renders the meta-prompts; a file of the same name in ``folder`` replaces the built-in one.

    ``texts`` are the text of each and those of its partials.

    Raises:
        InputError: a replacing file cannot be read or is no sound prompt.
    """

    def __init__(self, folder: Path | None = None) -> None:
        if folder is not None and not folder.is_dir():
            raise InputError(
                Problem("no-meta-folder", f"There is no folder of meta-prompts {folder}.", "Mend 'optimizer.meta'.")
            )
        prompts = {name: _prompt(name, folder) for name in _NAMES}
        self._renderers = {name: Renderer(prompt) for name, prompt in prompts.items()}
        self.texts = {name: (prompt.text, dict(load_partials(prompt))) for name, prompt in prompts.items()}

    def messages(self, name: str, **data: str) -> tuple[Message, ...]:
        """The messages of one meta-prompt, with the data between tags that it cannot forge."""
        return self._renderers[name].messages({**data, "mark": mark_of(*data.values())})


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


def _prompt(name: str, folder: Path | None) -> PromptFile:
    own = folder / f"{name}.prompt" if folder else None
    if own and own.is_file():
        prompt = load_prompt(own)
        require_runnable(prompt)
        return prompt
    built_in = files("apo_engine.search") / "meta" / f"{name}.prompt"
    return parse_prompt(built_in.read_text("utf-8"), None)
