"""The editor and the paraphraser: from a prompt to rewrites of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from apo_engine.encodable import encodable
from apo_engine.models.chat import ChatRequest, Completion, Message
from apo_engine.models.gateway import CallRole, Gateway
from apo_engine.prompt.edit import EditRejected, tunable_text, with_tunable_text
from apo_engine.prompt.shown_data import shown_data
from apo_engine.search.arm import Arm, child_arm
from apo_engine.search.candidate import Operator
from apo_engine.search.confusion import Scored
from apo_engine.search.gradient import LONGEST_CRITIQUE, Gradient
from apo_engine.search.length import longest, too_long
from apo_engine.search.meta_prompts import MetaPrompts, between, mark_of, rows_as_text

# An edit is shown no more rows than this: they illustrate its critiques, they do not replace them.
_MOST_ROWS = 8
# Further lines of a critique stand below its number, so that none can pass for another critique.
_ITEM = "\n   "
_MANNERS = (
    "in other words",
    "more briefly",
    "in another order",
    "more explicitly",
    "in plainer words",
    "with another emphasis",
    "in sentences built differently",
    "more formally",
)


@dataclass(frozen=True, slots=True)
class Rejected:
    """A rewrite that must not become a candidate, and why."""

    parent: str
    operator: Operator
    reason: str
    gradients: tuple[str, ...] = ()


Rewrite = Arm | Rejected


class ModelEditor:
    """Asks a model for rewrites; every answer becomes a child or is rejected with a reason."""

    def __init__(self, gateway: Gateway, meta: MetaPrompts, *, temperature: float) -> None:
        self._gateway = gateway
        self._meta = meta
        self._params = {"temperature": temperature}

    async def edit(
        self, arm: Arm, gradients: Sequence[Gradient], failures: Sequence[Scored], round_: int, draw: int = 0
    ) -> Rewrite:
        """One call: the prompt, moved against these gradients at once; ``failures`` illustrate them."""
        explained = {row for gradient in gradients for row in gradient.rows}
        shown = [scored for scored in failures if scored[0].id in explained] or list(failures)
        data = {
            "prompt": tunable_text(arm.prompt),
            "critique": critiques_as_text(gradients),
            "rows": rows_as_text(shown[:_MOST_ROWS]),
            # A further edit asks for another way, so that an endpoint that answers alike can still vary.
            "another": str(draw + 1) if draw else "",
        }
        messages = self._meta.messages("editor", **data)
        names = tuple(gradient.id for gradient in gradients)
        return await self._ask("edit", messages, data, arm, "edit", round_, draw, names)

    async def paraphrase(self, arm: Arm, round_: int, draw: int = 0) -> Rewrite:
        """One call: the prompt in other words, each ``draw`` asked for in words of its own."""
        data = {"prompt": tunable_text(arm.prompt), "variation": variation(draw)}
        messages = self._meta.messages("paraphrase", **data)
        return await self._ask("paraphrase", messages, data, arm, "paraphrase", round_, draw, arm.candidate.gradients)

    async def _ask(
        self,
        role: CallRole,
        messages: tuple[Message, ...],
        data: dict[str, str],
        arm: Arm,
        operator: Operator,
        round_: int,
        draw: int,
        gradients: tuple[str, ...],
    ) -> Rewrite:
        completion = await self._gateway.complete(role, ChatRequest(messages, self._params, draw))
        new = between(completion.text, f"new-prompt-{mark_of(*data.values())}")
        if new is None or completion.is_refused:
            return Rejected(arm.id, operator, unmarked(completion, "text"), gradients)
        # Before the text is taken apart, which takes time.
        if len(new) > (most := longest(tunable_text(arm.prompt))):
            return Rejected(arm.id, operator, too_long(new, most), gradients)
        if encodable(new) != new:
            return Rejected(arm.id, operator, "it holds half characters", gradients)
        try:
            return child_arm(arm, with_tunable_text(arm.prompt, new), operator, round_, gradients)
        except EditRejected as rejected:
            return Rejected(arm.id, operator, rejected.reason, gradients)


def unmarked(completion: Completion, what: str) -> str:
    """Why an answer holds no new text, or one that must not be used."""
    if completion.is_refused:
        return "the answer was refused"
    why = "was cut off" if completion.is_cut_off else f"did not mark the new {what} as asked"
    return f"the answer {why}"


def variation(draw: int) -> str:
    """How the paraphrase of this draw is to differ: a number and a manner.

    No two draws ask the same, so that an endpoint that answers the same question alike can still vary.
    """
    return f"{draw + 1}: {_MANNERS[draw % len(_MANNERS)]}"


def critiques_as_text(gradients: Sequence[Gradient]) -> str:
    """The critiques of these gradients, numbered where there are several."""
    shown = [_ITEM.join(shown_data(one.critique, LONGEST_CRITIQUE).splitlines()) for one in gradients]
    return shown[0] if len(shown) == 1 else "\n".join(f"{number}. {one}" for number, one in enumerate(shown, start=1))
