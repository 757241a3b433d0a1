"""Monte-Carlo search: undirected paraphrases of the beam."""

from __future__ import annotations

from collections import Counter

from apo_engine.search.arm import seed_arm
from apo_engine.search.editor import ModelEditor
from apo_engine.search.events import CandidateProposed, RoundStarted
from apo_engine.search.meta_prompts import MetaPrompts
from tests.engine.search.baselines import baseline
from tests.engine.search.in_process import kind
from tests.engine.table_model import TableModel, gateway, prompt


async def test_it_asks_for_paraphrases_alone_at_most_as_many_per_parent_and_round_as_it_may_have_samples() -> None:
    search = baseline("monte-carlo", 1200)
    await search.run()
    assert {kind(request) for request in search.model.requests} == {"task", "paraphrase"}
    made = Counter((event.candidate.parent, event.candidate.round) for event in search.told(CandidateProposed))
    assert max(made.values()) <= 3
    beams = {event.round: event.beam for event in search.told(RoundStarted)}
    assert all(parent in beams[number] for parent, number in made)
    assert {event.candidate.operator for event in search.told(CandidateProposed)} == {"paraphrase"}


async def test_every_draw_of_a_prompt_asks_for_another_variation() -> None:
    model = TableModel(lambda system, user: "")
    editor = ModelEditor(gateway(model), MetaPrompts(), temperature=1.0)
    for draw in range(40):
        await editor.paraphrase(seed_arm(prompt()), 1, draw)
    assert len({request.messages for request in model.requests}) == 40
