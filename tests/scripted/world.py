"""A small deterministic world: support tickets whose right queue follows from rules that a prompt may or may not state.

Every ticket has one hidden concept, and every concept one queue. A prompt that names the concept's subject gets its
tickets right (but for a few that nobody gets right); any other prompt guesses, by a hash. The critic names a concept
that the failing tickets share and the prompt lacks, the editor adds the rule, the paraphraser changes a word, and the
judge grades by the reference.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

Kind = Literal["task", "gradient", "edit", "paraphrase", "judge"]

# The one place that knows the meta-prompts: how the system message of each begins.
_OPENINGS: dict[str, Kind] = {
    "You find out why a prompt fails": "gradient",
    "You improve prompts": "edit",
    "You reword prompts": "paraphrase",
    "You reword a phrase": "paraphrase",
    "You grade answers": "judge",
}
_PROMPT = re.compile(r"<prompt-(\w+)>\n?(.*?)\n?</prompt-\1>", re.DOTALL)
_PHRASE = re.compile(r"<phrase-(\w+)>\n?(.*?)\n?</phrase-\1>", re.DOTALL)
_CRITIQUE = re.compile(r"<critique-(\w+)>\n?(.*?)\n?</critique-\1>", re.DOTALL)
_GRADED = re.compile(r"<reference-(\w+)>\n?(.*?)\n?</reference-\1>\s*<answer-\1>\n?(.*?)\n?</answer-\1>", re.DOTALL)
_ROW = re.compile(r"^Row (\d+)\n(.*?)(?=^Row \d+\n|\Z)", re.DOTALL | re.MULTILINE)
_REASONS = re.compile(r"up to (\d+) different reasons")
_TICKET = re.compile(r"#(\d{4})")
_SYNONYMS = (
    ("Assign", "Sort", "Route", "Send"),
    ("ticket", "message", "request", "note"),
    ("queue", "team", "desk", "department"),
    ("Answer", "Reply", "Respond", "Return"),
)
SEED = """You work at the help desk of a shop. Assign each ticket to one queue: billing, shipping, account or technical.
Tickets about invoices belong to billing. Tickets about a late parcel belong to shipping.
Answer with the queue's name alone."""


@dataclass(frozen=True)
class Concept:
    """A rule of the world: tickets about ``subject`` belong to ``label``; ``says`` is how people write of it."""

    subject: str
    label: str
    says: tuple[str, ...]

    def known_to(self, prompt: str) -> bool:
        """Whether a prompt names it."""
        return self.subject in prompt.casefold()

    @property
    def rule(self) -> str:
        """The sentence that states it."""
        return f"Tickets about {self.subject} belong to {self.label}."


CONCEPTS = (
    Concept("invoices", "billing", ("the sum on my statement is wrong", "I was charged twice this month")),
    Concept("refunds", "billing", ("I want my money back", "when do I see the sum on my card again")),
    Concept("coupons", "billing", ("the code from your letter took nothing off", "my voucher was not counted")),
    Concept("a late parcel", "shipping", ("nothing has come for two weeks", "the box should be here by now")),
    Concept("customs", "shipping", ("the border office wants papers", "they ask me for import duty")),
    Concept("a wrong address", "shipping", ("it went to my old flat", "the courier rang at the neighbour town")),
    Concept("passwords", "account", ("I cannot get in any more", "the secret word is not taken")),
    Concept("closing a profile", "account", ("please delete everything you have on me", "I want to leave for good")),
    Concept("two-step codes", "account", ("no digits arrive on my phone", "the six numbers are refused")),
    Concept("crashes", "technical", ("the app shuts as soon as I open it", "it freezes on the first page")),
    Concept("pairing", "technical", ("the speaker does not find my phone", "the two devices will not connect")),
    Concept("updates", "technical", ("since the new version the lamp blinks", "it hangs at 40 percent of the install")),
)
LABELS = ("billing", "shipping", "account", "technical")
_OPENERS = ("Hello,", "Hi there,", "Good morning,", "Dear team,", "Hey,", "To whom it may concern:")
_CLOSERS = ("Please help.", "Thanks.", "What now?", "I am waiting.", "Kind regards.", "This is urgent.")


@dataclass(frozen=True)
class Row:
    """A ticket; ``#0123`` in its text is how the world knows it again."""

    number: int
    text: str
    concept: Concept


