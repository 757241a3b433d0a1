"""What a fuzz target is: a check of bytes that holds within bounds, and the words that get it far."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

SEEDS = Path(__file__).parent / "seeds"


@dataclass(frozen=True)
class Target:
    """``check`` raises where a promise is broken; ``words`` are what the format is made of.

    No input of up to ``longest`` bytes may take more than ``seconds`` of the processor.
    """

    name: str
    check: Callable[[bytes], None]
    words: tuple[bytes, ...]
    longest: int = 4096
    seconds: float = 2.0

    def run(self, data: bytes, slower: float = 1.0) -> None:
        """Check one input, within the bound of time; ``slower`` is how much longer a watched program may take."""
        begun = time.thread_time()
        self.check(data[: self.longest])
        taken = time.thread_time() - begun
        if taken > self.seconds * slower:
            raise AssertionError(f"{len(data)} bytes took {taken:.1f} s")

    @property
    def seeds(self) -> list[Path]:
        """The inputs that are always tried."""
        return sorted((SEEDS / self.name).iterdir())


def text_of(data: bytes) -> str:
    """Bytes as text; those that are no UTF-8 become lone surrogates, which editors can send."""
    return data.decode("utf-8", "surrogateescape")
