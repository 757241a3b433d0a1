"""The phrase editor: drafts of one phrase-level edit, and the children they become."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import get_args

from apo_engine.encodable import encodable
from apo_engine.models.chat import ChatRequest
from apo_engine.models.gateway import Gateway
from apo_engine.prompt.edit import EditRejected, passage_break, tunable_text, with_tunable_text
from apo_engine.search.arm import Arm, child_arm
from apo_engine.search.candidate import PhraseOperator
from apo_engine.search.editor import Rejected, Rewrite, unmarked, variation
from apo_engine.search.length import longest, too_long
from apo_engine.search.meta_prompts import MetaPrompts, between, mark_of
from apo_engine.search.phrases import Cut, Phrase, phrases, put_back, replaced, swapped, without

PHRASE_OPERATORS: tuple[PhraseOperator, ...] = get_args(PhraseOperator)


@dataclass(frozen=True, slots=True)
class Draft:
    """An edit of ``parent`` that was decided on: its new text, or the phrase of it that a model is yet to reword.

    ``draw`` tells several rewordings of one phrase apart; ``cut`` is what a deletion leaves out
    or an addition puts back.
    """

    parent: Arm
    operator: PhraseOperator
    text: str
    phrase: Phrase | None = None
    draw: int = 0
    cut: Cut | None = None


class PhraseEditor:
    """Draws phrase-level edits (GrIPS, Prasad et al. 2022) and writes them; only a paraphrase asks a model."""

    def __init__(self, gateway: Gateway, meta: MetaPrompts, *, temperature: float) -> None:
        self._gateway = gateway
        self._meta = meta
        self._params = {"temperature": temperature}
        # How often each phrase of each prompt was reworded: a further draw is a further request.
        self._draws: Counter[tuple[str, str]] = Counter()

    def operators(self, arm: Arm, cuts: Sequence[Cut]) -> tuple[PhraseOperator, ...]:
        """The operators that can be applied, ``cuts`` being the phrases that may be put back."""
        text, parts = _taken_apart(arm)
        possible = {
            "phrase-add": bool(cuts and parts),
            "phrase-paraphrase": bool(parts),
            "phrase-swap": len({part.span.of(text) for part in parts}) > 1,
            "phrase-delete": len(parts) > 1,
        }
        return tuple(operator for operator in PHRASE_OPERATORS if possible[operator])

    def draft(self, arm: Arm, operator: PhraseOperator, cuts: Sequence[Cut], rng: random.Random) -> Draft:
        """One edit of the arm, of those that ``operators`` allows, drawn uniformly."""
        text, parts = _taken_apart(arm)
        if operator == "phrase-add":
            cut = rng.choice(cuts)
            return Draft(arm, operator, put_back(text, parts, rng.randrange(len(parts) + 1), cut), cut=cut)
        if operator == "phrase-delete":
            shorter, cut = without(text, parts, rng.randrange(len(parts)))
            return Draft(arm, operator, shorter, cut=cut)
        phrase = rng.choice(parts)
        if operator == "phrase-swap":
            words = phrase.span.of(text)
            other = rng.choice([part for part in parts if part.span.of(text) != words])
            return Draft(arm, operator, swapped(text, phrase, other))
        key = (arm.id, phrase.span.of(text))
        self._draws[key] += 1
        return Draft(arm, operator, text, phrase, self._draws[key] - 1)

    async def write(self, draft: Draft, round_: int) -> Rewrite:
        """The child of a draft; one call where a phrase is to be reworded."""
        if draft.phrase is None:
            return written(draft, round_)
        data = {"prompt": draft.text, "phrase": draft.phrase.span.of(draft.text), "variation": variation(draft.draw)}
        request = ChatRequest(self._meta.messages("phrase", **data), self._params, draft.draw)
        completion = await self._gateway.complete("paraphrase", request)
        new = between(completion.text, f"new-phrase-{mark_of(*data.values())}")
        if new is None or completion.is_refused:
            return Rejected(draft.parent.id, draft.operator, unmarked(completion, "phrase"))
        if len(new) > (most := longest(draft.text)):
            return Rejected(draft.parent.id, draft.operator, too_long(new, most))
        if encodable(new) != new:
            return Rejected(draft.parent.id, draft.operator, "it holds half characters")
        if not new.strip():
            return Rejected(draft.parent.id, draft.operator, "it is empty")
        text = replaced(draft.text, draft.phrase, " ".join(new.split()))
        return written(replace(draft, text=text, phrase=None), round_)


def written(draft: Draft, round_: int) -> Rewrite:
    """The child of a draft that asks no model."""
    try:
        new = with_tunable_text(draft.parent.prompt, draft.text)
    except EditRejected as rejected:
        return Rejected(draft.parent.id, draft.operator, rejected.reason)
    return child_arm(draft.parent, new, draft.operator, round_)


def _taken_apart(arm: Arm) -> tuple[str, tuple[Phrase, ...]]:
    text = tunable_text(arm.prompt)
    return text, phrases(text, passage_break(arm.prompt))
