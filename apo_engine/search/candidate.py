"""A candidate prompt and where it comes from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

PhraseOperator = Literal["phrase-add", "phrase-paraphrase", "phrase-swap", "phrase-delete"]
Operator = Literal["seed", "edit", "paraphrase", "exemplars", "rule", PhraseOperator]


@dataclass(frozen=True, slots=True)
class Candidate:
    """A whole `.prompt` file text with its lineage: parent, operator, and the gradients that asked for it.

    ``id`` is the start of the text's SHA-256: the same text is the same candidate. ``suspicions`` are what it adds to
    the user's prompt that a reader should look at, in words that go on from "it": ``adds a link ('…')``.
    """

    id: str
    text: str
    operator: Operator
    round: int = 0
    parent: str | None = None
    gradients: tuple[str, ...] = ()
    suspicions: tuple[str, ...] = ()
