"""The difference between two prompts, as people read it."""

from __future__ import annotations

import difflib
import re

from rich.text import Text

from apo_engine.cli.plain import literal

_LINE_END = re.compile(r"\r\n|\n|\r")
_STYLES = {"+": "green", "-": "red", "@": "cyan"}


def unified(old: str, new: str, name: str) -> Text:
    """A unified diff with three lines of context; empty where nothing differs in text."""
    before, after = (_LINE_END.split(text.removesuffix("\n").removesuffix("\r")) for text in (old, new))
    lines = difflib.unified_diff(before, after, name, f"{name} (optimized)", lineterm="")
    diff = Text()
    for number, line in enumerate(lines):
        style = "bold" if number < 2 else _STYLES.get(line[:1], "dim")
        diff.append_text(literal("\n" * bool(number)))
        diff.append_text(literal(line, style))
    return diff
