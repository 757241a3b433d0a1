"""Proposers: from a parent and its scored critique rows to gradients and children."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from apo_engine.evaluation.fanout import fan_out
from apo_engine.examples.example import Example
from apo_engine.prompt.edit import EditRejected, tunable_text, with_tunable_text
from apo_engine.search import exemplars
from apo_engine.search.arm import Arm, child_arm
from apo_engine.search.confusion import Scored, failing, telling_words
from apo_engine.search.critic import Critic, Criticism, merged
from apo_engine.search.draws import draw
from apo_engine.search.editor import ModelEditor, Rejected, Rewrite
from apo_engine.search.evidence import EvidenceCritic
from apo_engine.search.gradient import Gradient
from apo_engine.settings import OptimizerSettings

Enter = Callable[[Arm], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Proposals:
    """What a parent gave: gradients, rewrites (children or rejections), and critique answers that could not be read."""

    gradients: tuple[Gradient, ...]
    rewrites: tuple[Rewrite, ...]
    asked: int = 0
    unreadable: int = 0


class Proposer(Protocol):
    """Makes children of a parent."""

    @property
    def most(self) -> int:
        """The most children that one parent can have in a round."""
        ...

    def calls(self, most: int) -> int:
        """At most this many model calls for ``most`` children of one parent."""
        ...

    def wanted(self, most: int) -> int:
        """How many failures it can use for ``most`` children of one parent."""
        ...

    async def propose(self, arm: Arm, scored: Sequence[Scored], round_: int, most: int, enter: Enter) -> Proposals:
        """Gradients and at most ``most`` children of one parent, from its scored critique rows.

        ``enter`` is awaited for every child as soon as it exists.
        """
        ...


@dataclass(frozen=True, slots=True)
class _Answered:
    """The critiques that an edit answers, and the failures they were read off."""

    gradients: tuple[Gradient, ...]
    shown: tuple[Scored, ...]


def most_children(settings: OptimizerSettings) -> int:
    """The most children that one parent has in a round, where a model writes them."""
    chains = settings.groups + (settings.groups > 1) if settings.joint else settings.groups * settings.reasons
    return min(settings.max_children, chains * settings.edits * (1 + settings.paraphrases))


class ModelProposer:
    """Critique, edit in the opposite direction, paraphrase: each chain runs on as soon as its own answers are there.

    Joint edits answer all reasons of one critique at once, and one more edit answers those of all critiques; otherwise
    each reason gets edits of its own, as in the paper.
    """

    def __init__(self, critic: Critic, editor: ModelEditor, settings: OptimizerSettings) -> None:
        self._critic = critic
        self._editor = editor
        self._settings = settings

    @property
    def most(self) -> int:
        """As the settings say: by group, edit and paraphrase."""
        return most_children(self._settings)

    def calls(self, most: int) -> int:
        """Critiques, and an edit or paraphrase for each child."""
        return self._groups(most) + most

    def wanted(self, most: int) -> int:
        """Full groups."""
        return self._groups(most) * self._settings.group_size

    def _groups(self, most: int) -> int:
        settings = self._settings
        each = settings.edits * (1 + settings.paraphrases) * (1 if settings.joint else settings.reasons)
        return max(1, min(settings.groups, math.ceil(most / each)))

    async def propose(self, arm: Arm, scored: Sequence[Scored], round_: int, most: int, enter: Enter) -> Proposals:
        """One chain per group of failures, and with joint edits one for all groups."""
        failures = failing(scored)
        looks = [
            asyncio.ensure_future(look) for look in self._critic.criticise(arm, scored, round_, self._groups(most))
        ]
        if not looks:
            return Proposals((), ())
        sizes = _shares(most, len(looks) + (self._settings.joint and 1 < len(looks) < most))
        chains = [self._chain(arm, [look], round_, size, enter) for look, size in zip(looks, sizes, strict=False)]
        if len(sizes) > len(looks):
            chains.append(self._chain(arm, looks, round_, sizes[-1], enter))
        made = await fan_out(chains)
        criticisms = [look.result() for look in looks]
        gradients = merged([gradient for criticism in criticisms for gradient in criticism.gradients], len(failures))
        rewrites = tuple(rewrite for rewrites in made for rewrite in rewrites)
        return Proposals(gradients, rewrites, len(looks), sum(criticism.unreadable for criticism in criticisms))

    async def _chain(
        self, arm: Arm, looks: Sequence[asyncio.Future[Criticism]], round_: int, most: int, enter: Enter
    ) -> list[Rewrite]:
        criticisms = [await look for look in looks]
        shown = tuple(scored for criticism in criticisms for scored in criticism.shown)
        gradients = tuple({g.id: g for criticism in criticisms for g in criticism.gradients}.values())
        targets = [gradients] if self._settings.joint else [(gradient,) for gradient in gradients]
        edits = [(target, number) for number in range(self._settings.edits) for target in targets if target][:most]
        rewordings = _shares(min(most - len(edits), len(edits) * self._settings.paraphrases), len(edits))
        made = await fan_out(
            self._edit(arm, _Answered(target, shown), round_, number, count, enter)
            for (target, number), count in zip(edits, rewordings, strict=True)
        )
        return [rewrite for rewrites in made for rewrite in rewrites]

    async def _edit(
        self, arm: Arm, answered: _Answered, round_: int, number: int, rewordings: int, enter: Enter
    ) -> list[Rewrite]:
        edited = await self._editor.edit(arm, answered.gradients, answered.shown, round_, number)
        if isinstance(edited, Rejected):
            return [edited]
        reworded, _ = await fan_out([self._reword(edited, round_, rewordings, enter), enter(edited)])
        return [edited, *(reworded or ())]

    async def _reword(self, arm: Arm, round_: int, count: int, enter: Enter) -> list[Rewrite]:
        async def one(number: int) -> Rewrite:
            made = await self._editor.paraphrase(arm, round_, number)
            if isinstance(made, Arm):
                await enter(made)
            return made

        return await fan_out(one(number) for number in range(count))


def _shares(total: int, count: int) -> list[int]:
    return [total // count + (at < total % count) for at in range(count)]


class EvidenceProposer:
    """Worked examples and rules, from critique rows and counts alone: for models that write no usable critique.

    ``partials`` are the texts that the prompts include, by name.
    """

    sizes = (8, 12, 16)
    counted = 12

    def __init__(
        self, rows: Sequence[Example], settings: OptimizerSettings, seed: int, partials: Mapping[str, str]
    ) -> None:
        self.most = settings.max_children
        self._partials = partials
        self._critic = EvidenceCritic()
        self._rows = exemplars.usable(rows)
        self._seed = seed
        self._shown: dict[str, tuple[Example, ...]] = {}

    def calls(self, most: int) -> int:
        """None."""
        return 0

    def wanted(self, most: int) -> int:
        """Enough to count by, however many children."""
        return self.counted

    async def propose(self, arm: Arm, scored: Sequence[Scored], round_: int, most: int, enter: Enter) -> Proposals:
        """New draws of worked examples, exchanges in the parent's own, and one rule for the largest confusion."""
        (criticism,) = await fan_out(self._critic.criticise(arm, scored, round_))
        rewrites: list[Rewrite] = []
        for number in range(most - 1 if criticism.gradients else 0):
            gradient = criticism.gradients[number % len(criticism.gradients)]
            rewrites += self._draw(arm, gradient, round_, number)
        if criticism.gradients:
            rewrites += self._rule(arm, criticism.gradients[0], scored, round_)
        await fan_out(enter(rewrite) for rewrite in rewrites if isinstance(rewrite, Arm))
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
            prompt = exemplars.with_rows(arm.prompt, drawn, self._partials)
            child = child_arm(arm, prompt, "exemplars", round_, (gradient.id,))
        except EditRejected as rejected:
            return [Rejected(arm.id, "exemplars", rejected.reason, (gradient.id,))]
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
            return [Rejected(arm.id, "rule", rejected.reason, (gradient.id,))]
        child = child_arm(arm, prompt, "rule", round_, (gradient.id,))
        if arm.id in self._shown:
            self._shown[child.id] = self._shown[arm.id]
        return [child]
