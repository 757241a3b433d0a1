"""The evidence critic: gradients with no model call, from the confusion of labels and the words that go with it."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Sequence

from apo_engine.prompt.file import PromptFile
from apo_engine.search.arm import Arm
from apo_engine.search.confusion import Scored, confusions, failing
from apo_engine.search.critic import Criticism, make_gradient


class EvidenceCritic:
    """Groups failures by what was expected and answered, and names the words typical of each group."""

    def criticise(self, arm: Arm, scored: Sequence[Scored], round_: int, groups: int = 1) -> list[Awaitable[Criticism]]:
        """One criticism of all failures, the largest confusion first."""
        return [self._look(arm, scored)]

    async def _look(self, arm: Arm, scored: Sequence[Scored]) -> Criticism:
        gradients = tuple(
            make_gradient(
                arm,
                critique=str(confusion),
                quote=_mention(arm.prompt, confusion.expected),
                rows=confusion.rows,
                failures=confusion.failures,
                source="evidence",
            )
            for confusion in confusions(scored)
        )
        return Criticism(gradients, tuple(failing(scored)))


def _mention(prompt: PromptFile, label: str) -> str:
    """The line of the optimizable text that names the label, if any."""
    pattern = re.compile(rf"(?<!\w){re.escape(label)}(?!\w)", re.IGNORECASE)
    for literal in prompt.literals:
        for line in literal.of(prompt.text).splitlines():
            if pattern.search(line):
                return line.strip()
    return ""
