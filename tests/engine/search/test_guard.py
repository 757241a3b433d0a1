"""What keeps a rewrite out: repeats, growth, quotations; and what the pool says of it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apo_engine.search.arm import Arm, child_arm, seed_arm
from apo_engine.search.editor import Rejected
from apo_engine.search.events import CandidateDiscarded, CandidateProposed
from apo_engine.search.guard import Guard
from tests.engine.search.in_process import searching
from tests.engine.table_model import prompt, row
from tests.scripted.world import World

PARCEL = "The parcel I ordered for my mother has not come for two weeks and nobody answers."


def test_the_guard_refuses_repeats_growth_and_quotations() -> None:
    seed = seed_arm(prompt("Sort the tickets into their queues."))
    guard = Guard(seed, [row(1, text=PARCEL)])
    assert guard.refusal(prompt("Sort the tickets with care."), {seed.id}, "new") is None
    assert guard.refusal(seed.prompt, {seed.id}, seed.id) == "the same text as an earlier candidate"
    assert "too long" in str(guard.refusal(prompt("word " * 2000), {}, "new"))
    assert guard.refusal(prompt(f"Sort. For example: {PARCEL}"), {}, "new") == "copies the text of a row"
    assert guard.refusal(prompt(f"Sort. {PARCEL[10:75].upper()}"), {}, "new") == "copies the text of a row"


def test_what_the_users_own_prompt_quotes_is_not_held_against_a_rewrite() -> None:
    seed = seed_arm(prompt(f"Sort. {PARCEL}"))
    assert Guard(seed, [row(1, text=PARCEL)]).refusal(prompt(f"Please sort. {PARCEL}"), {}, "new") is None


@given(st.integers(0, 20), st.integers(60, 80))
def test_a_quotation_of_sixty_characters_is_seen_wherever_it_begins(start: int, length: int) -> None:
    guard = Guard(seed_arm(prompt("Sort.")), [row(1, text=PARCEL)])
    quoted = " ".join(PARCEL[start : start + length].split())
    refused = guard.refusal(prompt(f"Sort like this: {quoted}"), {}, "new") is not None
    assert refused or len(quoted) < 60


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("Assign tickets. " + "Be careful. " * 4200, "too long"),
        (f"Assign tickets. {World(60).rows[3].text}", "copies the text of a row"),
    ],
)
def test_the_pool_tells_why_a_rewrite_was_discarded_and_by_which_gradients(text: str, reason: str) -> None:
    running = searching(World(60), 200)
    child = child_arm(running.task.seed, prompt(text), "edit", 1, ("g1", "g2"))
    assert running.pool.refusal(child) is not None
    assert running.pool.admit([child]) == []
    (discarded,) = running.told(CandidateDiscarded)
    assert reason in discarded.reason
    assert (discarded.parent, discarded.operator, discarded.gradients) == (running.task.seed.id, "edit", ("g1", "g2"))


def test_the_pool_admits_each_text_once_and_in_order() -> None:
    running = searching(World(60), 200)
    seed = running.task.seed

    def child(text: str, parent: Arm = seed) -> Arm:
        return child_arm(parent, prompt(text), "edit", 1)

    first, second = child("Assign with care."), child("Assign at once.")
    broken = Rejected(seed.id, "paraphrase", "the answer was cut off", ("g3",))
    assert running.pool.admit([first, broken, second, child("Assign with care.")]) == [first, second]
    assert [event.candidate for event in running.told(CandidateProposed)] == [first.candidate, second.candidate]
    cut, repeated = running.told(CandidateDiscarded)
    assert (cut.reason, cut.gradients) == ("the answer was cut off", ("g3",))
    assert "same text" in repeated.reason
    grandchild = child("Assign with great care.", first)
    running.pool.admit([grandchild])
    assert running.pool.lineage(grandchild) == ("edit", "edit")
    assert [arm.id for arm in running.pool.ancestry(grandchild)] == [grandchild.id, first.id, seed.id]
