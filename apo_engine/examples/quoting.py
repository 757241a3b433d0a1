"""Words of rows as they may stand in a message: on one line, short, and with nothing in them that hides."""

from __future__ import annotations

from apo_engine.unseen import spelled


def one_line(text: str, width: int) -> str:
    """The text on one line of at most ``width`` characters, but for those that cannot be seen: ``<U+200B>``."""
    line = " ".join(text[: 8 * width].split())
    if len(line) > width or len(text) > 8 * width:
        line = line[: width - 1].rstrip() + "…"
    return spelled(line)


def quoted(text: str, width: int = 40) -> str:
    """The text in quotation marks, as messages name an answer."""
    return f"'{one_line(text, width)}'"
