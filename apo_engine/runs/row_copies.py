"""Hold-out rows that say the same: a test that counted each of them would prove with copies."""

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
    groups: Mapping[str, bytes],
    is_stopped: Callable[[], bool] = lambda: False,
) -> dict[str, str]:
    """The rows that repeat an earlier one: by id, the id of that one.

    Rows are the same if they are of one of the ``groups`` (by id), whatever answers they expect: a model that gets one
    right gets the others right or wrong with it. So are rows of which the prompt makes the same messages, whatever
    columns it does not read, if the same answer is expected, but for case and white space. Ends early if ``is_stopped``
    says so: nobody waits for the result then.

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
        keys = (b"group" + groups[row.id], b"asked" + hashlib.sha256(msgspec.json.encode(seen)).digest())
        earlier = next((first[key] for key in keys if key in first), row.id)
        for key in keys:
            first.setdefault(key, earlier)
        if earlier != row.id:
            copies[row.id] = earlier
    return copies


def without_copies(whole: Split, copies: Mapping[str, str]) -> Split:
    """The split with one hold-out row in place of each that it has copies of."""
    return Split(whole.critique, whole.selection, tuple(row for row in whole.holdout if row.id not in copies))
