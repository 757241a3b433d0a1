"""Worked examples as an operator beside the edits of a model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from apo_engine.search import exemplars
from apo_engine.search.arm import Arm, child_arm
from apo_engine.search.confusion import Scored
from apo_engine.search.critic import Critic
from apo_engine.search.draws import draw
from apo_engine.search.editor import ModelEditor
from apo_engine.search.proposer import Enter, ModelProposer, Proposals
from apo_engine.search.task import SearchTask
from benchmarks.variants.with_proposer import with_proposer


class _Showing(ModelProposer):
    def __init__(self, critic: Critic, editor: ModelEditor, task: SearchTask) -> None:
        super().__init__(critic, editor, task.settings)
        self._task = task
        self._round = 0

    async def propose(self, arm: Arm, scored: Sequence[Scored], round_: int, most: int, enter: Enter) -> Proposals:
        first, self._round = round_ != self._round and most > 1, round_
        made = await super().propose(arm, scored, round_, most - first, enter)
        if not first:
            return made
        rows = exemplars.usable(self._task.rows.critique)
        drawn = exemplars.balanced(rows, 8, draw(self._task.seed_number, "shown", round_, arm.id))
        child = child_arm(arm, exemplars.with_rows(arm.prompt, drawn), "exemplars", round_)
        await enter(child)
        return replace(made, rewrites=(*made.rewrites, child))


#: One child of each round is its parent with eight worked examples, instead of an edit.
showing = with_proposer(_Showing)
