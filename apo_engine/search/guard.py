"""What keeps a rewrite out of the pool, and what is said of one that enters."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace

from apo_engine.examples.example import Example
from apo_engine.prompt.edit import tunable_text
from apo_engine.prompt.file import PromptFile
from apo_engine.search.arm import Arm
from apo_engine.search.copies import Copies
from apo_engine.search.intrusion import Intrusions, names_of
from apo_engine.search.length import longest, too_long
from apo_engine.search.suspicion import suspicions


class Guard:
    """Refuses rewrites that repeat a known candidate, grow without bound, copy rows outside the exemplar block, or add
    a role or placeholder; names what else their reader should look at.
    """

    def __init__(self, seed: Arm, rows: Sequence[Example]) -> None:
        self._own = seed.prompt.text
        self._longest = longest(tunable_text(seed.prompt))
        self._copies = Copies(self._own, rows)
        self._intrusions = Intrusions(self._own, names_of(rows))

    def refusal(self, prompt: PromptFile, known: Collection[str], name: str) -> str | None:
        """Why the rewrite called ``name`` must not enter, or None."""
        if name in known:
            return "the same text as an earlier candidate"
        text = tunable_text(prompt)
        if len(text) > self._longest:
            return too_long(text, self._longest)
        if self._copies.quotes(text):
            return "copies the text of a row"
        return self._intrusions.added(prompt.text)

    def suspicions(self, prompt: PromptFile) -> tuple[str, ...]:
        """What a rewrite adds that its reader should look at, in words that go on from "it"."""
        return (*suspicions(prompt.text, self._own), *self._copies.repeated(tunable_text(prompt)))


def looked_at(arm: Arm, guard: Guard) -> Arm:
    """The arm with its suspicions in its candidate."""
    return Arm(replace(arm.candidate, suspicions=guard.suspicions(arm.prompt)), arm.prompt)
