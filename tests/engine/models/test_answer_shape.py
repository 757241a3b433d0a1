"""The shape that an answer should have: asked for where the endpoint can keep to one, and done without elsewhere."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from apo_engine.models.chat import ChatRequest, Shape
from apo_engine.models.failure import FinalFailure
from tests.engine.models.support import ask, chat, complete
from tests.scripted import Reply, ScriptedServer
from tests.scripted.reply import failure

SCHEMA = {"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"], "additionalProperties": False}


def shaped(words: str = "What?") -> ChatRequest:
    return replace(ask(words, temperature=0), shape=Shape("answer", SCHEMA))


def _refusing(message: str, param: str | None = None, status: int = 400) -> Callable[[dict[str, Any]], str | Reply]:
    return lambda request: failure(status, message, param=param) if "response_format" in request else "fine"


async def test_the_shape_goes_out_as_a_strict_schema(scripted: ScriptedServer) -> None:
    model = chat(scripted, "shapely")
    await model.complete(shaped())
    form = scripted.log[0].body["response_format"]
    assert form == {"type": "json_schema", "json_schema": {"name": "answer", "strict": True, "schema": SCHEMA}}
    await model.complete(ask("Nothing special."))
    assert "response_format" not in scripted.log[1].body
    await model.close()


@pytest.mark.parametrize(
    ("message", "param", "status"),
    [
        ("Invalid parameter: 'response_format' of type 'json_schema' is not supported with this model.", None, 400),
        ("This response_format type is unavailable now", None, 400),
        ("Extra inputs are not permitted", "response_format", 422),
        ("Structured output is not available.", None, 400),
        ("Failed to parse grammar", None, 400),
    ],
)
async def test_an_endpoint_that_cannot_is_asked_without_from_then_on(
    scripted: ScriptedServer, message: str, param: str | None, status: int
) -> None:
    scripted.script = _refusing(message, param, status)
    model = chat(scripted, f"shapeless {message}")
    assert (await complete(model, shaped())).text == "fine"
    assert (await complete(model, shaped("And now?"))).text == "fine"
    assert ["response_format" in body for body in scripted.log.bodies] == [True, False, False]
    assert all(body["temperature"] == 0 for body in scripted.log.bodies)
    await model.close()


async def test_another_refusal_is_told_once_and_costs_no_shape(scripted: ScriptedServer) -> None:
    scripted.script = lambda request: failure(400, "The context is too long")
    model = chat(scripted, "short of context")
    with pytest.raises(FinalFailure):
        await model.complete(shaped())
    assert len(scripted.log) == 1
    scripted.script = lambda request: "fine"
    await model.complete(shaped())
    assert "response_format" in scripted.log[1].body
    await model.close()
