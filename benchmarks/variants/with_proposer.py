"""The engine's search with another proposer."""

from __future__ import annotations

from collections.abc import Callable

from apo_engine.runs.desk import Desk
from apo_engine.search.apo import ApoSearch
from apo_engine.search.critic import Critic
from apo_engine.search.editor import ModelEditor
from apo_engine.search.optimizer import Optimizer
from apo_engine.search.pool import Pool
from apo_engine.search.proposer import ModelProposer
from apo_engine.search.selection import selector
from apo_engine.search.task import SearchTask
from benchmarks.in_process import Build

Make = Callable[[Critic, ModelEditor, SearchTask], ModelProposer]


def with_proposer(make: Make) -> Build:
    def build(desk: Desk, task: SearchTask, pool: Pool) -> Optimizer:
        critic, _ = desk.critics(task.settings)
        _, fallback = desk.proposers(task.settings)
        proposer = make(critic, desk.editor(task.settings), task)
        return ApoSearch(task, pool, proposer, fallback, selector(task.settings.selection))

    return build
