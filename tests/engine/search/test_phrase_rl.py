"""Phrase-level search: its edits, its policy, and what it takes up."""

from __future__ import annotations

import random
from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apo_engine.prompt.edit import tunable_text
from apo_engine.search.arm import Arm, seed_arm
from apo_engine.search.candidate import PhraseOperator
from apo_engine.search.events import CandidateProposed
from apo_engine.search.meta_prompts import MetaPrompts
from apo_engine.search.phrase_editor import PHRASE_OPERATORS, PhraseEditor
from apo_engine.search.phrases import Cut
from apo_engine.search.policy import SoftmaxPolicy
from tests.engine.search.baselines import WORLD, baseline
from tests.engine.search.in_process import Script, kind
from tests.engine.table_model import TableModel, gateway, prompt
from tests.scripted.world import kind_of

CUTS = (Cut("with care", ", "),)


def phrase_editor(answer: str) -> tuple[PhraseEditor, TableModel]:
    """An editor whose model answers with ``answer``, TAG standing for the tag it was told."""

    def reply(system: str, user: str) -> str:
        tag = system.split("between <")[1].split(">", maxsplit=1)[0]
        return answer.replace("<TAG>", f"<{tag}>").replace("</TAG>", f"</{tag}>")

    model = TableModel(reply)
    return PhraseEditor(gateway(model), MetaPrompts(), temperature=1.0), model


def arm(text: str) -> Arm:
    return seed_arm(prompt(text))


async def edited(text: str, operator: PhraseOperator, answer: str = "<TAG>in short</TAG>", seed: int = 0) -> str:
    editor, _ = phrase_editor(answer)
    child = await editor.write(editor.draft(arm(text), operator, CUTS, random.Random(seed)), 1)
    return tunable_text(child.prompt) if isinstance(child, Arm) else f"rejected: {child.reason}"


async def test_each_operator_does_what_its_name_says() -> None:
    text = "Sort {{text}} now. Be brief."
    added = {await edited(text, "phrase-add", seed=seed) for seed in range(9)}
    assert "Sort {{text}} now. Be brief, with care." in added
    assert "with care, Sort {{text}} now. Be brief." in added
    assert {await edited(text, "phrase-delete", seed=seed) for seed in range(9)} == {
        "{{text}} now. Be brief.", "Sort {{text}} Be brief.", "Sort {{text}} now.",
    }  # fmt: skip
    assert {await edited(text, "phrase-swap", seed=seed) for seed in range(20)} == {
        "now {{text}} Sort. Be brief.", "Be brief {{text}} now. Sort.", "Sort {{text}} Be brief. now.",
    }  # fmt: skip
    assert {await edited(text, "phrase-paraphrase", seed=seed) for seed in range(9)} == {
        "in short {{text}} now. Be brief.", "Sort {{text}} in short. Be brief.", "Sort {{text}} now. in short.",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        ("in short", "rejected: the answer did not mark the new phrase as asked"),
        ("<TAG>  \n </TAG>", "rejected: it is empty"),
        ("<TAG>{{secret}}</TAG>", "rejected: it added {{secret}}"),
        ("<TAG>in\n\n  short</TAG>", "in short"),
    ],
)
async def test_what_a_model_says_of_a_phrase_stays_one_phrase(answer: str, told: str) -> None:
    assert await edited("Sort it", "phrase-paraphrase", answer) == told


def test_only_what_can_be_done_is_offered() -> None:
    editor, _ = phrase_editor("")
    assert editor.operators(arm("Sort it. Be brief."), CUTS) == get_args(PhraseOperator)
    assert editor.operators(arm("Sort it. Be brief."), ()) == ("phrase-paraphrase", "phrase-swap", "phrase-delete")
    assert editor.operators(arm("Sort it."), ()) == ("phrase-paraphrase",)
    assert editor.operators(arm("Sort it. Sort it."), ()) == ("phrase-paraphrase", "phrase-delete")
    assert editor.operators(arm("{{text}} …"), CUTS) == ()


async def test_only_a_paraphrase_asks_a_model_and_never_the_same_twice() -> None:
    editor, model = phrase_editor("<TAG>Sort it</TAG>")
    one = arm("Sort it")
    for operator in PHRASE_OPERATORS:
        await editor.write(editor.draft(arm("Sort it. Be brief."), operator, CUTS, random.Random(0)), 1)
    assert len(model.requests) == 1
    for _ in range(20):
        await editor.write(editor.draft(one, "phrase-paraphrase", (), random.Random(0)), 1)
    assert len({request.messages for request in model.requests}) == 21


@given(
    st.lists(st.tuples(st.sampled_from("abcd"), st.floats(-1, 1)), max_size=300),
    st.lists(st.sampled_from("abcd"), min_size=1, max_size=4, unique=True),
)
def test_a_policy_is_a_distribution_whatever_it_learned(rewards: list[tuple[str, float]], allowed: list[str]) -> None:
    policy = SoftmaxPolicy("abcd", step=2.0)
    for action, reward in rewards:
        policy.learn(action, "abcd", reward)
    shares = policy.probabilities(allowed)
    assert sum(shares) == pytest.approx(1)
    assert all(0 <= share <= 1 for share in shares)
    assert policy.draw(allowed, random.Random(0)) in allowed


def test_a_policy_comes_to_prefer_what_is_rewarded() -> None:
    policy = SoftmaxPolicy("abcd", step=2.0)
    assert policy.probabilities("abcd") == [0.25] * 4
    rng = random.Random(0)
    mean = {"a": -0.1, "b": -0.05, "c": 0.1, "d": -0.1}
    for _ in range(150):
        action = policy.draw("abcd", rng)
        policy.learn(action, "abcd", mean[action] + rng.gauss(0, 0.1))
    assert policy.probabilities("abcd")[2] > 0.5


async def test_the_search_comes_to_avoid_edits_that_lose() -> None:
    words = len(tunable_text(baseline("phrase-rl", 100).task.seed.prompt).split())

    def harmed(request: dict[str, Any]) -> str:
        shorter = len(request["messages"][0]["content"].split()) < words
        return "none" if kind_of(request) == "task" and shorter else WORLD.script(request)

    async def deletions(script: Script) -> float:
        """The share of deletions in what was tried after the first round."""
        made = []
        for seed in range(3):
            search = baseline("phrase-rl", 1500, seed=seed, script=script)
            await search.run()
            made += [event.candidate for event in search.told(CandidateProposed) if event.candidate.round > 1]
        return sum(one.operator == "phrase-delete" for one in made) / len(made)

    assert await deletions(harmed) < 0.5 * await deletions(WORLD.script)


async def test_all_four_operators_come_up_and_the_lineage_names_them() -> None:
    made: set[str] = set()
    for seed in range(4):
        search = baseline("phrase-rl", 1200, seed=seed)
        found = await search.run()
        made |= {event.candidate.operator for event in search.told(CandidateProposed)}
        assert {kind(request) for request in search.model.requests} == {"task", "paraphrase"}
        assert set(search.pool.lineage(found.best)) <= made
    assert made == set(PHRASE_OPERATORS)
