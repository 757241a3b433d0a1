"""The searches in virtual time that benchmarks run by the thousand."""

from __future__ import annotations

from benchmarks.in_process import search
from benchmarks.world.minds import Minds
from benchmarks.world.task import Task


def test_a_search_within_a_cap_ends_with_a_winner_that_was_judged() -> None:
    task = Task(3)
    found = search(task, Minds(task), 520)
    assert found.judged
    assert found.accuracy > 0.5
    assert 300 < found.task + found.writing <= 520
