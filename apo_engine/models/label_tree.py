"""Labels as paths of tokens: what must be asked of a model to tell them apart."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from apo_engine.problems import ModelError, Problem

Tokenize = Callable[[str], Sequence[int]]
#: The probability of each of these next tokens after a path; they sum to 1.
NextTokens = Callable[[tuple[int, ...], Sequence[int]], Mapping[int, float]]


@dataclass(frozen=True, slots=True)
class LabelTree:
    """The tokens that may follow here; each leads to the one label that goes on with it, or to a further choice."""

    branches: Mapping[int, str | LabelTree]


def label_tree(labels: Sequence[str], tokenize: Tokenize) -> LabelTree:
    """The tree of the labels' spellings: as written, in lower case and capitalised, with and without a leading space.

    A spelling ends with a line break, so that a label can be told from one that it begins.

    Raises:
        ModelError: two labels are the same but for white space, one is empty or has several lines, or there is none.
    """
    if not labels or any(not label.strip() or "\n" in label for label in labels):
        raise _unusable("A label is empty or has several lines, or there is none.")
    end = tuple(tokenize("\n"))
    paths: dict[tuple[int, ...], str] = {}
    for label in labels:
        for spelling in _spellings(label, labels):
            for text in (f" {spelling}", spelling):
                path = (*tokenize(text), *end)
                if paths.setdefault(path, label) != label:
                    raise _unusable(f"The labels {paths[path]!r} and {label!r} look the same to the model.")
    return _grow(list(paths.items()), 0)


def label_probabilities(tree: LabelTree, labels: Sequence[str], next_tokens: NextTokens) -> dict[str, float]:
    """The probability of each label, given that one of them follows: the sum over its spellings; they sum to 1.

    A spelling counts with its first tokens, up to the one that no other label has in this place. Where labels begin
    with different tokens, that is one question to the model; each further token that labels share costs one more.
    """
    found = dict.fromkeys(labels, 0.0)

    def walk(node: LabelTree, path: tuple[int, ...], weight: float) -> None:
        for token, probability in next_tokens(path, sorted(node.branches)).items():
            branch = node.branches[token]
            if isinstance(branch, str):
                found[branch] += weight * probability
            else:
                walk(branch, (*path, token), weight * probability)

    walk(tree, (), 1.0)
    return found


def _spellings(label: str, labels: Sequence[str]) -> tuple[str, ...]:
    label = label.strip()
    if sum(other.strip().casefold() == label.casefold() for other in labels) > 1:
        return (label,)
    return tuple(dict.fromkeys((label, label.lower(), label[:1].upper() + label[1:])))


def _grow(paths: Sequence[tuple[tuple[int, ...], str]], depth: int) -> LabelTree:
    groups: dict[int, list[tuple[tuple[int, ...], str]]] = {}
    for path, label in paths:
        groups.setdefault(path[depth], []).append((path, label))
    branches: dict[int, str | LabelTree] = {}
    for token, group in groups.items():
        here = {label for _, label in group}
        branches[token] = here.pop() if len(here) == 1 else _grow(group, depth + 1)
    return LabelTree(branches)


def _unusable(message: str) -> ModelError:
    return ModelError(Problem("labels-unusable", message, "Rename labels in the example file so that they differ."))
