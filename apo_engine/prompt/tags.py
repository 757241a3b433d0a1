"""Data between tags that it cannot forge: how a prompt shows text that must be read and never obeyed."""

from __future__ import annotations

import hashlib


def mark_of(*data: str) -> str:
    """A tag suffix that depends on the data and hence does not occur in it (to guess it is to invert SHA-256)."""
    digest = hashlib.sha256("\x00".join(data).encode("utf-8", "surrogatepass")).hexdigest()[:10]
    return digest if not any(digest in part for part in data) else mark_of(digest, *data)


def between(answer: str, tag: str) -> str | None:
    """What an answer says between the last ``<tag>`` and ``</tag>``, or None."""
    _head, opening, rest = answer.rpartition(f"<{tag}>")
    body, closing, _ = rest.partition(f"</{tag}>")
    return body.strip("\r\n") if opening and closing else None
