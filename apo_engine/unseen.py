"""Characters that a reader would not see, or that act instead of being seen: what is shown to people shows them too.

Controls (escape sequences begin with one), characters that turn the writing direction, have no width, or are
unassigned, separators of lines and paragraphs, tags, variation selectors, blanks that count as letters, and lone
surrogates.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable

_CATEGORIES = frozenset(("Cc", "Cf", "Cs", "Cn", "Zl", "Zp"))
# Emoji and several scripts are written with the joiners; the last selector asks for an emoji's colours.
_NEEDED = frozenset("\u200c\u200d")
_BLANKS = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u180b\u180c\u180d\u180f\u2800\u3164\uffa0")
_SELECTORS = re.compile("[\ufe00-\ufe0e\U000e0100-\U000e01ef]")
_SUSPECT = re.compile(r"[^\x20-\x7e]")


def is_unseen(char: str) -> bool:
    """Whether a character would be obeyed, or not be seen; line feeds and tabs count as such."""
    if char in _NEEDED:
        return False
    return unicodedata.category(char) in _CATEGORIES or char in _BLANKS or _SELECTORS.match(char) is not None


def spelled(text: str, name: Callable[[str], str]) -> str:
    """The text in which ``name`` stands for each character that would not be seen."""
    return _SUSPECT.sub(lambda match: name(match[0]) if is_unseen(match[0]) else match[0], text)


def numbered(text: str) -> str:
    """The text in which characters that would not be seen show their number: ``<U+202E>``."""
    return spelled(text, lambda char: f"<U+{ord(char):04X}>")
