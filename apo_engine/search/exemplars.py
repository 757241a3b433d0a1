"""Exemplars: critique rows shown inside the prompt as worked examples, in a marked block."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence

from apo_engine.examples.example import Example
from apo_engine.prompt.edit import EditRejected, with_exemplars
from apo_engine.prompt.file import PromptFile
from apo_engine.prompt.render import Renderer, compiles_slowly
from apo_engine.search.intrusion import Intrusions, names_of
from apo_engine.search.suspicion import orders_in
from apo_engine.unseen import hidden

_LONGEST = 700


def balanced(rows: Sequence[Example], count: int, rng: random.Random) -> tuple[Example, ...]:
    """``count`` rows drawn without replacement, the labels as even as they allow, in random order."""
    by_label: dict[str, list[Example]] = {}
    for row in rng.sample(rows, len(rows)):
        by_label.setdefault(row.expected, []).append(row)
    drawn: list[Example] = []
    while len(drawn) < count and any(by_label.values()):
        for pile in rng.sample(list(by_label.values()), len(by_label)):
            if pile and len(drawn) < count:
                drawn.append(pile.pop())
    return tuple(rng.sample(drawn, len(drawn)))


def exchanged(
    shown: Sequence[Example], rows: Sequence[Example], prefer: Sequence[Example], count: int, rng: random.Random
) -> tuple[Example, ...]:
    """The shown rows with ``count`` of them exchanged for others of the same label, preferred rows first."""
    result = list(shown)
    for at in rng.sample(range(len(result)), min(count, len(result))):
        for source in (prefer, rows):
            spare = [row for row in source if row.expected == result[at].expected and row not in result]
            if spare:
                result[at] = rng.choice(spare)
                break
    return tuple(result)


def usable(rows: Sequence[Example]) -> tuple[Example, ...]:
    """The rows fit to be shown: not too long, free of roles and placeholders, and giving no orders to a model."""
    intrusions = Intrusions("", names_of(rows))
    return tuple(
        row for row in rows if sum(map(len, row.inputs.values())) <= _LONGEST and _is_harmless(row, intrusions)
    )


def _is_harmless(row: Example, intrusions: Intrusions) -> bool:
    # With the names of the inputs and without: a block may show them either way.
    named = [f"{name}: {value}" for name, value in row.inputs.items()]
    text = "\n".join([*named, *row.inputs.values(), row.expected])
    return intrusions.added(text) is None and not hidden(text) and not orders_in(text)


def with_rows(prompt: PromptFile, rows: Sequence[Example], partials: Mapping[str, str]) -> PromptFile:
    """The prompt with a block of these rows, each written as the prompt itself asks and would be answered.

    ``partials`` are the texts that the prompt includes, by name.

    Raises:
        EditRejected: a row's text cannot stand in a template, or the prompt is slow.
    """
    bare = with_exemplars(prompt, None)
    return with_exemplars(bare, block_text(bare, rows, partials))


def block_text(prompt: PromptFile, rows: Sequence[Example], partials: Mapping[str, str]) -> str:
    """The text of the block: for each row what the user's part of the prompt makes of it, then the expected answer."""
    if compiles_slowly(prompt, partials):
        raise EditRejected("the prompt takes long to compile")
    renderer = Renderer(prompt, partials)
    shown = []
    for row in rows:
        messages = renderer.messages(row.inputs)
        if renderer.is_slow:
            raise EditRejected("the prompt takes long to render")
        asked = "\n".join(message.content for message in messages if message.role == "user").strip()
        if not any(message.role == "system" for message in messages) or not asked:
            # The only message is the prompt itself: repeat the inputs, not the instructions.
            asked = "\n".join(f"{name}: {value}" for name, value in row.inputs.items()) + "\nanswer:"
        between = " " if asked.endswith(":") else "\n"
        shown.append(f"{asked}{between}{row.expected}")
    text = "\n\n".join(shown)
    if "{{" in text:
        raise EditRejected("a worked example holds template braces")
    return text
