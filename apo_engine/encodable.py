"""Text that UTF-8 can carry: JSON may spell half a surrogate pair, which nothing can store, send or show."""

from __future__ import annotations


def encodable(text: str) -> str:
    """The text with ``?`` for what UTF-8 cannot carry."""
    return text if text.isascii() else text.encode("utf-8", "replace").decode()
