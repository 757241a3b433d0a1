"""How many rows a verdict needs, against enumeration and simulation."""

from __future__ import annotations

import math
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from apo_engine.scoring.paired import mcnemar
from apo_engine.scoring.power import HOPED, LEVEL, POWER, detectable, power, rows_needed, shortage


def enumerated(n: int, wins: float, losses: float, level: float) -> float:
    """The power by every table of won, lost and unchanged rows."""
    total = 0.0
    for won in range(n + 1):
        for lost in range(n + 1 - won):
            if won > lost and mcnemar(won, lost) <= level:
                ways = math.comb(n, won) * math.comb(n - won, lost)
                total += ways * wins**won * losses**lost * (1 - wins - losses) ** (n - won - lost)
    return total


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 40), st.integers(1, 10), st.integers(0, 10), st.sampled_from([0.05, 0.025, 0.01]))
def test_power_is_that_of_the_exact_test_over_all_tables(n: int, wins: int, losses: int, level: float) -> None:
    assert power(n, wins / 20, losses / 20, level) == pytest.approx(
        enumerated(n, wins / 20, losses / 20, level), abs=1e-9
    )


def test_power_is_how_often_a_simulated_gain_is_found() -> None:
    rng = random.Random(4)
    found = 0
    for _ in range(2000):
        rows = rng.choices(("won", "lost", "same"), weights=(0.16, 0.04, 0.8), k=100)
        won, lost = rows.count("won"), rows.count("lost")
        found += won > lost and mcnemar(won, lost) <= LEVEL
    assert found / 2000 == pytest.approx(power(100, 0.16, 0.04), abs=0.035)


@pytest.mark.parametrize("start", [None, 0.5])
@pytest.mark.parametrize("gain", [0.05, 0.1, 0.2, 0.35])
def test_rows_needed_and_the_detectable_gain_are_two_sides_of_one_coin(gain: float, start: float | None) -> None:
    rows = rows_needed(gain, start)
    least = detectable(rows, start)
    fewer = detectable(rows - 1, start)
    assert least is not None and fewer is not None
    assert least <= gain + 1e-9 < fewer + 1e-9


def test_more_rows_show_smaller_gains_and_stricter_levels_need_more() -> None:
    gains = [detectable(n) for n in (10, 20, 40, 80, 160, 320, 640)]
    assert all(gain is not None for gain in gains)
    assert gains == sorted(gains, key=lambda gain: -(gain or 0))
    assert rows_needed(0.1, level=LEVEL / 3) > rows_needed(0.1) > rows_needed(0.2)


def test_no_gain_can_be_shown_on_too_few_rows_or_where_there_is_no_room() -> None:
    # Five rows that are all won are the outcome of fair coins in 1 of 16 cases.
    assert detectable(5) is None
    assert detectable(6) == pytest.approx(POWER ** (1 / 6), abs=0.07)
    assert detectable(200, 0.99) is None
    with pytest.raises(ValueError, match="no rewrite can gain"):
        rows_needed(0.2, 0.9)


def test_the_warning_says_what_can_be_told_and_how_many_rows_would_do() -> None:
    said = shortage(24, 0.3)
    assert said == (
        "With 24 unseen rows, only a gain of about 57 points can reliably be told from chance. "
        "To tell 15 points, label about 310 rows, of which about 95 stay unseen."
    )
    assert shortage(24, None).endswith("To tell 15 points, hold out about 95 rows.")
    assert shortage(5, None).startswith("With 5 unseen rows, no gain can reliably")
    assert shortage(rows_needed(HOPED), 0.3) == ""
    assert shortage(rows_needed(HOPED) - 5, 0.3) != ""
