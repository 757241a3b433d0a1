"""Characters that show nothing where they stand, and may hide what a text says."""

from __future__ import annotations

import unicodedata
from itertools import chain

# Control, format (tags, joiners and what turns the writing direction among them), unassigned, private, lone surrogates.
_UNSEEN = frozenset(("Cc", "Cf", "Cn", "Co", "Cs"))
# Letters, signs and marks that are drawn as nothing, though they are of a category that is seen.
_BLANK = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u2028\u2029\u2800\u3164\uffa0")
_SELECTORS = frozenset(chain(range(0xFE00, 0xFE10), range(0xE0100, 0xE01F0), range(0x180B, 0x1810)))
_USUAL = frozenset("\n\r\t")
_EMOJI_JOINERS = frozenset("\u200d\ufe0e\ufe0f")
# The zero-width non-joiner and joiner shape letters in Arabic and Indic scripts.
_LETTER_JOINERS = frozenset("\u200c\u200d")


def unseen(char: str) -> bool:
    """Whether a character shows nothing where it stands, line ends and tabs aside."""
    if char.isascii():
        return not char.isprintable() and char not in _USUAL
    return char in _BLANK or ord(char) in _SELECTORS or unicodedata.category(char) in _UNSEEN


def hidden(text: str) -> tuple[str, ...]:
    """The characters that hide in a text, each once; not those that join emoji or letters where they belong."""
    return tuple(dict.fromkeys(text[at] for at in _places(text)))


def spelled(text: str) -> str:
    """The text with every character that hides in it shown by its number: ``<U+200B>``."""
    parts, done = [], 0
    for at in _places(text):
        parts += [text[done:at], f"<U+{ord(text[at]):04X}>"]
        done = at + 1
    return "".join([*parts, text[done:]])


def _places(text: str) -> list[int]:
    if text.isascii() and text.isprintable():
        return []
    return [
        at for at, char in enumerate(text) if unseen(char) and not _joins(char, text[at - 1 : at], text[at + 1 :][:1])
    ]


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
