"""A slice of the measurements of looks: the test at its boundary, users who re-roll, processes at once."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks import looks, two_processes
from benchmarks.rerolls import looks_until_adopted


@pytest.mark.parametrize("n", [20, 60, 200])
def test_ten_looks_without_a_gain_claim_one_in_at_most_five_of_a_hundred(n: int) -> None:
    assert looks.false_claims(n, 0.5, 0.5, 2000) <= looks.BOUND


def test_a_gain_of_fifteen_points_on_two_hundred_rows_is_seen() -> None:
    assert looks.power(200, 0.2, 0.05, 1, 500) > 0.9


def test_users_who_run_again_lose_no_look(tmp_path: Path) -> None:
    for user in range(2):
        folder = tmp_path / str(user)
        folder.mkdir()
        looked, _ = looks_until_adopted(user, 4, folder)
        assert looked >= 1


@pytest.mark.skipif(not hasattr(two_processes.os, "fork"), reason="processes are forked")
def test_processes_at_once_tear_no_record(tmp_path: Path) -> None:
    tally = two_processes.Tally()
    for number in range(4):
        folder = tmp_path / str(number)
        folder.mkdir()
        two_processes.once(number, folder, tally)
    assert tally.faults == []
    assert tally.runs >= 4
