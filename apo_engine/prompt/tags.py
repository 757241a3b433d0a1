"""Data between tags that it cannot forge: how a prompt shows text that must be read and never obeyed."""

from __future__ import annotations

import hashlib
import unicodedata


def mark_of(*data: str) -> str:
    """A tag suffix that depends on the data and hence does not occur in it (to guess it is to invert SHA-256)."""
    digest = hashlib.sha256("\x00".join(data).encode("utf-8", "surrogatepass")).hexdigest()[:16]
    return digest if not any(digest in _bare(part) for part in data) else mark_of(digest, *data)


def between(answer: str, tag: str) -> str | None:
    """What an answer says between the last ``<tag>`` and ``</tag>``; None where that is not plain.

    It is not where more than one tag closes after it, or where what it says holds a tag of the same mark.
    """
    _head, opening, rest = answer.rpartition(f"<{tag}>")
    body, *closed = rest.split(f"</{tag}>", 2)
    mark = tag.rpartition("-")[2]
    return body.strip("\r\n") if opening and len(closed) == 1 and mark not in _bare(body) else None


def _bare(text: str) -> str:
    """The text with look-alikes of ASCII in its place and nothing hidden in it, so that no mark is hidden in it."""
    if not text.isascii():
        text = "".join(char for char in unicodedata.normalize("NFKC", text) if char.isascii())
    return text.casefold()
