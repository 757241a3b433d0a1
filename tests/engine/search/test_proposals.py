"""Rewrites: what becomes a candidate, what is refused, and how worked examples are drawn and shown."""

from __future__ import annotations

import random
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apo_engine.evaluation.result import RowResult
from apo_engine.models.chat import ChatRequest
from apo_engine.prompt.edit import tunable_text
from apo_engine.prompt.file import parse_prompt
from apo_engine.prompt.render import Renderer
from apo_engine.search import exemplars
from apo_engine.search.arm import Arm, seed_arm
from apo_engine.search.critic import make_gradient
from apo_engine.search.editor import ModelEditor, Rejected
from apo_engine.search.guard import Guard
from apo_engine.search.meta_prompts import MetaPrompts
from apo_engine.search.proposer import EvidenceProposer
from tests.engine.table_model import TableModel, gateway, prompt, row

LABELS = ("billing", "shipping", "account")
ROWS = tuple(row(n, LABELS[n % 3], f"ticket {n} about {LABELS[n % 3]} matters") for n in range(30))


def editor(answer: str) -> tuple[ModelEditor, TableModel]:
    """An editor whose model answers with ``answer``, TAG standing for the tag it was told."""

    def reply(system: str, user: str) -> str:
        tag = system.split("between <")[1].split(">", maxsplit=1)[0]
        return answer.replace("<TAG>", f"<{tag}>").replace("</TAG>", f"</{tag}>")

    model = TableModel(reply)
    return ModelEditor(gateway(model), MetaPrompts(), temperature=1.0), model


async def rewrite(answer: str, text: str = "Say yes or no. {{text}}") -> Arm | Rejected:
    arm = seed_arm(prompt(text))
    gradient = make_gradient(arm, critique="Vague.", quote="Say", rows=["r001"], failures=1, source="model")
    failure = (row(1), RowResult("r001", 2, "", "yes", "no", 0.0))
    return await editor(answer)[0].edit(arm, gradient, [failure], 1, 0)


async def test_a_rewrite_becomes_a_child_with_its_lineage() -> None:
    child = await rewrite("Fine:\n<TAG>\nAlways say yes. {{text}}\n</TAG>")
    assert isinstance(child, Arm)
    assert tunable_text(child.prompt).strip() == "Always say yes. {{text}}"
    assert (child.candidate.operator, child.candidate.round) == ("edit", 1)
    assert child.candidate.parent == seed_arm(prompt("Say yes or no. {{text}}")).id


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        ("Always say yes.", "did not mark"),
        ("<TAG>Always say yes.</TAG>", "text"),
        ("<TAG>Say {{secret}} {{text}}</TAG>", "secret"),
        ('<TAG>{{role "user"}} {{text}}</TAG>', "role"),
        ("<TAG>   </TAG>", ""),
        ("<TAG>{{#if text}} {{text}}</TAG>", ""),
    ],
)
async def test_a_rewrite_that_breaks_the_template_is_refused_with_its_reason(answer: str, reason: str) -> None:
    refused = await rewrite(answer)
    assert isinstance(refused, Rejected)
    assert refused.reason
    assert reason in refused.reason


async def test_the_request_is_the_same_for_the_same_question_and_differs_by_draw() -> None:
    arm = seed_arm(prompt())
    maker, model = editor("<TAG>x</TAG>")
    for draw in (0, 0, 1):
        await maker.paraphrase(arm, 1, draw)
    first, second, third = model.requests
    assert first == second
    assert third == ChatRequest(first.messages, first.params, 1)


def test_the_guard_refuses_repeats_growth_and_quotations() -> None:
    seed = seed_arm(prompt("Sort the tickets into their queues."))
    text = "The parcel I ordered for my mother has not come for two weeks and nobody answers."
    guard = Guard(seed, [row(1, text=text)])
    fine = prompt("Sort the tickets with care.")
    assert guard.refusal(fine, {seed.id}, "new") is None
    assert guard.refusal(seed.prompt, {seed.id}, seed.id) == "the same text as an earlier candidate"
    assert "too long" in str(guard.refusal(prompt("word " * 2000), {}, "new"))
    assert guard.refusal(prompt(f"Sort. For example: {text}"), {}, "new") == "copies the text of a row"
    assert guard.refusal(prompt(f"Sort. {text[10:75].upper()}"), {}, "new") == "copies the text of a row"


def test_what_the_users_own_prompt_quotes_is_not_held_against_a_rewrite() -> None:
    text = "The parcel I ordered for my mother has not come for two weeks and nobody answers."
    seed = seed_arm(prompt(f"Sort. {text}"))
    assert Guard(seed, [row(1, text=text)]).refusal(prompt(f"Please sort. {text}"), {}, "new") is None


@given(st.integers(1, 30), st.integers())
def test_worked_examples_are_balanced_and_drawn_once(count: int, seed: int) -> None:
    drawn = exemplars.balanced(ROWS, count, random.Random(seed))
    assert len({example.id for example in drawn}) == count
    counts = Counter(example.expected for example in drawn)
    assert max(counts.values()) - min(counts[label] for label in LABELS) <= 1


@given(st.integers(1, 12), st.integers())
def test_an_exchange_keeps_size_and_labels_and_prefers_what_went_wrong(count: int, seed: int) -> None:
    rng = random.Random(seed)
    shown = exemplars.balanced(ROWS, 9, rng)
    wrong = [example for example in ROWS if example not in shown][:3]
    changed = exemplars.exchanged(shown, ROWS, wrong, count, rng)
    assert len({example.id for example in changed}) == 9
    assert [example.expected for example in changed] == [example.expected for example in shown]
    assert any(example in wrong for example in changed) or count < 9


def test_worked_examples_read_as_the_prompt_asks_and_render_as_text() -> None:
    asked = parse_prompt('{{role "system"}}\nSort tickets.\n{{role "user"}}\nTicket: {{text}}\nQueue:\n', None)
    shown = exemplars.with_rows(asked, ROWS[:2])
    system = Renderer(shown).messages({"text": "new one"})[0].content
    assert "Ticket: ticket 0 about billing matters\nQueue: billing" in system
    assert "Ticket: ticket 1 about shipping matters\nQueue: shipping" in system
    assert "apo:" not in system
    assert tunable_text(shown) == tunable_text(asked)
    assert exemplars.with_rows(shown, ROWS[:2]).text == shown.text


def test_rows_with_template_braces_are_never_shown() -> None:
    assert exemplars.usable([row(1, text="{{role}} hello"), ROWS[0]]) == (ROWS[0],)


async def test_the_evidence_proposer_makes_the_same_children_every_time_from_critique_rows_alone() -> None:
    arm = seed_arm(prompt("Sort into billing, shipping or account."))
    scored = [
        (r, RowResult(r.id, r.line, "", r.expected, "billing", float(r.expected == "billing"), "billing")) for r in ROWS
    ]
    runs = [await EvidenceProposer(ROWS, 7).propose(arm, scored, 1, 6) for _ in range(2)]
    assert runs[0] == runs[1]
    children = [made for made in runs[0].rewrites if isinstance(made, Arm)]
    assert {child.candidate.operator for child in children} == {"exemplars", "rule"}
    assert all(child.candidate.gradient for child in children)
    (rule,) = [child for child in children if child.candidate.operator == "rule"]
    assert tunable_text(rule.prompt).rstrip().endswith(".")
    assert "shipping:" in tunable_text(rule.prompt) or "account:" in tunable_text(rule.prompt)
