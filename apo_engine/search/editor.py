"""The editor and the paraphraser: from a prompt to rewrites of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from apo_engine.models.chat import ChatRequest, Message
from apo_engine.models.gateway import CallRole, Gateway
from apo_engine.prompt.edit import EditRejected, tunable_text, with_tunable_text
from apo_engine.search.arm import Arm, child_arm
from apo_engine.search.candidate import Operator
from apo_engine.search.critic import Scored
from apo_engine.search.gradient import Gradient
from apo_engine.search.meta_prompts import MetaPrompts, between, mark_of, rows_as_text


@dataclass(frozen=True, slots=True)
class Rejected:
    """A rewrite that must not become a candidate, and why."""

    parent: str
    operator: Operator
    reason: str
    gradient: str | None = None


Rewrite = Arm | Rejected


class ModelEditor:
    """Asks a model for rewrites; every answer becomes a child or is rejected with a reason."""

    def __init__(self, gateway: Gateway, meta: MetaPrompts, *, temperature: float) -> None:
        self._gateway = gateway
        self._meta = meta
        self._params = {"temperature": temperature}

    async def edit(self, arm: Arm, gradient: Gradient, failures: Sequence[Scored], round_: int, draw: int) -> Rewrite:
        """One call: the prompt, moved against the gradient."""
        shown = [scored for scored in failures if scored[0].id in gradient.rows] or failures
        data = {"prompt": tunable_text(arm.prompt), "critique": gradient.critique, "rows": rows_as_text(shown)}
        messages = self._meta.messages("editor", **data)
        return await self._ask("edit", messages, data, arm, "edit", round_, draw, gradient.id)

    async def paraphrase(self, arm: Arm, round_: int, draw: int) -> Rewrite:
        """One call: the prompt in other words."""
        data = {"prompt": tunable_text(arm.prompt)}
        messages = self._meta.messages("paraphrase", **data)
        return await self._ask("paraphrase", messages, data, arm, "paraphrase", round_, draw, arm.candidate.gradient)

    async def _ask(
        self,
        role: CallRole,
        messages: tuple[Message, ...],
        data: dict[str, str],
        arm: Arm,
        operator: Operator,
        round_: int,
        draw: int,
        gradient: str | None,
    ) -> Rewrite:
        completion = await self._gateway.complete(role, ChatRequest(messages, self._params, draw))
        new = between(completion.text, f"new-prompt-{mark_of(*data.values())}")
        if new is None:
            why = "was cut off" if completion.finish == "length" else "did not mark the new text as asked"
            return Rejected(arm.id, operator, f"the answer {why}", gradient)
        try:
            return child_arm(arm, with_tunable_text(arm.prompt, new), operator, round_, gradient)
        except EditRejected as rejected:
            return Rejected(arm.id, operator, rejected.reason, gradient)
