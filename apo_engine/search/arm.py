"""An arm of the search: a candidate with its parsed prompt."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from apo_engine.prompt.file import PromptFile
from apo_engine.search.candidate import Candidate, Operator


@dataclass(frozen=True, slots=True)
class Arm:
    """What can be pulled: the candidate's lineage, and the prompt that is run."""

    candidate: Candidate
    prompt: PromptFile

    @property
    def id(self) -> str:
        """The candidate's id."""
        return self.candidate.id


def seed_arm(prompt: PromptFile) -> Arm:
    """The prompt that the user wrote."""
    return Arm(Candidate(candidate_id(prompt.text), prompt.text, "seed"), prompt)


def child_arm(parent: Arm, prompt: PromptFile, operator: Operator, round_: int, gradients: tuple[str, ...] = ()) -> Arm:
    """A rewrite of ``parent``, asked for by the gradients of these ids."""
    candidate = Candidate(candidate_id(prompt.text), prompt.text, operator, round_, parent.id, gradients)
    return Arm(candidate, prompt)


def candidate_id(text: str) -> str:
    """The name of a text: the first 12 hex digits of its SHA-256."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:12]
