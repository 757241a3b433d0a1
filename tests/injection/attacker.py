"""The scripted world with an attacker in it: as critic, as rewriter, as judge, or in the rows."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from tests.scripted.world import World, kind_of

_BODY = re.compile(r"(<new-(?:prompt|phrase)-\w+>\n)(.*?)(\n</new-)", re.DOTALL)

_STRIDE = 17

Script = Callable[[dict[str, Any]], str]


def rewriter(world: World, payloads: list[str]) -> Script:
    """Rewrites as the world does, so that the rewrite is better, and adds one payload after the other."""
    told = 0

    def script(request: dict[str, Any]) -> str:
        nonlocal told
        answer = world.script(request)
        if kind_of(request) not in ("edit", "paraphrase"):
            return answer
        # In long strides, so that a short search meets attacks of many kinds.
        payload = payloads[told * _STRIDE % len(payloads)]
        told += 1
        return _BODY.sub(lambda match: f"{match[1]}{match[2]}\n{payload}{match[3]}", answer)

    return script


def critic(world: World, answers: list[str]) -> Script:
    """Criticises by one of these answers after the other."""
    told = 0

    def script(request: dict[str, Any]) -> str:
        nonlocal told
        if kind_of(request) != "gradient":
            return world.script(request)
        told += 1
        return answers[told % len(answers)]

    return script
