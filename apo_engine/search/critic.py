"""The critic: from a prompt and its failures to textual gradients."""

from __future__ import annotations

import hashlib
import json
import math
import random
from collections.abc import Awaitable, Sequence
from dataclasses import dataclass, replace
from typing import Protocol, runtime_checkable

import msgspec

from apo_engine.decoding import converted
from apo_engine.encodable import encodable
from apo_engine.models.chat import ChatRequest, Shape
from apo_engine.models.gateway import Gateway
from apo_engine.prompt.edit import tunable_text
from apo_engine.prompt.shown_data import shown_data
from apo_engine.search.anchor import anchor
from apo_engine.search.arm import Arm
from apo_engine.search.confusion import Scored, confusions, failing
from apo_engine.search.draws import draw
from apo_engine.search.gradient import LONGEST_CRITIQUE, Gradient, GradientSource
from apo_engine.search.meta_prompts import MetaPrompts, rows_as_text
from apo_engine.settings import OptimizerSettings


@dataclass(frozen=True, slots=True)
class Criticism:
    """What one look at failures gave: gradients, the failures looked at, and whether the answer held no critique."""

    gradients: tuple[Gradient, ...]
    shown: tuple[Scored, ...]
    unreadable: bool = False


@runtime_checkable
class Critic(Protocol):
    """Says why a prompt fails."""

    def criticise(self, arm: Arm, scored: Sequence[Scored], round_: int, groups: int) -> Sequence[Awaitable[Criticism]]:
        """At most ``groups`` looks at an arm's scored critique rows, each of which answers on its own.

        None where no row failed.
        """
        ...


class _Answer(msgspec.Struct):
    critique: str
    quote: str = ""
    rows: list[int] = []


class _Answers(msgspec.Struct):
    critiques: list[_Answer]


_SHAPE = Shape(
    "critiques",
    {
        "type": "object",
        "properties": {
            "critiques": {
                "type": "array",
                "items": {
                    "type": "object",
                    "properties": {
                        "quote": {"type": "string"},
                        "critique": {"type": "string"},
                        "rows": {"type": "array", "items": {"type": "integer"}},
                    },
                    "required": ["quote", "critique", "rows"],
                    "additionalProperties": False,
                },
            }
        },
        "required": ["critiques"],
        "additionalProperties": False,
    },
)


class ModelCritic:
    """Shows a model groups of failing rows; each call asks for several reasons about different rows."""

    def __init__(self, gateway: Gateway, meta: MetaPrompts, settings: OptimizerSettings, seed: int) -> None:
        self._gateway = gateway
        self._meta = meta
        self._settings = settings
        self._seed = seed
        self._asked: set[tuple[str, frozenset[str]]] = set()

    def criticise(self, arm: Arm, scored: Sequence[Scored], round_: int, groups: int) -> list[Awaitable[Criticism]]:
        """One call per group of failing rows, which asks for all reasons; no group is asked about twice."""
        failures = failing(scored)
        size = self._settings.group_size
        facts = "\n".join(shown_data(str(confusion), 1000) for confusion in confusions(scored))
        looks: list[Awaitable[Criticism]] = []
        for group in sample_groups(failures, groups, size, draw(self._seed, "groups", round_, arm.id)):
            # Two rows may read the same.
            key = (tunable_text(arm.prompt), frozenset(rows_as_text([row]) for row in group))
            if key not in self._asked:
                self._asked.add(key)
                looks.append(self._ask(arm, group, facts, len(failures), round_))
        return looks

    async def _ask(self, arm: Arm, group: tuple[Scored, ...], facts: str, failures: int, round_: int) -> Criticism:
        reasons = self._settings.reasons
        rows = rows_as_text(group)
        messages = self._meta.messages(
            "critic", prompt=tunable_text(arm.prompt), rows=rows, facts=facts, reasons=str(reasons)
        )
        params = {"temperature": self._settings.temperature}
        completion = await self._gateway.complete("gradient", ChatRequest(messages, params, round_, _SHAPE))
        gradients = tuple(
            make_gradient(
                arm,
                critique=_bounded(self._gateway.struck(answer.critique.strip())),
                quote=_bounded(self._gateway.struck(answer.quote)),
                rows=[group[number - 1][0].id for number in answer.rows if 1 <= number <= len(group)]
                or [row.id for row, _ in group],
                failures=failures,
                source="model",
            )
            for answer in read_critiques(completion.text, rows)[:reasons]
            if answer.critique.strip() and not completion.is_refused
        )
        return Criticism(gradients, group, unreadable=not gradients)


