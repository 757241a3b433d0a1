"""Words of rows and models made harmless: they are text to the editor, never markup, links or commands."""

from __future__ import annotations

import re
import unicodedata

# Characters that mean something anywhere in a line of Markdown, and those that do so at its beginning.
_INLINE = re.compile(r"([\\`*_\[\]<>|~&])")
_LEADING = re.compile(r"^([#+\-=]|\d{1,9}(?=[.)]))")
# What renderers make links of by themselves.
_AUTOMATIC = re.compile(r"(?<=\w)(:(?=//)|@)|(?<=www)(\.)", re.IGNORECASE)
# Control, format (among them those that turn the writing direction) and unassigned characters, and lone surrogates.
_UNSEEN = {"Cc", "Cf", "Cs", "Cn"}
_JOINERS = "\u200c\u200d"


def visible(text: str) -> str:
    """One line in which nothing hides: white space is a space, characters that cannot be seen show their number."""
    line = " ".join(text.split())
    if line.isascii() and line.isprintable():
        return line
    return "".join(
        f"<U+{ord(char):04X}>" if unicodedata.category(char) in _UNSEEN and char not in _JOINERS else char
        for char in line
    )


def markdown(text: str) -> str:
    """The text as Markdown that shows exactly it, on one line and within a table cell."""
    escaped = _INLINE.sub(r"\\\1", visible(text))
    escaped = _AUTOMATIC.sub(lambda match: f"\\{match[0]}", escaped)
    return _LEADING.sub(lambda match: f"{match[0]}\\" if match[0][0].isdigit() else f"\\{match[0]}", escaped)


def points(fraction: float) -> str:
    """A difference in signed percentage points, to one decimal: ``+9.5``."""
    value = round(100 * fraction, 1) + 0.0
    return f"{value:+.1f}".replace("-", "−")


def verbatim(text: str, language: str = "") -> str:
    """The text as a block of Markdown that it cannot close."""
    fence = "```"
    while fence in text:
        fence += "`"
    return f"{fence}{language}\n{text}\n{fence}"
