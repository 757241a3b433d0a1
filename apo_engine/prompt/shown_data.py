"""Data as a prompt of ours shows it to be examined: it can begin neither a line nor a turn, and nothing hides in it."""

from __future__ import annotations

import re

from apo_engine.unseen import spelled

# Some servers read the control tokens of their model's chat template in the text of a message, too.
_OPENING = re.compile(
    r"<(?=\s?[|｜]|/?(?:start|end)_of_turn>|/?(?:s|bos|eos)>|<\s?/?\s?SYS\s?>>)"
    r"|\[(?=/?\s?(?:INST|SYSTEM_PROMPT|AVAILABLE_TOOLS|TOOL_CALLS|TOOL_RESULTS)\])|\|(?=im_(?:start|end|sep)\|)",
    re.IGNORECASE,
)


def shown_data(text: str, most: int) -> str:
    """The text, cut to ``most`` characters, with its hidden characters spelled and its control tokens broken."""
    return _OPENING.sub(r"\g<0> ", _cut(spelled(_cut(text, most)), most))


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else text[: most - 1] + "…"


def shown_field(name: str, value: str, most: int = 2000) -> str:
    """A named value; every further line of it is indented, so that none can pass for a field of its own."""
    return "\n  ".join(f"{shown_data(name, 200)}: {shown_data(value, most)}".splitlines())
