"""The editor: what it is shown, what becomes a child, and what is refused with which reason."""

from __future__ import annotations

import re
from collections.abc import Sequence

import pytest

from apo_engine.evaluation.result import RowResult
from apo_engine.models.chat import ChatRequest
from apo_engine.prompt.edit import tunable_text
from apo_engine.search.arm import Arm, seed_arm
from apo_engine.search.confusion import Scored
from apo_engine.search.critic import make_gradient
from apo_engine.search.editor import ModelEditor, Rejected
from apo_engine.search.gradient import Gradient
from apo_engine.search.meta_prompts import MetaPrompts
from tests.engine.table_model import TableModel, gateway, prompt, row

SEED = seed_arm(prompt("Say yes or no. {{text}}"))


def editor(answer: str) -> tuple[ModelEditor, TableModel]:
    """An editor whose model answers with ``answer``, TAG standing for the tag it was told."""

    def reply(system: str, user: str) -> str:
        tag = system.split("between <")[1].split(">", maxsplit=1)[0]
        return answer.replace("<TAG>", f"<{tag}>").replace("</TAG>", f"</{tag}>")

    model = TableModel(reply)
    return ModelEditor(gateway(model), MetaPrompts(), temperature=1.0), model


def gradient(critique: str = "Vague.", rows: Sequence[str] = ("r001",)) -> Gradient:
    return make_gradient(SEED, critique=critique, quote="Say", rows=rows, failures=4, source="model")


def failures(*numbers: int) -> list[Scored]:
    return [(row(n), RowResult(f"r{n:03d}", n, "", "yes", "no", 0.0)) for n in numbers]


async def rewrite(answer: str) -> Arm | Rejected:
    return await editor(answer)[0].edit(SEED, [gradient()], failures(1), 1)


async def test_a_rewrite_becomes_a_child_with_its_lineage() -> None:
    child = await rewrite("Fine:\n<TAG>\nAlways say yes. {{text}}\n</TAG>")
    assert isinstance(child, Arm)
    assert tunable_text(child.prompt).strip() == "Always say yes. {{text}}"
    made = child.candidate
    assert (made.operator, made.round, made.parent) == ("edit", 1, SEED.id)
    assert made.gradients == (gradient().id,)


async def test_one_edit_answers_all_critiques_it_is_given() -> None:
    maker, model = editor("<TAG>Always say yes. {{text}}</TAG>")
    reasons = [gradient("Too short.", ["r001"]), gradient("Too vague.", ["r003"])]
    child = await maker.edit(SEED, reasons, failures(1, 2, 3), 1)
    (request,) = model.requests
    asked = request.messages[1].content
    assert "1. Too short.\n2. Too vague." in asked
    # Of the failing rows, those that the critiques explain.
    assert re.findall(r"^text: row (\d)$", asked, re.MULTILINE) == ["1", "3"]
    assert isinstance(child, Arm)
    assert child.candidate.gradients == tuple(reason.id for reason in reasons)


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        ("", "did not mark"),
        ("I cannot help with that.", "did not mark"),
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
    assert (refused.parent, refused.operator, refused.gradients) == (SEED.id, "edit", (gradient().id,))


async def test_the_same_question_is_the_same_request_and_another_draw_asks_for_other_words() -> None:
    arm = seed_arm(prompt())
    maker, model = editor("<TAG>x</TAG>")
    for draw in (0, 0, 1):
        await maker.paraphrase(arm, 1, draw)
    first, second, third = model.requests
    assert first == second
    assert third != ChatRequest(first.messages, first.params, 1)
    assert third.draw == 1


async def test_a_paraphrase_keeps_the_gradients_of_what_it_rewords() -> None:
    child = await rewrite("<TAG>Always say yes. {{text}}</TAG>")
    assert isinstance(child, Arm)
    reworded = await editor("<TAG>Never say no. {{text}}</TAG>")[0].paraphrase(child, 1)
    assert isinstance(reworded, Arm)
    assert (reworded.candidate.operator, reworded.candidate.parent) == ("paraphrase", child.id)
    assert reworded.candidate.gradients == child.candidate.gradients
