"""The paper's two baselines over the scripted world, in the process."""

from __future__ import annotations

from typing import Any, Literal

from apo_engine.models.gateway import Gateway
from apo_engine.models.limits import Limiter
from apo_engine.search.editor import ModelEditor
from apo_engine.search.meta_prompts import MetaPrompts
from apo_engine.search.monte_carlo import MonteCarloSearch
from apo_engine.search.phrase_editor import PhraseEditor
from apo_engine.search.phrase_rl import PhraseSearch
from apo_engine.search.selection import selector
from tests.engine.search.in_process import Searching, searching
from tests.scripted.world import World

Baseline = Literal["monte-carlo", "phrase-rl"]
# Much depends on the exact words, as these searches need it to find anything.
WORLD = World(200, wording=0.5, guess=0.5)


def baseline(name: Baseline, calls: int, world: World = WORLD, **more: Any) -> Searching:
    """The search of that name, set up as `searching` sets up its own."""
    found = searching(world, calls, **more)
    task = found.task
    gateway = Gateway(found.model, cache=None, budget=found.budget, limiter=Limiter(32, well=True))
    choose = selector(task.settings.selection)
    if name == "monte-carlo":
        editor = ModelEditor(gateway, MetaPrompts(), temperature=1.0)
        found.search = MonteCarloSearch(task, found.pool, editor, choose, samples=3)
    else:
        found.search = PhraseSearch(task, found.pool, PhraseEditor(gateway, MetaPrompts(), temperature=1.0), choose)
    return found
