"""What the optimizer's models are sent when a row carries an attack, and whether that is still as it must be."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from apo_engine.evaluation.fanout import fan_out
from apo_engine.evaluation.result import RowResult
from apo_engine.evaluation.rubric import RubricGrader
from apo_engine.examples.example import Example
from apo_engine.models.chat import Message
from apo_engine.prompt.edit import EditRejected
from apo_engine.prompt.file import PromptFile
from apo_engine.prompt.render import Renderer
from apo_engine.prompt.tags import mark_of
from apo_engine.search import exemplars
from apo_engine.search.arm import seed_arm
from apo_engine.search.critic import ModelCritic, make_gradient
from apo_engine.search.editor import ModelEditor
from apo_engine.search.gradient import Gradient
from apo_engine.search.intrusion import Intrusions
from apo_engine.search.meta_prompts import MetaPrompts
from apo_engine.settings import OptimizerSettings
from apo_engine.unseen import hidden
from tests.engine.table_model import TableModel, gateway, prompt

SEED = "Assign each ticket to one queue: billing, shipping, account or technical.\nAnswer with the queue's name alone."
# Longer than any request that a few rows can honestly make.
_LONGEST = 100_000
_CONTROL = re.compile(
    r"<[|｜]\w|\[/?INST\]|<</?SYS>>|<(?:start|end)_of_turn>|</?s>|\|im_(?:start|end|sep)\|", re.IGNORECASE
)

Row = tuple[Example, RowResult]


def failure(row: Example, answer: str) -> Row:
    """A row that got a wrong answer."""
    return row, RowResult(row.id, row.line, "rows.jsonl", row.expected, answer, 0.0, answer)


async def asked_of_critic(rows: Sequence[Row]) -> tuple[Message, ...]:
    """What the critic is sent about these rows."""
    model = TableModel(lambda system, user: '{"critiques": []}')
    critic = ModelCritic(gateway(model), MetaPrompts(), OptimizerSettings(), 0)
    await fan_out(critic.criticise(seed_arm(prompt(SEED)), rows, 1, 1))
    return model.requests[0].messages


async def asked_of_editor(rows: Sequence[Row], gradients: Sequence[Gradient] = ()) -> tuple[Message, ...]:
    """What the editor is sent about these rows and critiques."""
    arm = seed_arm(prompt(SEED))
    model = TableModel(lambda system, user: "")
    plain = make_gradient(
        arm, critique="Too short.", quote="", rows=[row.id for row, _ in rows], failures=1, source="model"
    )
    await ModelEditor(gateway(model), MetaPrompts(), temperature=1).edit(arm, gradients or (plain,), rows, 1)
    return model.requests[0].messages


async def asked_of_judge(row: Row) -> tuple[Message, ...]:
    """What the judge is sent about the answer to a row."""
    model = TableModel(lambda system, user: '{"reason": "", "grade": 1}')
    await RubricGrader(gateway(model), "Is it right?").grade(row[0], row[1].answer)
    return model.requests[0].messages if model.requests else ()


async def faults(rows: Sequence[Row]) -> list[str]:
    """What is wrong with any request that these rows go into."""
    found = [f"critic: {fault}" for fault in request_faults(await asked_of_critic(rows), "prompt", "rows", "facts")]
    found += _row_faults(block(await asked_of_critic(rows), "rows"), rows)
    editor = await asked_of_editor(rows)
    found += [f"editor: {fault}" for fault in request_faults(editor, "prompt", "critique", "rows")]
    found += _row_faults(block(editor, "rows"), rows)
    for row in rows:
        judge = await asked_of_judge(row)
        if judge:
            tags = ("rubric", "task", "reference", "answer")
            found += [f"judge: {fault}" for fault in request_faults(judge, *tags)]
            margins = [line for line in block(judge, "task").splitlines() if not line.startswith("  ")]
            if len(margins) != len(row[0].inputs):
                found.append("judge: an input passes for another")
        found += _task_faults(row[0])
    return found


def request_faults(messages: Sequence[Message], *tags: str) -> Iterator[str]:
    """What is wrong with a request whose data should stand between these tags."""
    if [message.role for message in messages] != ["system", "user"]:
        yield "a message was added"
        return
    user = messages[1].content
    mark = _mark(user)
    if user.count(mark) != 2 * len(tags):
        yield "the data holds its own mark"
    for tag in tags:
        if user.count(f"<{tag}-{mark}>") != 1 or user.count(f"</{tag}-{mark}>") != 1:
            yield f"<{tag}> is not there once"
    if _CONTROL.search(user):
        yield "a control token is whole"
    if hidden(user):
        yield "characters hide"
    if len(user) > _LONGEST:
        yield "it is too long"


def guessed(text: str) -> str:
    """The text with the attacker's guess of the mark in it: that of the very data it stands in."""
    return text.replace("{mark}", mark_of(SEED, text))


def _mark(user: str) -> str:
    found = re.match(r"\s*<[a-z]+-(\w+)>", user)
    return found[1] if found else ""


def block(messages: Sequence[Message], tag: str) -> str:
    user = messages[-1].content
    return user.split(f"<{tag}-{_mark(user)}>\n")[1].split(f"\n</{tag}-{_mark(user)}>")[0]


def _row_faults(block: str, rows: Sequence[Row]) -> Iterator[str]:
    margins = [line for line in block.splitlines() if line and not line.startswith("  ")]
    if sum(re.fullmatch(r"Row \d+", line) is not None for line in margins) != len(rows):
        yield "a row passes for another"
    if len(margins) != sum(3 + len(row.inputs) for row, _ in rows):
        yield "a field passes for another"


def _task_faults(row: Example) -> Iterator[str]:
    asked = prompt(SEED)
    inputs = {"text": "", **row.inputs}
    messages = Renderer(asked).messages(inputs)
    if [message.role for message in messages if message.content.strip()] not in (["system", "user"], ["system"]):
        yield "task: a message was added"
    if "text" in row.inputs and inputs["text"].strip() not in messages[-1].content:
        yield "task: the input was changed"
    for usable in exemplars.usable([row]):
        yield from _exemplar_faults(asked, usable)


def _exemplar_faults(asked: PromptFile, row: Example) -> Iterator[str]:
    try:
        shown = exemplars.with_rows(asked, [row], {})
    except EditRejected:
        return
    before = [message.role for message in Renderer(asked).messages({"text": "x"})]
    if [message.role for message in Renderer(shown).messages({"text": "x"})] != before or shown.problems:
        yield "exemplar: it changes the prompt"
    if hidden(shown.text) or Intrusions(asked.text).added(shown.text):
        yield "exemplar: it hides something or begins a turn"