class World:
    """``rows`` tickets, and a model, a critic and an editor for them.

    ``guess`` is the accuracy on tickets whose rule the prompt lacks, ``ceiling`` on those whose rule it states;
    ``wording`` the share of tickets whose answer depends on the prompt's exact words; ``vague`` the share of
    critiques that name no rule.
    """

    def __init__(
        self,
        rows: int = 240,
        *,
        guess: float = 0.4,
        ceiling: float = 0.93,
        wording: float = 0.05,
        vague: float = 0.15,
        seed: str = "tickets",
    ) -> None:
        self._guess = guess
        self._ceiling = ceiling
        self._wording = wording
        self._vague = vague
        self._seed = seed
        self.rows = tuple(self._row(number) for number in range(rows))

    def _row(self, number: int) -> Row:
        # Some concepts are more frequent than others, as in life.
        weight = self._chance("concept", str(number))
        concept = CONCEPTS[int(len(CONCEPTS) * (0.6 * weight + 0.4 * weight**2))]
        opener = self._pick(_OPENERS, "opener", number)
        closer = self._pick(_CLOSERS, "closer", number)
        said = self._pick(concept.says, "says", number)
        return Row(number, f"{opener} {said}. {closer} (ticket #{number:04d})", concept)

    def _chance(self, *parts: str) -> float:
        digest = hashlib.sha256("\0".join((self._seed, *parts)).encode()).digest()
        return int.from_bytes(digest[:7], "big") / 2**56

    def _pick(self, options: Sequence[str], what: str, number: int) -> str:
        return options[int(len(options) * self._chance(what, str(number)))]

    def label(self, prompt: str, row: Row) -> str:
        """What the task model answers."""
        if self._chance("wording?", str(row.number)) < self._wording:
            right = self._chance("wording", prompt, str(row.number)) < 0.5
        else:
            bound = self._ceiling if row.concept.known_to(prompt) else self._guess
            right = self._chance("right", str(row.number)) < bound
        if right:
            return row.concept.label
        wrong = [label for label in LABELS if label != row.concept.label]
        return self._pick(wrong, "wrong", row.number)

    def accuracy(self, prompt: str) -> float:
        """The share of all rows that a prompt gets right."""
        return sum(self.label(prompt, row) == row.concept.label for row in self.rows) / len(self.rows)

    def script(self, request: dict[str, Any]) -> str:
        """Answers a chat request in whichever role it asks for."""
        system, user = _texts(request)
        kind = kind_of(request)
        if kind == "task":
            found = _TICKET.search(user)
            row = self.rows[int(found[1])] if found and int(found[1]) < len(self.rows) else None
            return self.label(system, row) if row else "I cannot say."
        if kind == "judge":
            graded = _GRADED.search(user)
            return json.dumps({"reason": "Compared.", "grade": 5 if graded and graded[2] == graded[3] else 1})
        found = _PROMPT.search(user)
        if found is None:
            return "There is no prompt to look at."
        mark, prompt = found[1], found[2]
        salt = f"{prompt}\0{user}"
        if kind == "gradient":
            return self._criticise(system, prompt, user, salt)
        if phrase := _PHRASE.search(user):
            return f"<new-phrase-{mark}>\n{self._reword(phrase[2], salt)}\n</new-phrase-{mark}>"
        if kind == "edit":
            critique = _CRITIQUE.search(user)
            new = self._edit(prompt, critique[2] if critique else "")
        else:
            new = self._reword(prompt, salt)
        return f"<new-prompt-{mark}>\n{new}\n</new-prompt-{mark}>"

    def _criticise(self, system: str, prompt: str, user: str, salt: str) -> str:
        missing: Counter[Concept] = Counter()
        explained: dict[Concept, list[int]] = {}
        for number, block in _ROW.findall(user):
            found = _TICKET.search(block)
            if found and int(found[1]) < len(self.rows):
                concept = self.rows[int(found[1])].concept
                if not concept.known_to(prompt):
                    missing[concept] += 1
                    explained.setdefault(concept, []).append(int(number))
        reasons = _REASONS.search(system)
        quote = next((line for line in prompt.splitlines() if line.strip()), "")
        critiques: list[dict[str, Any]] = []
        for concept, _ in missing.most_common(int(reasons[1]) if reasons else 1):
            said = f"The prompt does not say that tickets about {concept.subject} belong to {concept.label}."
            if self._chance("vague", salt, concept.subject) < self._vague:
                said = "The prompt is not clear enough about borderline cases."
            critiques.append({"quote": quote, "critique": said, "rows": explained[concept]})
        if not critiques:
            critiques.append({"quote": quote, "critique": "The wording could be clearer.", "rows": [1]})
        return json.dumps({"critiques": critiques})

    def _edit(self, prompt: str, critique: str) -> str:
        named = [concept for concept in CONCEPTS if concept.subject in critique and not concept.known_to(prompt)]
        return "\n".join([prompt, *(concept.rule for concept in named)]) if named else self._reword(prompt, critique)

    def _reword(self, prompt: str, salt: str) -> str:
        group = _SYNONYMS[int(len(_SYNONYMS) * self._chance("group", salt))]
        present = next((word for word in group if re.search(rf"\b{word}\b", prompt)), None)
        if present is None:
            return prompt
        others = [word for word in group if word != present]
        return re.sub(rf"\b{present}\b", others[int(len(others) * self._chance("word", salt))], prompt, count=1)

    def prompt_text(self, settings: str = "", model: str = "openai/scripted") -> str:
        """The seed as a `.prompt` file; ``settings`` are further lines of front matter."""
        lines = ["---", f"model: {model}", "input: {schema: {text: string}}", "apo.examples: tickets.jsonl"]
        lines += [settings.strip("\n")] if settings else []
        return "\n".join([*lines, "---", '{{role "system"}}', SEED, '{{role "user"}}', "{{text}}", ""])

    def examples_text(self) -> str:
        """The rows as JSON lines."""
        return "".join(json.dumps({"text": row.text, "label": row.concept.label}) + "\n" for row in self.rows)

    def write(self, folder: Path, settings: str = "", model: str = "openai/scripted") -> Path:
        """Write `tickets.prompt` and `tickets.jsonl` into ``folder``; the prompt's path."""
        (folder / "tickets.jsonl").write_text(self.examples_text(), "utf-8")
        prompt = folder / "tickets.prompt"
        prompt.write_text(self.prompt_text(settings, model), "utf-8")
        return prompt


def kind_of(request: dict[str, Any]) -> Kind:
    """Which role a request plays, told by the first words of its system message."""
    system = _texts(request)[0].lstrip()
    return next((kind for opening, kind in _OPENINGS.items() if system.startswith(opening)), "task")


def _texts(request: dict[str, Any]) -> tuple[str, str]:
    """The text of all system messages, and of the last user message."""
    messages = request.get("messages", ())
    system = "\n".join(message["content"] for message in messages if message["role"] == "system")
    users = [message["content"] for message in messages if message["role"] == "user"]
    return system, users[-1] if users else ""
