"""How long a rewrite may be: a prompt that grows without bound is paid for with every row."""

from __future__ import annotations

_GROWTH = 4
_ROOM = 4000


def longest(own: str) -> int:
    """How many characters a rewrite of this text may have."""
    return max(_GROWTH * len(own), len(own) + _ROOM)


def too_long(text: str, most: int) -> str:
    """Why a rewrite of more than ``most`` characters is refused."""
    return f"too long ({len(text):,} characters, the limit is {most:,})"
