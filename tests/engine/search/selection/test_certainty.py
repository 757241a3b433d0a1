"""What is called certain is what no missing answer can change, and nothing less."""

from __future__ import annotations

from itertools import product

from hypothesis import given
from hypothesis import strategies as st

from apo_engine.search.selection.certainty import Bounds, leaders, survivors

_ends = st.lists(st.integers(0, 4), min_size=2, max_size=2)
bounds_of = st.lists(_ends.map(lambda ends: (min(ends) / 4, max(ends) / 4)), min_size=1, max_size=5)


def outcomes(bounds: list[Bounds]) -> list[list[int]]:
    """Every order in which the arms can end, best first; it is enough to try the ends of the bounds."""
    return [sorted(range(len(bounds)), key=lambda i: (-ends[i], i)) for ends in product(*bounds)]


@given(bounds_of, st.integers(1, 5))
def test_survivors_are_those_that_survive_whatever_comes(bounds: list[Bounds], size: int) -> None:
    kept = [set(order[:size]) for order in outcomes(bounds)]
    assert survivors(bounds, size) == [i for i in range(len(bounds)) if all(i in some for some in kept)]


@given(bounds_of, st.integers(1, 5))
def test_leaders_are_told_once_their_order_is_the_same_whatever_comes(bounds: list[Bounds], size: int) -> None:
    orders = {tuple(order[:size]) for order in outcomes(bounds)}
    assert leaders(bounds, size) == (list(next(iter(orders))) if len(orders) == 1 else None)
