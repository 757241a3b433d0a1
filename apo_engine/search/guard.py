"""What keeps a rewrite out of the pool."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from apo_engine.examples.example import Example
from apo_engine.prompt.edit import tunable_text
from apo_engine.prompt.file import PromptFile
from apo_engine.search.arm import Arm

# A shared run of this many characters is a quotation, not a coincidence of wording.
_QUOTATION = 40
_GROWTH = 4
_ROOM = 4000


class Guard:
    """Refuses rewrites that repeat a known candidate, grow without bound, or copy rows outside the exemplar block."""

    def __init__(self, seed: Arm, rows: Sequence[Example]) -> None:
        self._seed = tunable_text(seed.prompt)
        self._longest = max(_GROWTH * len(self._seed), len(self._seed) + _ROOM)
        self._pieces = frozenset(
            piece for row in rows for value in row.inputs.values() for piece in _pieces(value)
        ) - frozenset(_windows(_squeezed(self._seed)))

    def refusal(self, prompt: PromptFile, known: Collection[str], name: str) -> str | None:
        """Why the rewrite called ``name`` must not enter, or None."""
        if name in known:
            return "the same text as an earlier candidate"
        text = tunable_text(prompt)
        if len(text) > self._longest:
            return f"too long ({len(text):,} characters, the limit is {self._longest:,})"
        if any(window in self._pieces for window in _windows(_squeezed(text))):
            return "copies the text of a row"
        return None


def _squeezed(text: str) -> str:
    return " ".join(text.casefold().split())


def _pieces(value: str) -> list[str]:
    """Every 20th window of a row: any quotation of 60 characters or more holds one of them whole."""
    squeezed = _squeezed(value)
    return [squeezed[at : at + _QUOTATION] for at in range(0, len(squeezed) - _QUOTATION + 1, _QUOTATION // 2)]


def _windows(squeezed: str) -> list[str]:
    return [squeezed[at : at + _QUOTATION] for at in range(len(squeezed) - _QUOTATION + 1)]
