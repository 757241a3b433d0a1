"""The critic, the editor and the paraphraser of the simulated task: they see what a model would see, and err as one.

A critic names what a shown failure has in common with others like it; at times it is vague, mistakes the label, or
states the rule too broadly. An editor writes most of what it is told, forgets some of it, and now and then loses a
line that stood there before. Asked for several reasons, a critic gives several, each about another concept.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from benchmarks.world.task import LABELS, Row, Rule, Task, rules_in

_ADVICE = re.compile(r"say that messages (about|near) (\w+) are (\w+)")
_SYNONYMS = (
    ("sort", "order", "assign", "classify"),
    ("messages that reach", "letters that come to", "notes that reach", "mail that comes to"),
    ("small company", "little firm", "small business", "family firm"),
    ("Answer with", "Reply with", "Return", "Write"),
)


@dataclass(frozen=True)
class Noise:
    """How often a mind errs: the shares of critiques that are vague, mistaken, too broad; what edits forget or lose."""

    vague: float = 0.20
    mistaken: float = 0.10
    broad: float = 0.10
    forgets: float = 0.12
    loses: float = 0.05


@dataclass(frozen=True)
class Reason:
    """One reason of a critic, and which of the rows it was shown (by position, from 0) it explains."""

    text: str
    rows: tuple[int, ...]


class Minds:
    """The models that write, for one task."""

    def __init__(self, task: Task, noise: Noise | None = None) -> None:
        self._task = task
        self._noise = noise or Noise()

    def criticise(self, prompt: str, failures: Sequence[Row], reasons: int, salt: str) -> list[Reason]:
        """Up to ``reasons`` reasons, those first that explain most of the failures."""
        noise, task = self._noise, self._task
        rules = rules_in(prompt)
        rows_of: dict[str, list[int]] = {}
        for at, row in enumerate(failures):
            rule = rules.get(row.concept.subject)
            if rule is None or rule.label != row.concept.label:
                rows_of.setdefault(row.concept.subject, []).append(at)
        counts = Counter({subject: len(rows) for subject, rows in rows_of.items()})
        found = []
        for subject, _ in counts.most_common(reasons):
            concept = task.by_subject[subject]
            u = task.chance("critic", salt, subject)
            if u < noise.vague:
                said = "The prompt leaves too much open; it should be clearer about borderline cases."
            else:
                mistaken = u < noise.vague + noise.mistaken
                broad = not mistaken and u < noise.vague + noise.mistaken + noise.broad
                label = concept.label
                if mistaken:
                    label = task.pick([other for other in LABELS if other != label], "mistake", salt, subject)
                how = "near" if broad else "about"
                said = (
                    f"The prompt does not tell how to treat such rows; say that messages {how} {subject} are {label}."
                )
            found.append(Reason(said, tuple(rows_of[subject])))
        return found or [Reason("The wording could be clearer.", tuple(range(min(1, len(failures)))))]

    def edit(self, prompt: str, critique: str, salt: str) -> str:
        """The prompt with the advice of a critique, or of several, written into it."""
        noise, task = self._noise, self._task
        lines = prompt.split("\n")
        kept = [
            line
            for at, line in enumerate(lines)
            if not _is_rule(line) or task.chance("loses", salt, str(at)) >= noise.loses
        ]
        written = False
        for how, subject, label in _ADVICE.findall(critique):
            if task.chance("forgets", salt, subject) < noise.forgets:
                continue
            kept = [line for line in kept if not (_is_rule(line) and f" {subject} " in line)]
            kept.append(str(Rule(subject, label, how == "near")))
            written = True
        text = "\n".join(kept)
        return text if written else self._other_words(text, salt)

    def reword(self, prompt: str, salt: str) -> str:
        """The prompt in other words; a rule is lost as often as in an edit."""
        lines = prompt.split("\n")
        kept = [
            line
            for at, line in enumerate(lines)
            if not _is_rule(line) or self._task.chance("loses", salt, str(at)) >= self._noise.loses
        ]
        return self._other_words("\n".join(kept), salt)

    def _other_words(self, text: str, salt: str) -> str:
        group = _SYNONYMS[int(len(_SYNONYMS) * self._task.chance("group", salt))]
        present = next((words for words in group if words in text), None)
        if present is None:
            return text
        others = [words for words in group if words != present]
        return text.replace(present, self._task.pick(others, "words", salt), 1)


def _is_rule(line: str) -> bool:
    return line.startswith(("Messages about ", "Messages near "))
