"""Which failures a critic is shown together."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from random import Random

from apo_engine.search.arm import Arm
from apo_engine.search.confusion import Scored, confusions, failing
from apo_engine.search.critic import Critic, Criticism
from apo_engine.search.draws import draw
from apo_engine.search.editor import ModelEditor
from apo_engine.search.proposer import ModelProposer
from apo_engine.search.task import SearchTask
from benchmarks.in_process import Build
from benchmarks.variants.with_proposer import with_proposer

# Of the scored rows, how many groups and their size: the groups.
Group = Callable[[Sequence[Scored], int, int, Random], list[list[Scored]]]


def grouped(group: Group) -> Build:
    """Failures come to the critic in these groups, instead of at random."""

    class Grouping:
        def __init__(self, critic: Critic, task: SearchTask) -> None:
            self._critic = critic
            self._task = task

        def criticise(
            self, arm: Arm, scored: Sequence[Scored], round_: int, groups: int
        ) -> Sequence[Awaitable[Criticism]]:
            size = self._task.settings.group_size
            right = [one for one in scored if one[1].score == 1.0]
            count = min(groups, math.ceil(len(failing(scored)) / size))
            rng = draw(self._task.seed_number, "grouping", round_, arm.id)
            shown = group(scored, count, size, rng) if count else []
            return [look for some in shown for look in self._critic.criticise(arm, [*some, *right], round_, 1)]

    def make(critic: Critic, editor: ModelEditor, task: SearchTask) -> ModelProposer:
        return ModelProposer(Grouping(critic, task), editor, task.settings)

    return with_proposer(make)


def by_confusion(scored: Sequence[Scored], groups: int, size: int, rng: Random) -> list[list[Scored]]:
    """Each group from one confusion of labels, the largest first (clustered failures, UniPrompt, arXiv 2406.10504)."""
    by_id = {row.id: (row, result) for row, result in scored}
    clusters = [rng.sample(found.rows, min(size, len(found.rows))) for found in confusions(scored)]
    return [[by_id[row] for row in cluster] for cluster in clusters[:groups]]


def by_likeness(scored: Sequence[Scored], groups: int, size: int, rng: Random) -> list[list[Scored]]:
    """Each group of failures whose words are like those of its first."""
    return _by_words(scored, groups, size, rng, alike=True)


def by_difference(scored: Sequence[Scored], groups: int, size: int, rng: Random) -> list[list[Scored]]:
    """Each group of failures that have few words in common, so that there are more reasons to find."""
    return _by_words(scored, groups, size, rng, alike=False)


def _by_words(scored: Sequence[Scored], groups: int, size: int, rng: Random, *, alike: bool) -> list[list[Scored]]:
    words = {row.id: frozenset(" ".join(row.inputs.values()).casefold().split()) for row, _ in scored}
    seen = Counter(word for some in words.values() for word in some)
    weight = {word: math.log(len(words) / times) for word, times in seen.items()}
    left = failing(scored)
    rng.shuffle(left)
    found = []
    for _ in range(groups):
        shown = [left.pop(0)] if left else []
        while shown and left and len(shown) < size:

            def likeness(one: Scored, others: Sequence[Scored] = tuple(shown)) -> float:
                mine = words[one[0].id]
                each = [sum(weight[word] for word in mine & words[row.id]) for row, _ in others]
                return sum(each) / len(each) if alike else -max(each)

            shown.append(max(left, key=likeness))
            left.remove(shown[-1])
        if shown:
            found.append(shown)
    return found
