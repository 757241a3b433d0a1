"""Tests that are repeated: however often somebody looks, all levels together stay within one."""

from __future__ import annotations

import pytest

from apo_engine.scoring.sequential import ALPHA, confidence_of_look, level_of_look, two_sided_level


def test_the_levels_of_any_number_of_looks_add_up_to_at_most_five_in_a_hundred() -> None:
    assert level_of_look(1) == 0.025
    levels = [level_of_look(look) for look in range(1, 10_000)]
    assert levels == sorted(levels, reverse=True)
    assert 0.999 * ALPHA < sum(levels) < ALPHA


def test_the_two_sided_interval_has_the_level_at_either_end() -> None:
    assert confidence_of_look(1) == pytest.approx(0.95)
    assert two_sided_level(3) == 2 * level_of_look(3) == pytest.approx(1 - confidence_of_look(3))


def test_looks_are_counted_from_one() -> None:
    with pytest.raises(ValueError, match="from 1"):
        level_of_look(0)
