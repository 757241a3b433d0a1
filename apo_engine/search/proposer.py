"""Proposers: from a parent and its scored critique rows to gradients and children."""

from __future__ import annotations

import math
from collections.abc import Awaitable, Sequence
from dataclasses import dataclass
from typing import Protocol

from apo_engine.evaluation.fanout import fan_out
from apo_engine.examples.example import Example
from apo_engine.prompt.edit import EditRejected, tunable_text, with_tunable_text
from apo_engine.search import exemplars
from apo_engine.search.arm import Arm, child_arm
from apo_engine.search.critic import Critic, Criticism, Scored, failing, merged
from apo_engine.search.draws import draw
from apo_engine.search.editor import ModelEditor, Rejected, Rewrite
from apo_engine.search.evidence import EvidenceCritic, telling_words
from apo_engine.search.gradient import Gradient
from apo_engine.settings import OptimizerSettings


@dataclass(frozen=True, slots=True)
class Proposals:
    """What a parent gave: gradients, rewrites (children or rejections), and critique answers that could not be read."""

    gradients: tuple[Gradient, ...]
    rewrites: tuple[Rewrite, ...]
    asked: int = 0
    unreadable: int = 0


class Proposer(Protocol):
    """Makes children of a parent."""

    def calls(self) -> int:
        """At most this many model calls for one parent."""
        ...

    async def propose(self, arm: Arm, scored: Sequence[Scored], round_: int, most: int) -> Proposals:
        """Gradients and about ``most`` rewrites for one parent, from its scored critique rows."""
        ...


class ModelProposer:
    """Critique, edit in the opposite direction, paraphrase: each chain runs on as soon as its own answer is there."""

    def __init__(self, critic: Critic, editor: ModelEditor, settings: OptimizerSettings) -> None:
        self._critic = critic
        self._editor = editor
        self._settings = settings

    def calls(self) -> int:
        """Critiques, the edits of each reason, and their paraphrases."""
        edits = self._settings.groups * self._settings.reasons * self._settings.edits
        return self._critic.calls() + edits * (1 + self._settings.paraphrases)

    async def propose(self, arm: Arm, scored: Sequence[Scored], round_: int, most: int) -> Proposals:
        """One chain per group of failures; of its reasons, as many are edited as there is room for."""
        failures = failing(scored)
        looks = self._critic.criticise(arm, scored, round_)
        each = max(1, math.ceil(most / max(1, len(looks))))
        chains = await fan_out(self._chain(arm, asked, round_, each) for asked in looks)
        gradients = merged([gradient for criticism, _ in chains for gradient in criticism.gradients], len(failures))
        rewrites = tuple(rewrite for _, made in chains for rewrite in made)
        return Proposals(gradients, rewrites, len(chains), sum(criticism.unreadable for criticism, _ in chains))

    async def _chain(
        self, arm: Arm, asked: Awaitable[Criticism], round_: int, most: int
    ) -> tuple[Criticism, list[Rewrite]]:
        criticism = await asked
        made = await fan_out(
            self._edit(arm, gradient, criticism.shown, round_, number)
            for gradient in criticism.gradients[:most]
            for number in range(self._settings.edits)
        )
        return criticism, [rewrite for rewrites in made for rewrite in rewrites]

    async def _edit(
        self, arm: Arm, gradient: Gradient, shown: Sequence[Scored], round_: int, number: int
    ) -> list[Rewrite]:
        edited = await self._editor.edit(arm, gradient, shown, round_, number)
        if isinstance(edited, Rejected):
            return [edited]
        reworded = await fan_out(
            self._editor.paraphrase(edited, round_, number) for number in range(self._settings.paraphrases)
        )
        return [edited, *reworded]


class EvidenceProposer:
    """Worked examples and rules, from critique rows and counts alone: for models that write no usable critique."""

    sizes = (8, 12, 16)

    def __init__(self, rows: Sequence[Example], seed: int) -> None:
        self._critic = EvidenceCritic()
        self._rows = exemplars.usable(rows)
        self._seed = seed
        self._shown: dict[str, tuple[Example, ...]] = {}

    def calls(self) -> int:
        """None."""
        return 0

    async def propose(self, arm: Arm, scored: Sequence[Scored], round_: int, most: int) -> Proposals:
        """New draws of worked examples, exchanges in the parent's own, and one rule for the largest confusion."""
        (criticism,) = await fan_out(self._critic.criticise(arm, scored, round_))
        rewrites: list[Rewrite] = []
        for number in range(most if criticism.gradients else 0):
            gradient = criticism.gradients[number % len(criticism.gradients)]
            rewrites += self._draw(arm, gradient, round_, number)
        if criticism.gradients:
            rewrites += self._rule(arm, criticism.gradients[0], scored, round_)
        return Proposals(criticism.gradients, tuple(rewrites))

    def _draw(self, arm: Arm, gradient: Gradient, round_: int, number: int) -> list[Rewrite]:
        rng = draw(self._seed, "exemplars", round_, arm.id, number)
        shown = self._shown.get(arm.id)
        if not shown or number % 2:
            sizes = [size for size in self.sizes if size <= len(self._rows)]
            if not sizes:
                return []
            shown = exemplars.balanced(self._rows, sizes[number % len(sizes)], rng)
        wrong = [row for row in self._rows if row.id in gradient.rows]
        drawn = exemplars.exchanged(shown, self._rows, wrong, max(1, len(shown) // 4), rng)
        try:
            child = child_arm(arm, exemplars.with_rows(arm.prompt, drawn), "exemplars", round_, gradient.id)
        except EditRejected as rejected:
            return [Rejected(arm.id, "exemplars", rejected.reason, gradient.id)]
        self._shown[child.id] = drawn
        return [child]

    def _rule(self, arm: Arm, gradient: Gradient, scored: Sequence[Scored], round_: int) -> list[Rewrite]:
        explained = [(row, result) for row, result in scored if row.id in gradient.rows]
        expected = explained[0][0].expected
        inside = [" ".join(row.inputs.values()) for row, _ in scored if row.expected == expected]
        outside = [" ".join(row.inputs.values()) for row, _ in scored if row.expected != expected]
        words = telling_words(inside, outside)
        if not words:
            return []
        rule = f"{expected}: {', '.join(words)}."
        try:
            prompt = with_tunable_text(arm.prompt, f"{tunable_text(arm.prompt).rstrip()}\n{rule}")
        except EditRejected as rejected:
            return [Rejected(arm.id, "rule", rejected.reason, gradient.id)]
        child = child_arm(arm, prompt, "rule", round_, gradient.id)
        if arm.id in self._shown:
            self._shown[child.id] = self._shown[arm.id]
        return [child]
