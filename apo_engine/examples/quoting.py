"""Words of rows as they may stand in a message: on one line, short, and with nothing in them that hides."""

from __future__ import annotations

import unicodedata

# Control, format (among them those that turn the writing direction) and unassigned characters, and lone surrogates.
_UNSEEN = frozenset(("Cc", "Cf", "Cs", "Cn"))
# Emoji and several scripts are written with them.
_JOINERS = "\u200c\u200d"


def one_line(text: str, width: int) -> str:
    """The text on one line of at most ``width`` characters, but for those that cannot be seen: ``<U+200B>``."""
    line = " ".join(text[: 8 * width].split())
    if len(line) > width or len(text) > 8 * width:
        line = line[: width - 1].rstrip() + "…"
    if line.isascii() and line.isprintable():
        return line
    return "".join(_shown(char) for char in line)


def quoted(text: str, width: int = 40) -> str:
    """The text in quotation marks, as messages name an answer."""
    return f"'{one_line(text, width)}'"


def _shown(char: str) -> str:
    unseen = unicodedata.category(char) in _UNSEEN and char not in _JOINERS
    return f"<U+{ord(char):04X}>" if unseen else char
