"""The evidence critic: gradients with no model call, from the confusion of labels and the words that go with it."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Awaitable, Iterable, Sequence

from apo_engine.prompt.file import PromptFile
from apo_engine.search.arm import Arm
from apo_engine.search.critic import Criticism, Scored, failing, make_gradient
from apo_engine.search.gradient import Gradient

_WORD = re.compile(r"[^\W\d_][\w'’-]{2,}")
_MOST_GRADIENTS = 4
_MOST_WORDS = 4
# A word with |z| of 1.28 or more sets rows apart at the one-sided 10 % level.
_TELLING = 1.28


class EvidenceCritic:
    """Groups failures by what was expected and answered, and names the words typical of each group."""

    def calls(self) -> int:
        """None: it only counts."""
        return 0

    def criticise(self, arm: Arm, scored: Sequence[Scored], round_: int) -> list[Awaitable[Criticism]]:
        """One criticism of all failures, the largest confusion first."""
        return [self._look(arm, scored)]

    async def _look(self, arm: Arm, scored: Sequence[Scored]) -> Criticism:
        failures = failing(scored)
        groups: dict[tuple[str, str], list[Scored]] = {}
        for row, result in failures:
            groups.setdefault((row.expected, "" if result.invalid else result.predicted), []).append((row, result))
        largest = sorted(groups.items(), key=lambda item: -len(item[1]))[:_MOST_GRADIENTS]
        gradients = tuple(
            _gradient(arm, expected, answered, group, scored, len(failures)) for (expected, answered), group in largest
        )
        return Criticism(gradients, tuple(failures))


def telling_words(inside: Iterable[str], outside: Iterable[str], most: int = _MOST_WORDS) -> tuple[str, ...]:
    """The words that texts ``inside`` use more than those ``outside``, most telling first.

    Log-odds ratio with an informative Dirichlet prior, the prior being the words of both sides, as z scores
    (Monroe, Colaresi & Quinn 2008, "Fightin' Words", equations 15–22). Each text counts a word once.
    """
    left, right = _counts(inside), _counts(outside)
    prior = left + right
    total, left_total, right_total = sum(prior.values()), sum(left.values()), sum(right.values())
    scored = []
    for word, weight in prior.items():
        rest_left = left_total + total - left[word] - weight
        rest_right = right_total + total - right[word] - weight
        if left[word] < 2 or rest_left <= 0 or rest_right <= 0:
            continue
        a, b = left[word] + weight, right[word] + weight
        z = (math.log(a / rest_left) - math.log(b / rest_right)) / math.sqrt(1 / a + 1 / b)
        if z >= _TELLING:
            scored.append((-z, word))
    return tuple(word for _, word in sorted(scored)[:most])


def _counts(texts: Iterable[str]) -> Counter[str]:
    return Counter(word for text in texts for word in sorted(set(_WORD.findall(text.casefold()))))


def _gradient(
    arm: Arm, expected: str, answered: str, group: Sequence[Scored], scored: Sequence[Scored], failures: int
) -> Gradient:
    rows = [row.id for row, _ in group]
    inside = [" ".join(row.inputs.values()) for row, _ in group]
    outside = [" ".join(row.inputs.values()) for row, _ in scored if row.id not in rows]
    words = telling_words(inside, outside)
    what = f"answered '{answered}'" if answered else "answered with nothing that could be read as an answer"
    critique = f"{len(rows)} of {failures} failing rows expect '{_short(expected)}' and were {what}."
    if words:
        critique += f" Words that set them apart: {', '.join(words)}."
    return make_gradient(
        arm, critique=critique, quote=_mention(arm.prompt, expected), rows=rows, failures=failures, source="evidence"
    )


def _mention(prompt: PromptFile, label: str) -> str:
    """The line of the optimizable text that names the label, if any."""
    pattern = re.compile(rf"(?<!\w){re.escape(label)}(?!\w)", re.IGNORECASE)
    for literal in prompt.literals:
        for line in literal.of(prompt.text).splitlines():
            if pattern.search(line):
                return line.strip()
    return ""


def _short(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= 60 else line[:59] + "…"
