"""Three disjoint sets of rows: critique, selection, hold-out.

A row that is known from before stays on its side. The side of a new one depends on the content of the rows alone, never
on their order in the file: the new rows of each label are put in the order of a hash of their inputs, and each side
takes what it lacks of its share in that order.
"""

from __future__ import annotations

import hashlib
import math
from collections import Counter, defaultdict
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING

import msgspec

from apo_engine.problems import InputError, Place, Problem

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from apo_engine.examples.example import Example, ExampleSet
    from apo_engine.store import Side

CRITIQUE, SELECTION, HOLDOUT = 0.4, 0.3, 0.3
# On ten rows, a paired exact test can still call a difference significant (six rows better and none worse: p = .03).
MIN_SIDE = 10
MANY_ROWS, MIN_HOLDOUT_OF_MANY = 200, 60
_NO_GROUPS: Mapping[str, bytes] = MappingProxyType({})
_NO_SIDES: Mapping[str, Side] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Split:
    """Disjoint rows: ``critique`` may be seen by gradients, ``selection`` ranks candidates, ``holdout`` judges once.

    Each tuple is in one fixed order that interleaves the labels, so that every prefix is roughly balanced.
    """

    critique: tuple[Example, ...]
    selection: tuple[Example, ...]
    holdout: tuple[Example, ...]


def split(
    examples: ExampleSet,
    groups: Mapping[str, bytes] = _NO_GROUPS,
    sides: Mapping[str, Side] = _NO_SIDES,
) -> Split:
    """Split by content: 40 / 30 / 30 %, with at least 60 hold-out rows where there are 200; stratified by label.

    Rows of the same of the ``groups`` (by row id; by their inputs if there is none) share a side. Those of ``sides``
    (by row id) are on it already; a group that is on several is held out. If the user gave hold-out rows, those are the
    hold-out, and the rest is split 57 / 43 %. Left out are then the groups of hold-out rows, and those that are held
    out already: a search that learned from them would undo the verdicts that they were, or will be, opened for.

    Raises:
        InputError: a side has fewer than 10 rows; says how many are needed.
    """
    stratified = bool(examples.labels)
    share = CRITIQUE / (CRITIQUE + SELECTION)
    if examples.holdout is None:
        gathered = _groups(examples.rows, groups)
        held = HOLDOUT if len(gathered) < MANY_ROWS else max(HOLDOUT, MIN_HOLDOUT_OF_MANY / len(gathered))
        shares: dict[Side, float] = {
            "holdout": held,
            "selection": (1 - held) * (1 - share),
            "critique": (1 - held) * share,
        }
        dealt = _completed(gathered, sides, shares, stratified)
        holdout, selection, critique = dealt["holdout"], dealt["selection"], dealt["critique"]
    else:
        ids = frozenset(examples.holdout)
        holdout = [row for row in examples.rows if row.id in ids]
        rest = _groups([row for row in examples.rows if row.id not in ids], groups)
        blocked = {_group_key(row, groups) for row in holdout}
        opened = [
            group
            for group in rest
            if _group_key(group[0], groups) not in blocked and "holdout" not in {sides.get(row.id) for row in group}
        ]
        dealt = _completed(opened, sides, {"selection": 1 - share, "critique": share}, stratified)
        selection, critique = dealt["selection"], dealt["critique"]
    _require_enough(examples, critique, selection, holdout)
    return Split(*(_interleaved(side, stratified) for side in (critique, selection, holdout)))


def inputs_key(inputs: Mapping[str, str]) -> bytes:
    """A hash of a row's inputs, the same for the same names and values in any order."""
    return hashlib.sha256(msgspec.json.encode(dict(inputs), order="sorted")).digest()


def _groups(rows: Sequence[Example], names: Mapping[str, bytes]) -> list[list[Example]]:
    """Rows of the same group together, in the order of a hash of their inputs."""
    groups: defaultdict[bytes, list[tuple[bytes, Example]]] = defaultdict(list)
    for row in rows:
        groups[_group_key(row, names)].append((inputs_key(row.inputs), row))
    ordered = [sorted(group, key=lambda item: (item[0], item[1].expected)) for group in groups.values()]
    ordered.sort(key=lambda group: group[0][0])
    return [[row for _, row in group] for group in ordered]


