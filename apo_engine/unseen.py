"""Characters that a reader would not see, or that act instead of being seen: what is shown to people shows them too.

Controls (escape sequences begin with one), characters that turn the writing direction, have no width, or are private or
unassigned, separators of lines and paragraphs, tags, variation selectors, blanks that count as letters, and lone
surrogates; line ends and tabs do what everybody expects, and are none of them.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterator
from itertools import chain

_CATEGORIES = frozenset(("Cc", "Cf", "Cn", "Co", "Cs", "Zl", "Zp"))
# Letters, signs and marks that are drawn as nothing, though they are of a category that is seen.
_BLANK = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u2800\u3164\uffa0")
_SELECTORS = frozenset(chain(range(0xFE00, 0xFE10), range(0xE0100, 0xE01F0), range(0x180B, 0x1810)))
_EMOJI_JOINERS = frozenset("\u200d\ufe0e\ufe0f")
# The zero-width non-joiner and joiner shape letters in Arabic and Indic scripts.
_LETTER_JOINERS = frozenset("\u200c\u200d")
_SUSPECT = re.compile(r"[^\x20-\x7e\n\r\t]")


def is_unseen(char: str) -> bool:
    """Whether a character shows nothing where it stands, or would be obeyed."""
    if not _SUSPECT.match(char):
        return False
    return char in _BLANK or ord(char) in _SELECTORS or unicodedata.category(char) in _CATEGORIES


def hidden(text: str) -> tuple[str, ...]:
    """The characters that hide in a text, each once; not those that join emoji or letters where they belong."""
    return tuple(dict.fromkeys(text[at] for at in _places(text)))


def numbered(char: str) -> str:
    """The character's number, as people write it: ``<U+202E>``."""
    return f"<U+{ord(char):04X}>"


def spelled(text: str, name: Callable[[str], str] = numbered) -> str:
    """The text in which ``name`` stands for each character that hides in it."""
    parts, done = [], 0
    for at in _places(text):
        parts += [text[done:at], name(text[at])]
        done = at + 1
    return "".join([*parts, text[done:]])


def _places(text: str) -> Iterator[int]:
    for match in _SUSPECT.finditer(text):
        at = match.start()
        if is_unseen(match[0]) and not _joins(match[0], text[at - 1 : at], text[at + 1 : at + 2]):
            yield at


def _joins(char: str, before: str, after: str) -> bool:
    """Whether the character does what it is there for: join emoji, choose how one is drawn, shape a letter."""
    if char in _EMOJI_JOINERS and before and not before.isascii() and unicodedata.category(before)[0] in "SCM":
        return True
    if char in "\ufe0e\ufe0f" and before and before in "0123456789#*":
        return True
    return char in _LETTER_JOINERS and bool(before) and bool(after) and _shaped(before) and _shaped(after)


def _shaped(char: str) -> bool:
    """Whether the character is of a script whose letters joiners shape."""
    return unicodedata.category(char) in ("Lo", "Mn", "Mc") and 0x0600 <= ord(char) < 0x1100
