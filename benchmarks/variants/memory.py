"""What is remembered of gradients from one round to the next."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace

from apo_engine.search.arm import Arm
from apo_engine.search.confusion import Scored, failing
from apo_engine.search.critic import Critic, Criticism
from apo_engine.search.editor import ModelEditor
from apo_engine.search.gradient import Gradient
from apo_engine.search.proposer import Enter, ModelProposer, Proposals
from apo_engine.search.selection.levels import levels_of
from apo_engine.search.task import SearchTask
from benchmarks.variants.with_proposer import with_proposer


@dataclass(frozen=True)
class _Step:
    parent: Arm
    child: Arm
    gradients: tuple[Gradient, ...]


class _Remembering(ModelProposer):
    """Knows which gradients made which child."""

    def __init__(self, critic: Critic, editor: ModelEditor, task: SearchTask) -> None:
        super().__init__(critic, editor, task.settings)
        self._task = task
        self._steps: list[_Step] = []

    def _remember(self, arm: Arm, made: Proposals) -> Proposals:
        by_id = {gradient.id: gradient for gradient in made.gradients}
        for child in made.rewrites:
            if isinstance(child, Arm):
                named = tuple(by_id[name] for name in child.candidate.gradients if name in by_id)
                self._steps.append(_Step(arm, child, named))
        return made

    def _gains(self) -> list[tuple[float, _Step]]:
        """What each child has over its parent."""
        arms = {arm.id: arm for step in self._steps for arm in (step.parent, step.child)}
        level = levels_of(self._task.race, list(arms.values()))
        steps = [step for step in self._steps if self._task.race.known(step.child)]
        return [(level[step.child.id] - level[step.parent.id], step) for step in steps]


class _Forgoing(_Remembering):
    def __init__(self, critic: Critic, editor: ModelEditor, task: SearchTask) -> None:
        super().__init__(_Without(critic, self._vain), editor, task)

    def _vain(self) -> set[str]:
        gains = self._gains()
        good = {gradient.critique for gain, step in gains if gain > 0 for gradient in step.gradients}
        return {gradient.critique for gain, step in gains if gain < 0 for gradient in step.gradients} - good

    async def propose(self, arm: Arm, scored: Sequence[Scored], round_: int, most: int, enter: Enter) -> Proposals:
        return self._remember(arm, await super().propose(arm, scored, round_, most, enter))


class _Without:
    """A critic that does not say certain things."""

    def __init__(self, critic: Critic, unsaid: Callable[[], set[str]]) -> None:
        self._critic = critic
        self._unsaid = unsaid

    def criticise(self, arm: Arm, scored: Sequence[Scored], round_: int, groups: int) -> list[Awaitable[Criticism]]:
        unsaid = self._unsaid()
        return [self._filter(look, unsaid) for look in self._critic.criticise(arm, scored, round_, groups)]

    async def _filter(self, look: Awaitable[Criticism], unsaid: set[str]) -> Criticism:
        found = await look
        return replace(found, gradients=tuple(g for g in found.gradients if g.critique not in unsaid))


class _Transferring(_Remembering):
    def __init__(self, critic: Critic, editor: ModelEditor, task: SearchTask) -> None:
        super().__init__(critic, editor, task)
        self._round = 0
        self._used: set[tuple[str, str]] = set()

    async def propose(self, arm: Arm, scored: Sequence[Scored], round_: int, most: int, enter: Enter) -> Proposals:
        source = self._source(arm) if round_ != self._round and most > 1 else None
        self._round = round_
        made = await super().propose(arm, scored, round_, most - (source is not None), enter)
        if source is not None:
            edited = await self._editor.edit(arm, source.gradients, failing(scored), round_, self._settings.edits)
            if isinstance(edited, Arm):
                await enter(edited)
            known = {gradient.id: gradient for gradient in (*made.gradients, *source.gradients)}
            made = replace(made, gradients=tuple(known.values()), rewrites=(*made.rewrites, edited))
        return self._remember(arm, made)

    def _source(self, arm: Arm) -> _Step | None:
        """The step that gained most of those that are not in this prompt's own line."""
        parent_of = {step.child.id: step.parent.id for step in self._steps}
        line = {arm.id}
        name = arm.id
        while (name := parent_of.get(name, "")) and name not in line:
            line.add(name)
        free = [
            (gain, step)
            for gain, step in self._gains()
            if gain > 0 and step.gradients and step.child.id not in line and (arm.id, step.child.id) not in self._used
        ]
        if not free:
            return None
        step = max(free, key=lambda one: one[0])[1]
        self._used.add((arm.id, step.child.id))
        return step


#: No edit answers a critique whose children all did worse than their parents.
forgoing = with_proposer(_Forgoing)
#: One child of each round answers the gradients of the best child elsewhere, instead of its parent's own.
transferring = with_proposer(_Transferring)
