"""Text from files and models, made fit for a terminal: it is shown as it is, and never obeyed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from apo_engine.unseen import spelled

if TYPE_CHECKING:
    from rich.text import Text


def visible(text: str) -> str:
    """The text with everything that a terminal would obey or hide spelled out, as ``\\x1b`` or ``\\u202e``.

    Tabs and line feeds stay; a carriage return stays only as part of a line end, which becomes a line feed.
    """
    return spelled(text.replace("\r\n", "\n"), _escape).replace("\r", _escape("\r"))


def one_line(text: str) -> str:
    """The text, visible, in one line: a line break in a name or a message begins no line of its own."""
    return visible(text).replace("\n", _escape("\n")).replace("\t", " ")


def excerpt(text: str, width: int) -> str:
    """The text, visible, in one line of at most ``width`` characters."""
    line = visible(" ".join(text[: 8 * width].split()))
    return line if len(line) <= width and len(text) <= 8 * width else line[: width - 1].rstrip() + "…"


def literal(text: str, style: str = "") -> Text:
    """The text, visible, as something to print that is never read as markup."""
    from rich.text import Text  # error messages need `visible` and no rich

    return Text(visible(text), style=style)


def _escape(char: str) -> str:
    code = ord(char)
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
