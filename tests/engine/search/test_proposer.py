"""Proposers: which critiques an edit answers, how many children there are, and what waits for what."""

from __future__ import annotations

import asyncio
import json
import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from apo_engine.evaluation.result import RowResult
from apo_engine.models.chat import ChatRequest
from apo_engine.prompt.edit import tunable_text
from apo_engine.prompt.file import parse_prompt
from apo_engine.search.arm import Arm, seed_arm
from apo_engine.search.confusion import Scored
from apo_engine.search.critic import ModelCritic
from apo_engine.search.editor import ModelEditor, Rejected
from apo_engine.search.meta_prompts import MetaPrompts
from apo_engine.search.proposer import EvidenceProposer, ModelProposer, Proposals
from apo_engine.settings import OptimizerSettings
from tests.engine.models.virtual_time import run_in_virtual_time
from tests.engine.search.in_process import Pause, kind
from tests.engine.table_model import TableModel, gateway, prompt, row

SEED = seed_arm(prompt("Sort into queues."))


def failed(count: int) -> list[Scored]:
    rows = [row(n) for n in range(count)]
    return [(one, RowResult(one.id, one.line, "", "yes", "no", 0.0, "no")) for one in rows]


def rows_in(text: str) -> list[str]:
    return re.findall(r"^text: row (\d+)$", text, re.MULTILINE)


class Writer:
    """A model whose critiques name the rows they were shown, one row each, and whose rewrites are all different."""

    def __init__(self, pause: Pause | None = None) -> None:
        self.model = TableModel(self._answer, pause)
        self._written = 0

    def _answer(self, system: str, user: str) -> str:
        if "why a prompt fails" in system:
            reasons = [
                {"critique": f"Unclear on row {name}.", "rows": [at]} for at, name in enumerate(rows_in(user), 1)
            ]
            return json.dumps({"critiques": reasons})
        self._written += 1
        tag = system.split("between <")[1].split(">", maxsplit=1)[0]
        return f"<{tag}>Sort into queues, version {self._written}.</{tag}>"

    def asked(self, role: str) -> list[ChatRequest]:
        return [request for request in self.model.requests if kind(request) == role]

    def proposer(self, **chosen: object) -> ModelProposer:
        options = OptimizerSettings(**chosen)  # type: ignore[arg-type]
        door, meta = gateway(self.model), MetaPrompts()
        return ModelProposer(ModelCritic(door, meta, options, 0), ModelEditor(door, meta, temperature=1.0), options)


async def at_once(arm: Arm) -> None:
    """Children enter without being scored."""


async def proposed(writer: Writer, failures: Sequence[Scored], most: int = 8, **chosen: object) -> Proposals:
    return await writer.proposer(**chosen).propose(SEED, failures, 1, most, at_once)


async def test_a_joint_edit_answers_all_reasons_of_a_group_and_one_those_of_all_groups() -> None:
    writer = Writer()
    made = await proposed(writer, failed(6), groups=2, group_size=3)
    groups = [set(rows_in(request.messages[1].content)) for request in writer.asked("gradient")]
    answered = [set(re.findall(r"Unclear on row (\d+)", edit.messages[1].content)) for edit in writer.asked("edit")]
    assert len(groups) == 2
    assert groups[0] | groups[1] == set(map(str, range(6)))
    assert sorted(map(sorted, answered)) == sorted(map(sorted, (*groups, groups[0] | groups[1])))
    names = {gradient.id for gradient in made.gradients}
    assert sorted(len(child.candidate.gradients) for child in made.rewrites if isinstance(child, Arm)) == [3, 3, 6]
    assert {name for child in made.rewrites if isinstance(child, Arm) for name in child.candidate.gradients} == names


async def test_a_single_group_needs_no_edit_for_all_groups() -> None:
    writer = Writer()
    made = await proposed(writer, failed(3), groups=2, group_size=3)
    assert (len(writer.asked("gradient")), len(writer.asked("edit")), len(made.rewrites)) == (1, 1, 1)


async def test_without_joint_edits_each_reason_gets_its_own() -> None:
    writer = Writer()
    made = await proposed(writer, failed(6), groups=2, group_size=3, joint=False)
    answered = [re.findall(r"Unclear on row (\d+)", edit.messages[1].content) for edit in writer.asked("edit")]
    assert sorted(answered) == [[str(n)] for n in range(6)]
    children = [child for child in made.rewrites if isinstance(child, Arm)]
    by_id = {gradient.id: gradient for gradient in made.gradients}
    assert sorted(by_id[name].critique for child in children for name in child.candidate.gradients) == [
        f"Unclear on row {n}." for n in range(6)
    ]
    assert all(len(child.candidate.gradients) == 1 for child in children)


async def test_each_edit_is_reworded_as_often_as_set() -> None:
    writer = Writer()
    made = await proposed(writer, failed(3), groups=1, paraphrases=2)
    assert Counter(child.candidate.operator for child in made.rewrites if isinstance(child, Arm)) == {
        "edit": 1,
        "paraphrase": 2,
    }
    edited, *reworded = [child for child in made.rewrites if isinstance(child, Arm)]
    assert {child.candidate.parent for child in reworded} == {edited.id}


