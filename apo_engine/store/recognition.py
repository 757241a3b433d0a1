"""Which rows are recognized, given the fingerprints that something is recorded under."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Container, Sequence

    from apo_engine.store.protocol import RowFingerprints

# By chance, a few rows of another set fit a hint. So many do if somebody edited all rows of a set.
_FEWEST_HINTED, _HINTED_SHARE = 3, 0.3


def recognized(rows: Sequence[RowFingerprints], recorded: Container[bytes]) -> list[tuple[bytes, ...]]:
    """For each row, those of its fingerprints that are recorded; hints only if three of ten rows fit one."""
    known = [tuple(name for name in row.known_by if name in recorded) for row in rows]
    hinted = [tuple(name for name in row.hints if name in recorded) for row in rows]
    if sum(map(bool, hinted)) < max(_FEWEST_HINTED, _HINTED_SHARE * len(rows)):
        return known
    return [(*names, *hints) for names, hints in zip(known, hinted, strict=True)]
