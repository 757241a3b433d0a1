"""The store in a file keeps what every store promises, and survives what happens to files."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import pytest

from apo_engine.file_lock import FileLock
from apo_engine.store import RowFingerprints, Sighting, StoreError, new_ulid, open_store
from apo_engine.store.sqlite_file import SCHEMA_VERSION
from tests.engine.store.conformance import Open, StoreConformance, row


class TestSqliteStore(StoreConformance):
    @pytest.fixture
    def opened(self, tmp_path: Path) -> Open:
        return lambda: open_store(tmp_path / "cache")


def found(folder: Path, pattern: str) -> list[Path]:
    return list(folder.rglob(pattern))


async def record(folder: Path) -> None:
    store = open_store(folder)
    await store.begin("R1", "e", 1)
    await store.append("R1", [b"event"])
    await store.record_look([row(b"a")], "e")
    await store.close()


async def test_reading_makes_no_file(tmp_path: Path) -> None:
    store = open_store(tmp_path / "cache")
    assert await store.runs() == ()
    assert (await store.looks([row(b"a")])).earlier is None
    await store.clear()
    await store.close()
    assert not (tmp_path / "cache").exists()


async def test_without_runs_nothing_but_fingerprints_is_written(tmp_path: Path) -> None:
    store = open_store(tmp_path, keeps_runs=False)
    await store.begin("R1", "experiment", 1)
    await store.append("R1", [b"a word of a prompt"])
    await store.record_sightings({b"a word of a row": Sighting("holdout", shown=False)})
    await store.record_look([RowFingerprints((b"a word of a row",), (b"a word of a row",))], "experiment")
    assert [event.data for event in await store.events("R1")] == [b"a word of a prompt"]
    await store.close()
    for path in found(tmp_path, "*"):
        if path.is_file():
            content = path.read_bytes()
            assert b"word" not in content
            assert b"R1" not in content
    later = open_store(tmp_path)
    assert await later.runs() == ()
    assert (await later.looks([row(b"a word of a row")])).earlier == 1
    await later.close()


async def test_a_fingerprint_says_nothing_without_the_key_of_the_store(tmp_path: Path) -> None:
    stored = []
    for name in ("one", "two"):
        store = open_store(tmp_path / name)
        await store.record_look([row(b"a")], "e")
        await store.close()
        with closing(sqlite3.connect(tmp_path / name / "store.sqlite")) as database:
            stored += database.execute("SELECT fingerprint FROM looks").fetchall()
    assert len(set(stored)) == 2


@pytest.mark.parametrize("damage", ["noise", "half", "empty header"])
async def test_a_damaged_file_is_set_aside_and_said_once(tmp_path: Path, damage: str) -> None:
    await record(tmp_path)
    path = tmp_path / "store.sqlite"
    content = path.read_bytes()
    path.write_bytes(
        {"noise": os.urandom(5000), "half": content[: len(content) // 2], "empty header": b"x" * 100}[damage]
    )
    store = open_store(tmp_path)
    assert (await store.looks([row(b"a")])).earlier is None
    assert await store.runs() == ()
    assert path.exists(), "who only reads renames nothing, and tells nobody"
    assert (await store.record_look([row(b"a")], "e")).earlier is None
    (notice,) = await store.notices()
    assert "earlier looks at hold-out rows are unknown" in notice
    assert await store.notices() == ()
    assert len(found(tmp_path, "store.sqlite.damaged-*")) == 1
    await store.close()


async def test_a_store_of_a_later_version_is_set_aside(tmp_path: Path) -> None:
    await record(tmp_path)
    with closing(sqlite3.connect(tmp_path / "store.sqlite")) as database:
        database.execute(f"PRAGMA user_version = {SCHEMA_VERSION + 1}")
    store = open_store(tmp_path)
    await store.begin("R2", "e", 1)
    assert [run.run for run in await store.runs()] == ["R2"]
    (notice,) = await store.notices()
    assert "a later version of this program wrote it" in notice
    await store.close()
    assert len(found(tmp_path, "store.sqlite.newer-*")) == 1


async def test_files_of_the_earlier_layout_are_set_aside_and_said_once(tmp_path: Path) -> None:
    for name in ("runs/0123456789ab.jsonl", "holdouts/0123456789abcdef"):
        (tmp_path / name).parent.mkdir()
        (tmp_path / name).write_text("{}")
    await record(tmp_path)
    assert not (tmp_path / "runs").exists()
    assert len(found(tmp_path, "*.old-*/*")) == 2


async def test_a_folder_of_the_users_own_is_not_renamed(tmp_path: Path) -> None:
    (tmp_path / "runs").mkdir()
    (tmp_path / "runs" / "notes.txt").write_text("mine")
    await record(tmp_path)
    assert (tmp_path / "runs" / "notes.txt").read_text() == "mine"


async def test_a_file_where_the_folder_should_be_is_one_clear_error(tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("")
    store = open_store(tmp_path / "cache")
    with pytest.raises(StoreError):
        await store.begin("R1", "e", 1)
    with pytest.raises(StoreError):
        await store.lock("e", "R1")
    await store.close()


def test_a_writer_that_is_killed_leaves_its_lock_to_the_next(tmp_path: Path) -> None:
    code = (
        "import sys, time; from pathlib import Path; from apo_engine.file_lock import FileLock; "
        "lock = FileLock.acquire(Path(sys.argv[1]), note='R1'); print(bool(lock), flush=True); time.sleep(60)"
    )
    path = tmp_path / "locks" / "e"
    with subprocess.Popen([sys.executable, "-c", code, str(path)], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline().strip() == "True"
        assert FileLock.acquire(path) is None
        assert FileLock.holder(path) == "R1"
        process.kill()
        process.wait()
    lock = FileLock.acquire(path, note="R2", seconds=1)
    assert lock is not None
    assert FileLock.holder(path) == "R2"
    lock.release()
    assert FileLock.holder(path) is None


def test_ids_sort_by_time_even_if_the_clock_goes_back(monkeypatch: pytest.MonkeyPatch) -> None:
    first = [new_ulid() for _ in range(1000)]
    monkeypatch.setattr(time, "time_ns", lambda: 0)
    ids = [*first, *(new_ulid() for _ in range(1000))]
    assert ids == sorted(set(ids))
    assert {len(one) for one in ids} == {26}
