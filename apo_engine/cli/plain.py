"""Text from files and models, made fit for a terminal: it is shown as it is, and never obeyed."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.text import Text

# C0 and C1 controls (escape sequences begin with one), DEL, line and paragraph separators, BiDi controls,
# characters of no width that hide text (joiners stay: emoji and Persian need them), tags, lone surrogates.
_UNPRINTABLE = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u2069\ufeff"
    "\ufff9-\ufffb\U000e0000-\U000e007f\ud800-\udfff]"
)


def visible(text: str) -> str:
    """The text with everything that a terminal would obey or hide spelled out, as ``\\x1b`` or ``\\u202e``.

    Tabs and line feeds stay; a carriage return stays only as part of a line end, which becomes a line feed.
    """
    return _UNPRINTABLE.sub(_spelled, text.replace("\r\n", "\n"))


def excerpt(text: str, width: int) -> str:
    """The text, visible, in one line of at most ``width`` characters."""
    line = visible(" ".join(text[: 8 * width].split()))
    return line if len(line) <= width and len(text) <= 8 * width else line[: width - 1].rstrip() + "…"


def literal(text: str, style: str = "") -> Text:
    """The text, visible, as something to print that is never read as markup."""
    from rich.text import Text  # error messages need `visible` and no rich

    return Text(visible(text), style=style)


def _spelled(match: re.Match[str]) -> str:
    code = ord(match.group())
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