def _group_key(row: Example, names: Mapping[str, bytes]) -> bytes:
    return names[row.id] if row.id in names else inputs_key(row.inputs)


def _completed(
    groups: Sequence[Sequence[Example]], sides: Mapping[str, Side], shares: Mapping[Side, float], stratified: bool
) -> dict[Side, list[Example]]:
    """The rows on each side: those that are on one already, and of the others what each side lacks of its share."""
    found: dict[Side, list[Example]] = {side: [] for side in shares}
    sizes: Counter[Side] = Counter()
    new = []
    for group in groups:
        known = {sides[row.id] for row in group if row.id in sides}
        if not known:
            new.append(group)
            continue
        side: Side = known.pop() if len(known) == 1 else "holdout" if "holdout" in shares else min(known)
        found[side].extend(group)
        sizes[side] += 1
    lacking = {side: max(0.0, share * len(groups) - sizes[side]) for side, share in shares.items()}
    total = sum(lacking.values()) or 1.0
    *first, last = shares
    dealt = _dealt(new, tuple(lacking[side] / total for side in first), stratified)
    for side, rows in zip((*first, last), dealt, strict=True):
        found[side].extend(rows)
    return found


def _dealt(
    groups: Sequence[Sequence[Example]], shares: tuple[float, ...], stratified: bool
) -> tuple[list[Example], ...]:
    """One side per share, and one of what is left; each has its share of every label, give or take one row."""
    strata: defaultdict[str, list[Sequence[Example]]] = defaultdict(list)
    for group in groups:
        strata[group[0].expected if stratified else ""].append(group)
    sides: tuple[list[Example], ...] = tuple([] for _ in range(len(shares) + 1))
    total = 0
    for label in sorted(strata):
        stratum = strata[label]
        # Rounding the running total, not each label, makes the sides' sizes exact over all labels.
        borders = [0]
        for side in range(len(shares)):
            upto = sum(shares[: side + 1])
            border = _rounded(upto * (total + len(stratum))) - _rounded(upto * total)
            # For a label with a single group, rounding alone could put one border before the other, and the group
            # on two sides.
            borders.append(max(border, borders[-1]))
        for side, (start, end) in enumerate(zip(borders, [*borders[1:], len(stratum)], strict=True)):
            sides[side].extend(row for group in stratum[start:end] for row in group)
        total += len(stratum)
    return sides


def _rounded(count: float) -> int:
    # A little more than one half, so that 0.3 * 200 is 60 whatever the floating point says.
    return math.floor(count + 0.5 + 1e-9)


def _interleaved(rows: Sequence[Example], stratified: bool) -> tuple[Example, ...]:
    """Hash order, spread so that each label is met at its own even pace."""
    by_label: defaultdict[str, list[Example]] = defaultdict(list)
    keys = {row.id: (inputs_key(row.inputs), row.id) for row in rows}
    for row in sorted(rows, key=lambda row: keys[row.id]):
        by_label[row.expected if stratified else ""].append(row)
    placed = [
        ((position + 0.5) / len(same), keys[row.id], row)
        for same in by_label.values()
        for position, row in enumerate(same)
    ]
    return tuple(row for _, _, row in sorted(placed, key=lambda item: item[:2]))


def _require_enough(
    examples: ExampleSet, critique: Sequence[Example], selection: Sequence[Example], holdout: Sequence[Example]
) -> None:
    if min(len(critique), len(selection), len(holdout)) >= MIN_SIDE:
        return
    place = Place(examples.rows[0].path) if examples.rows else None
    given = examples.holdout is not None
    # The smallest numbers of distinct rows whose shares all round to ten or more.
    needed = "23 rows to train on and 10 hold-out rows" if given else "33 rows with different inputs"
    open_rows = len(critique) + len(selection)
    found = f"{open_rows} and {len(holdout)}" if given else str(len(examples.rows))
    left_out = len(examples.rows) - open_rows - len(holdout)
    sealed = f", and {left_out:,} that repeat hold-out rows or that an earlier search held out" if left_out else ""
    message = f"There are too few example rows to judge an improvement: {found}{sealed}."
    raise InputError(Problem("rows-few", message, f"Give at least {needed}; 200 or more are better.", place))
