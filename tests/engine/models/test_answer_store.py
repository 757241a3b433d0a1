"""The file that answers are kept in: its bound, and what a power cut leaves of it."""

from __future__ import annotations

import shutil
import sqlite3
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from apo_engine.models import answer_store
from apo_engine.models.answer_store import AnswerStore

DAY = 86_400.0


class Clock:
    def __init__(self, now: float = 1_800_000_000.0) -> None:
        self.now = now

    def time(self) -> float:
        return self.now

    @staticmethod
    def strftime(pattern: str) -> str:
        return pattern


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(answer_store, "time", clock)
    return clock


def size_of(path: Path) -> int:
    return sum(Path(f"{path}{suffix}").stat().st_size for suffix in ("", "-wal") if Path(f"{path}{suffix}").exists())


def test_the_answers_that_were_used_last_are_kept_and_the_file_stays_within_its_bound(
    tmp_path: Path, clock: Clock
) -> None:
    path, most = tmp_path / "answers.sqlite", 2_000_000
    store = AnswerStore(path, most)
    store.write({"often": b"o" * 500, "never": b"n" * 500})
    for number in range(2_000):
        clock.now += DAY / 100
        store.write({str(number): bytes([number % 256]) * 4_000})
        if number % 100 == 50:
            assert store.read(["often"]) == {"often": b"o" * 500}
    assert store.read(["often", "never", "0", "1999"]).keys() == {"often", "1999"}
    assert 200 < store.count() < 550
    store.close()
    assert size_of(path) < 1.2 * most


def test_one_answer_that_is_larger_than_the_bound_is_not_kept_and_harms_nothing(tmp_path: Path) -> None:
    store = AnswerStore(tmp_path / "answers.sqlite", 200_000)
    store.write({"large": b"x" * 1_000_000})
    store.write({"small": b"y"})
    assert store.read(["large", "small"]) == {"small": b"y"}
    store.close()


def test_reading_writes_at_most_once_a_day(tmp_path: Path, clock: Clock) -> None:
    path = tmp_path / "answers.sqlite"
    store = AnswerStore(path)
    store.write({"a": b"1"})

    def used() -> float:
        with sqlite3.connect(path) as connection:
            return float(connection.execute("SELECT stored FROM answers").fetchone()[0])

    written = used()
    clock.now += 0.9 * DAY
    store.read(["a"])
    assert used() == written
    clock.now += 0.2 * DAY
    store.read(["a"])
    assert used() == clock.now
    store.close()


def test_an_answer_used_under_a_clock_that_was_ahead_counts_as_used_today(tmp_path: Path, clock: Clock) -> None:
    path = tmp_path / "answers.sqlite"
    store = AnswerStore(path)
    clock.now += 3_650 * DAY
    store.write({"a": b"1"})
    clock.now -= 3_650 * DAY
    store.read(["a"])
    with sqlite3.connect(path) as connection:
        assert connection.execute("SELECT stored FROM answers").fetchone()[0] == clock.now
    store.close()


def test_answers_of_a_clock_that_was_ahead_make_room_before_those_of_now(tmp_path: Path, clock: Clock) -> None:
    store = AnswerStore(tmp_path / "answers.sqlite", 400_000)
    clock.now += 3_650 * DAY
    for number in range(120):
        store.write({f"ahead {number}": b"x" * 4_000})
    clock.now -= 3_650 * DAY
    for number in range(60):
        store.write({f"now {number}": b"x" * 4_000})
        clock.now += 60
    now = [f"now {number}" for number in range(60)]
    assert list(store.read(now)) == now
    store.close()


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store in the middle of its work: the database, and the log before it, as the end of a process leaves them."""
    folder = tmp_path_factory.mktemp("written")
    store = AnswerStore(folder / "answers.sqlite")
    for number in range(150):
        store.write({f"{number:03}": b"%d " % number * 200})
    kept = folder / "kept"
    kept.mkdir()
    for file in folder.glob("answers.sqlite*"):
        shutil.copy(file, kept / file.name)
    store.close()
    assert (kept / "answers.sqlite-wal").stat().st_size > 100_000
    return kept


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_what_a_power_cut_leaves_is_read_as_it_was_written_or_not_at_all(
    written: Path, tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    """The log ends anywhere, and its last blocks hold anything: what was not on the disk yet."""
    folder = tmp_path_factory.mktemp("cut")
    for file in written.iterdir():
        if not file.name.endswith("-shm"):
            shutil.copy(file, folder / file.name)
    log = folder / "answers.sqlite-wal"
    whole = log.read_bytes()
    end = data.draw(st.integers(0, len(whole)), "end")
    torn = data.draw(st.binary(max_size=600), "torn")
    log.write_bytes(whole[:end] + torn)
    store = AnswerStore(folder / "answers.sqlite")
    keys = [f"{number:03}" for number in range(150)]
    found = store.read(keys)
    assert all(value == b"%d " % int(key) * 200 for key, value in found.items())
    # In the order in which they were written, without a gap.
    assert list(found) == keys[: len(found)]
    store.write({"new": b"goes on"})
    assert store.read(["new"]) == {"new": b"goes on"}
    store.close()
    assert not list(folder.glob("*damaged*"))
