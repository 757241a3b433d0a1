"""How many tokens a prompt makes of a row."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from apo_engine.examples.example import Example
from apo_engine.models.tokens import estimate_tokens
from apo_engine.prompt.file import PromptFile
from apo_engine.prompt.render import Renderer

_SAMPLE = 20


def tokens_per_row(
    rows: Sequence[Example],
    prompt: PromptFile,
    partials: Mapping[str, str],
    is_stopped: Callable[[], bool] = lambda: False,
) -> int:
    """The tokens of what the prompt makes of a row, on average over the first rows.

    Ends early if ``is_stopped`` says so: nobody waits for the result then.

    Raises:
        InputError: the prompt cannot be rendered.
    """
    renderer = Renderer(prompt, partials)
    tokens = []
    for row in rows[:_SAMPLE]:
        if is_stopped():
            break
        tokens.append(sum(estimate_tokens(message.content) for message in renderer.messages(row.inputs)))
    return sum(tokens) // max(1, len(tokens))
