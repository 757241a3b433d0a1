"""How many rows a rung has: in inverse proportion to the arms that are still in the race."""

from __future__ import annotations

from collections.abc import Sequence

from apo_engine.search.selection.ladder import Cost, Rung, most_rows


def inverse_rows(sizes: Sequence[int], keep: int, cost: Cost, budget: int, most: int) -> Rung:
    """The first of the rungs that have ``sizes`` arms, falling, of which the last keeps ``keep``.

    A rung of s arms has ⌊c / s⌋ rows with the largest c that the budget allows, whichever arms survive. This is the
    share of Karnin, Koren & Somekh (t = B / (s·⌈log₂ K⌉)) and of Audibert, Bubeck & Munos (n_k = (B − K) / (loḡ K ·
    s)) alike: their constants make fresh samples fit the budget; on nested rows, which later rungs need not buy
    again, c is larger. Rungs of the same rows are one.
    """

    def rows_of(size: int, c: int) -> int:
        return min(most, c // size)

    def total(c: int) -> int:
        rows = rows_of(sizes[0], c)
        calls = cost(rows, sizes[0])
        for size in sizes[1:]:
            before, rows = rows, rows_of(size, c)
            calls += cost(rows, size) - cost(before, size)
        return calls

    c = most_rows(total, budget, most * sizes[0])
    rows = rows_of(sizes[0], c)
    return Rung(rows, next((size for size in sizes if rows_of(size, c) > rows), keep))
