"""Hold-out rows that are one row to the model: a test that counted each of them would prove with copies."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence

import msgspec

from apo_engine.examples.example import Example
from apo_engine.examples.split import Split
from apo_engine.prompt.file import PromptFile
from apo_engine.prompt.render import Renderer


def copies_among(
    rows: Sequence[Example],
    prompt: PromptFile,
    partials: Mapping[str, str],
    is_stopped: Callable[[], bool] = lambda: False,
) -> dict[str, str]:
    """The rows that repeat an earlier one, whatever columns the prompt does not read: by id, the id of that one.

    Rows are the same if the prompt makes the same messages of them and the same answer is expected, but for case and
    white space. Ends early if ``is_stopped`` says so: nobody waits for the result then.

    Raises:
        InputError: the prompt cannot be rendered.
    """
    renderer = Renderer(prompt, partials)
    first: dict[bytes, str] = {}
    copies = {}
    for row in rows:
        if is_stopped():
            break
        seen = (renderer.messages(row.inputs), " ".join(row.expected.casefold().split()))
        earlier = first.setdefault(hashlib.sha256(msgspec.json.encode(seen)).digest(), row.id)
        if earlier != row.id:
            copies[row.id] = earlier
    return copies


def without_copies(whole: Split, copies: Mapping[str, str]) -> Split:
    """The split with one hold-out row in place of each that it has copies of."""
    return Split(whole.critique, whole.selection, tuple(row for row in whole.holdout if row.id not in copies))
