"""The task: messages with hidden concepts, a prompt that states rules, and a model that follows it, deterministically.

Every message is about one concept, and every concept belongs to one label. A prompt that states a concept's rule gets
its messages right, but for a few that nobody gets right; without a rule the model guesses; a wrong rule misleads it,
and a rule stated too broadly takes the messages of a neighbouring concept along. Some messages hang on the prompt's
exact wording. All of it follows from hashes of (world, row, prompt): the same question has the same answer.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

LABELS = ("alpha", "bravo", "carol", "delta")
_SUBJECTS = (
    "invoices", "vouchers", "parcels", "customs", "passwords", "profiles", "crashes", "pairing", "updates", "warranty",
    "batteries", "cables", "manuals", "stairs", "gardens", "paint", "windows", "timers", "radios", "lenses",
)  # fmt: skip
_RULE = re.compile(r"Messages (about|near) (\w+) are (\w+)\.")
_ROW = re.compile(r"#(\d{4,})")
_OPENERS = ("Hello,", "Hi there,", "Good morning,", "Dear team,", "Hey,", "To whom it may concern:")
_SAYINGS = (
    "I write because of the {0} again", "we talked about {0} last week", "my neighbour has the same trouble with {0}",
    "nobody could tell me anything on {0}", "it is still the old story with {0}", "there is something odd about {0}",
)  # fmt: skip
_CLOSERS = ("Please help.", "Thanks.", "What now?", "I am waiting.", "Kind regards.", "It is urgent.")


@dataclass(frozen=True)
class Concept:
    """What a message may be about, the label it belongs to, and the concept that a broad rule takes along."""

    number: int
    subject: str
    label: str
    neighbour: int


@dataclass(frozen=True)
class Rule:
    """A statement of a prompt on one subject; ``broad`` ones reach further than they should."""

    subject: str
    label: str
    broad: bool = False

    def __str__(self) -> str:
        return f"Messages {'near' if self.broad else 'about'} {self.subject} are {self.label}."


@dataclass(frozen=True)
class Row:
    """A message; ``#0123`` in its text is how the world knows it again."""

    number: int
    text: str
    concept: Concept


class Task:
    """``seed`` draws the world: which subjects, their labels and frequencies, and every row's luck.

    ``dilution`` is the share of right answers that is lost for each 100 words that a prompt has more than the first.
    """

    def __init__(
        self,
        seed: int = 0,
        *,
        concepts: int = 16,
        guess: float = 0.50,
        known: float = 0.95,
        misled: float = 0.15,
        wording: float = 0.04,
        dilution: float = 0.0,
    ) -> None:
        self._seed = str(seed)
        self._dilution = dilution
        self._guess, self._known, self._misled, self._wording = guess, known, misled, wording
        order = sorted(range(len(_SUBJECTS)), key=lambda i: self.chance("subject", str(i)))[:concepts]
        labels = [LABELS[i % len(LABELS)] for i in range(concepts)]
        self.concepts = tuple(Concept(n, _SUBJECTS[i], labels[n], (n + 1) % concepts) for n, i in enumerate(order))
        self.by_subject = {concept.subject: concept for concept in self.concepts}
        # Frequencies fall slowly: the most frequent concept is about three times as frequent as the rarest.
        weights = [1 / (1 + 2 * n / concepts) for n in range(concepts)]
        total = sum(weights)
        self._upto = [sum(weights[: n + 1]) / total for n in range(concepts)]
        self.seed_text = self._seed_text()

    def _seed_text(self) -> str:
        first = self.concepts[2]
        return (
            "You sort the messages that reach a small company. Give each message one of four labels: "
            f"{', '.join(LABELS)}.\n{Rule(first.subject, first.label)}\nAnswer with the label alone."
        )

    def chance(self, *parts: str) -> float:
        """A number in [0, 1) that depends on the world and the parts alone."""
        digest = hashlib.blake2b("\0".join((self._seed, *parts)).encode(), digest_size=7).digest()
        return int.from_bytes(digest, "big") / 2**56

    def pick(self, options: Sequence[str], *parts: str) -> str:
        """One of the options, as by `chance`."""
        return options[int(len(options) * self.chance(*parts))]

    @lru_cache(maxsize=20_000)  # noqa: B019 (a world lives as long as the process)
    def row(self, number: int) -> Row:
        """The message of that number; there is no end of them."""
        name = str(number)
        u = self.chance("concept", name)
        concept = self.concepts[next(n for n, upto in enumerate(self._upto) if u < upto or n == len(self._upto) - 1)]
        said = self.pick(_SAYINGS, "saying", name).format(concept.subject)
        opener, closer = self.pick(_OPENERS, "opener", name), self.pick(_CLOSERS, "closer", name)
        return Row(number, f"{opener} {said}. {closer} (message #{number:04d})", concept)

    def rows(self, count: int) -> tuple[Row, ...]:
        """The first ``count`` messages."""
        return tuple(self.row(number) for number in range(count))

    def row_in(self, text: str) -> Row | None:
        """The message that a text holds, if it holds one."""
        found = _ROW.search(text)
        return self.row(int(found[1])) if found else None

    def answer(self, prompt: str, row: Row) -> str:
        """What the task model says."""
        return self._judge(rules_in(prompt), prompt, row, self._attention(prompt))

    def _attention(self, prompt: str) -> float:
        """The share of right answers that a prompt of this length keeps."""
        if not self._dilution:
            return 1.0
        return max(0.0, 1 - self._dilution * max(0, len(prompt.split()) - len(self.seed_text.split())) / 100)

    def _judge(self, rules: dict[str, Rule], prompt: str, row: Row, attention: float) -> str:
        name = str(row.number)
        if self.chance("wording?", name) < self._wording:
            right = self.chance("wording", prompt, name) < 0.5
        else:
            right = self.chance("luck", name) < attention * self._bound(rules, row.concept)
        if right:
            return row.concept.label
        return self.pick([label for label in LABELS if label != row.concept.label], "wrong", name)

    def _bound(self, rules: dict[str, Rule], concept: Concept) -> float:
        rule = rules.get(concept.subject)
        if rule is not None:
            return self._known if rule.label == concept.label else self._misled
        before = self.concepts[concept.number - 1]
        broad = rules.get(before.subject)
        if broad is not None and broad.broad and broad.label != concept.label:
            return self._misled
        return self._guess

    def accuracy(self, prompt: str, first: int = 100_000, count: int = 4000) -> float:
        """The share of ``count`` messages, none of them ever shown to an optimizer, that the prompt gets right."""
        rules, attention = rules_in(prompt), self._attention(prompt)
        rows = (self.row(number) for number in range(first, first + count))
        return sum(self._judge(rules, prompt, row, attention) == row.concept.label for row in rows) / count

    def best_text(self) -> str:
        """The prompt that states every rule."""
        return "\n".join([self.seed_text, *(str(Rule(c.subject, c.label)) for c in self.concepts)])


def rules_in(prompt: str) -> dict[str, Rule]:
    """The rules that a prompt states; of several on one subject, the last."""
    return {subject: Rule(subject, label, how == "near") for how, subject, label in _RULE.findall(prompt)}
