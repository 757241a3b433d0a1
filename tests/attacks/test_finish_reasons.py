"""An endpoint that ends an answer for another reason than that it is complete: the answer is not right."""

from __future__ import annotations

from pathlib import Path

import pytest

from apo_engine.evaluation.evaluator import Evaluator
from apo_engine.examples.example import Example
from apo_engine.prompt.file import parse_prompt
from apo_engine.scoring.metric import make_metric
from tests.engine.models.support import chat, gateway
from tests.scripted import Reply, ScriptedServer

ROW = Example("r", {"text": "t"}, "yes", 1, Path("rows.jsonl"))
NOT_RIGHT = {
    "length": "cut off",
    "MAX-TOKENS": "cut off",
    "maxOutputTokens": "cut off",
    "token_limit": "cut off",
    "max_length": "cut off",
    "content-filter": "filter",
    "ContentFiltered": "filter",
    "contentFilter": "filter",
    "IMAGE_SAFETY": "filter",
    "ERROR_TOXIC": "filter",
    "REFUSAL": "refused",
    "ERROR_LIMIT": "reason of its own",
    "time_limit": "reason of its own",
    "OTHER": "reason of its own",
    "LANGUAGE": "reason of its own",
    "malformed_function_call": "reason of its own",
    "stop_refusal": "reason of its own",
    "sto\u0440": "reason of its own",
    "x" * 100_000: "reason of its own",
    "\x1b[31mred": "reason of its own",
}
RIGHT = ("stop", "STOP", "eos", "<|eos_token|>", "end_turn", "end-turn", "stop_sequence", "COMPLETE", "completed", "")
RIGHT_TOO = ("tool_calls", "function_call", "toolCalls", "null")


async def _scored(server: ScriptedServer, finish: str) -> tuple[float, bool, str]:
    server.script = lambda _: Reply("yes", finish=finish)
    model = chat(server)
    evaluator = Evaluator(gateway(model), make_metric("label", ["yes", "no"]), labels=["yes", "no"])
    (result,) = await evaluator.score(parse_prompt("{{text}}"), [ROW])
    await model.close()
    return result.score, result.invalid, result.remark


@pytest.mark.parametrize(("finish", "why"), NOT_RIGHT.items(), ids=lambda text: ascii(text[:30]))
async def test_an_answer_that_ended_otherwise_is_not_right(scripted: ScriptedServer, finish: str, why: str) -> None:
    score, invalid, remark = await _scored(scripted, finish)
    assert (score, invalid) == (0.0, True)
    assert why in remark
    assert len(remark) < 200
    assert "\x1b" not in remark


@pytest.mark.parametrize("finish", [*RIGHT, *RIGHT_TOO])
async def test_an_answer_that_is_complete_counts(scripted: ScriptedServer, finish: str) -> None:
    assert await _scored(scripted, finish) == (1.0, False, "")
