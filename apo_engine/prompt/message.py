"""One chat message: what rendering makes, and what models read."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Role = Literal["system", "user", "model", "tool"]


@dataclass(frozen=True, slots=True)
class Message:
    """A role and plain text: data inside the text can never become a role or a tag."""

    role: Role
    content: str
