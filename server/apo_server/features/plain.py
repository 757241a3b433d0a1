"""Words of rows and models made harmless: they are text to the editor, never markup, links or commands."""

from __future__ import annotations

import re

from apo_engine.unseen import spelled

# Characters that mean something anywhere in a line of Markdown, and those that do so at its beginning.
_INLINE = re.compile(r"([\\`*_\[\]<>|~&])")
_LEADING = re.compile(r"^([#+\-=]|\d{1,9}(?=[.)]))")
# What renderers make links of by themselves.
_AUTOMATIC = re.compile(r"(:(?=//)|@)|(?<=www)(\.)", re.IGNORECASE)
_LINE_END = re.compile(r"\r\n|\n|\r")
# Editors make links, and commands to click on, of this in any message.
_LINK = re.compile(r"\](?=\()")


def visible(text: str) -> str:
    """One line in which nothing hides: white space is a space, characters that cannot be seen show their number."""
    return spelled(" ".join(text.split()))


def said(text: str) -> str:
    """Words for a message, a title or a log: `visible`, and no link to follow."""
    return _LINK.sub("] ", visible(text))


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
    """The text as a block of Markdown that it cannot close, and in which nothing hides."""
    fence = "```"
    while fence in text:
        fence += "`"
    shown = spelled(_LINE_END.sub("\n", text))
    return f"{fence}{language}\n{shown}\n{fence}"