@settings(max_examples=60, deadline=None)
@given(
    failures=st.integers(1, 20),
    most=st.integers(1, 12),
    chosen=st.fixed_dictionaries(
        {
            "groups": st.integers(1, 4),
            "group_size": st.integers(1, 6),
            "reasons": st.integers(1, 4),
            "joint": st.booleans(),
            "edits": st.integers(1, 3),
            "paraphrases": st.integers(0, 3),
            "max_children": st.integers(1, 12),
        }
    ),
)
def test_no_more_children_are_made_and_no_more_calls_than_was_said(
    failures: int, most: int, chosen: dict[str, object]
) -> None:
    entered: list[Arm] = []

    async def enter(arm: Arm) -> None:
        entered.append(arm)

    async def main() -> None:
        writer = Writer()
        proposer = writer.proposer(**chosen)
        assert proposer.most <= int(str(chosen["max_children"]))
        made = await proposer.propose(SEED, failed(failures), 1, most, enter)
        assert len(made.rewrites) <= most
        assert {arm.id for arm in entered} == {child.id for child in made.rewrites if isinstance(child, Arm)}
        assert len(writer.model.requests) <= proposer.calls(most)
        assert made.asked == len(writer.asked("gradient"))

    asyncio.run(main())


def test_a_slow_critique_holds_up_only_the_child_that_answers_it() -> None:
    entered: list[float] = []

    async def main() -> Proposals:
        clock = asyncio.get_running_loop().time
        delays = iter([1.0, 100.0])

        async def pause(request: ChatRequest) -> None:
            await asyncio.sleep(next(delays) if kind(request) == "gradient" else 1.0)

        async def enter(arm: Arm) -> None:
            entered.append(clock())

        return await Writer(pause).proposer(groups=2, group_size=3).propose(SEED, failed(6), 1, 8, enter)

    made = run_in_virtual_time(main())
    assert entered == [2.0, 101.0, 101.0]
    assert len(made.rewrites) == 3


def test_a_child_is_scored_while_its_paraphrases_are_written() -> None:
    times: dict[str, float] = {}

    async def main() -> None:
        clock = asyncio.get_running_loop().time

        async def pause(request: ChatRequest) -> None:
            await asyncio.sleep(1.0)

        async def enter(arm: Arm) -> None:
            times[arm.candidate.operator] = clock()
            await asyncio.sleep(50.0)

        await Writer(pause).proposer(groups=1, paraphrases=1).propose(SEED, failed(3), 1, 8, enter)

    run_in_virtual_time(main())
    assert times == {"edit": 2.0, "paraphrase": 3.0}


@pytest.mark.parametrize("moment", [0.0, 0.5, 1.5])
def test_cancelling_leaves_no_request_under_way(moment: float) -> None:
    async def main() -> None:
        async def pause(request: ChatRequest) -> None:
            await asyncio.sleep(1.0)

        work = asyncio.ensure_future(
            Writer(pause).proposer(groups=2, group_size=3).propose(SEED, failed(6), 1, 8, at_once)
        )
        await asyncio.sleep(moment)
        work.cancel()
        with pytest.raises(asyncio.CancelledError):
            await work
        await asyncio.sleep(0)
        assert asyncio.all_tasks() == {asyncio.current_task()}

    run_in_virtual_time(main())


async def test_answers_without_a_critique_are_counted_and_edited_by_nobody() -> None:
    writer = Writer()
    writer.model = TableModel(lambda system, user: "I am fine.")
    made = await proposed(writer, failed(6), groups=2, group_size=3)
    assert (made.asked, made.unreadable, made.rewrites) == (2, 2, ())
    assert not writer.asked("edit")


LABELS = ("billing", "shipping", "account")
ROWS = tuple(row(n, LABELS[n % 3], f"ticket {n} about {LABELS[n % 3]} matters") for n in range(30))
SORTED = tuple(
    (one, RowResult(one.id, one.line, "", one.expected, "billing", float(one.expected == "billing"), "billing"))
    for one in ROWS
)


def evidence() -> EvidenceProposer:
    return EvidenceProposer(ROWS, OptimizerSettings(), 7, {})


async def test_the_evidence_proposer_makes_the_same_children_every_time_from_critique_rows_alone() -> None:
    runs = [await evidence().propose(SEED, SORTED, 1, 6, at_once) for _ in range(2)]
    assert runs[0] == runs[1]
    children = [made for made in runs[0].rewrites if isinstance(made, Arm)]
    assert {child.candidate.operator for child in children} == {"exemplars", "rule"}
    assert all(child.candidate.gradients for child in children)
    (rule,) = [child for child in children if child.candidate.operator == "rule"]
    assert tunable_text(rule.prompt).rstrip().endswith(".")
    assert "shipping:" in tunable_text(rule.prompt) or "account:" in tunable_text(rule.prompt)


@given(most=st.integers(1, 12))
@settings(deadline=None, max_examples=12)
def test_the_evidence_proposer_makes_no_more_children_than_asked_and_enters_each(most: int) -> None:
    entered: list[str] = []

    async def enter(arm: Arm) -> None:
        entered.append(arm.id)

    made = asyncio.run(evidence().propose(SEED, SORTED, 1, most, enter))
    assert 1 <= len(made.rewrites) <= most
    assert entered == [child.id for child in made.rewrites if isinstance(child, Arm)]
    assert not any(isinstance(child, Rejected) for child in made.rewrites)


async def test_worked_examples_include_the_texts_that_were_planned_and_not_what_is_on_disk_by_now(
    tmp_path: Path,
) -> None:
    (tmp_path / "_more.prompt").write_text("A SECRET of the disk")
    text = '{{role "system"}}\nSort tickets.\n{{role "user"}}\n{{> more}} {{text}}\n'
    seed = seed_arm(parse_prompt(text, tmp_path / "a.prompt"))
    proposer = EvidenceProposer(ROWS, OptimizerSettings(), 7, {"more": "As planned:"})
    children = [
        made for made in (await proposer.propose(seed, SORTED, 1, 6, at_once)).rewrites if isinstance(made, Arm)
    ]
    shown = [child.prompt.text for child in children if child.candidate.operator == "exemplars"]
    assert shown
    assert all("As planned:" in text and "SECRET" not in text for text in shown)