def sample_groups(failures: Sequence[Scored], groups: int, size: int, rng: random.Random) -> list[tuple[Scored, ...]]:
    """Groups of failures to criticise together: disjoint while there are enough, so that reasons differ."""
    pool: list[Scored] = []
    drawn = []
    for _ in range(min(groups, math.ceil(len(failures) / size) if len(failures) > size else 1) if failures else 0):
        if len(pool) < size:
            pool += rng.sample(failures, len(failures))
        group = dict.fromkeys(row.id for row, _ in pool[:size])
        by_id = {row.id: (row, result) for row, result in pool[:size]}
        pool = pool[size:]
        drawn.append(tuple(by_id[row] for row in group))
    return drawn


def make_gradient(
    arm: Arm, *, critique: str, quote: str, rows: Sequence[str], failures: int, source: GradientSource
) -> Gradient:
    """A gradient anchored in the arm's prompt."""
    span, how = anchor(arm.prompt, quote)
    words = " ".join(f"{quote} {critique}".casefold().split())
    ids = tuple(dict.fromkeys(rows))
    name = hashlib.sha256(words.encode("utf-8", "surrogatepass")).hexdigest()[:12]
    share = min(1.0, len(ids) / failures) if failures else 0.0
    return Gradient(name, critique, span.of(arm.prompt.text), span, how, ids, share, source)


def merged(gradients: Sequence[Gradient], failures: int) -> tuple[Gradient, ...]:
    """Gradients without repeats, the rows of repeats joined, by falling share of failures."""
    by_id: dict[str, Gradient] = {}
    for gradient in gradients:
        known = by_id.get(gradient.id)
        rows = tuple(dict.fromkeys((*known.rows, *gradient.rows))) if known else gradient.rows
        by_id[gradient.id] = replace(gradient, rows=rows, share=min(1.0, len(rows) / failures) if failures else 0.0)
    return tuple(sorted(by_id.values(), key=lambda gradient: -gradient.share))


def read_critiques(answer: str, shown: str = "") -> list[_Answer]:
    """The critiques in a model's answer: the first JSON object of its own that holds some, wherever it stands.

    An object that stands in what the model was ``shown`` is a row's word and not the model's, which repeats it.
    """
    decoder = json.JSONDecoder(strict=False, object_pairs_hook=_without_repeats)
    given = "".join(shown.split())
    at = answer.find("{")
    tried = 0
    while at >= 0 and tried < 50:
        end = at + 1
        try:
            value, end = decoder.raw_decode(answer, at)
            found = converted(value, _Answers, strict=False).critiques
            if "".join(answer[at:end].split()) not in given:
                return [_Answer(encodable(one.critique), encodable(one.quote), one.rows) for one in found]
        except (ValueError, msgspec.ValidationError, RecursionError):
            end = at + 1
        at = answer.find("{", end)
        tried += 1
    return []


def _without_repeats(pairs: list[tuple[str, object]]) -> dict[str, object]:
    """An object; one that says two things of the same key says nothing."""
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key is there twice")
    return found


def _bounded(text: str) -> str:
    text = encodable(text)
    return text if len(text) <= LONGEST_CRITIQUE else f"{text[: LONGEST_CRITIQUE - 1]}…"
