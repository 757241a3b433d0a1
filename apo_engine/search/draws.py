"""Random draws that depend on what is drawn for, never on when."""

from __future__ import annotations

import random


def draw(seed: int, *purpose: object) -> random.Random:
    """A generator of its own for one purpose (round, candidate, …), whose draws do not depend on others."""
    return random.Random(":".join(map(str, (seed, *purpose))))
