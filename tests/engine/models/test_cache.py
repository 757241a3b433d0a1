"""Answers that survive: the cache as its users see it, and its file."""

from __future__ import annotations

import asyncio
import os
import random
import sqlite3
import stat
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apo_engine.models.cache import AnswerCache, answer_key
from apo_engine.models.chat import Completion, LabelScores, Message, Usage

_MESSAGES = (Message("system", "s"), Message("user", "u"))


async def test_an_answer_is_found_again_by_another_cache_on_the_same_file(tmp_path: Path) -> None:
    path = tmp_path / "answers.sqlite"
    answer = Completion("four 😀", Usage(3, 1, estimated=True), "length")
    scores = LabelScores({"yes": 0.75, "no": 0.125}, Usage(9, 1))
    first = AnswerCache(path)
    await first.put("a", answer)
    await first.put("b", scores)
    second = AnswerCache(path)
    assert await second.get("a", Completion) == answer
    assert await second.get("b", LabelScores) == scores
    assert await second.get("c", Completion) is None
    await first.close()
    await second.close()


async def test_an_answer_is_committed_before_it_is_used(tmp_path: Path) -> None:
    cache = AnswerCache(tmp_path / "answers.sqlite")
    await cache.put("a", Completion("kept"))
    other = sqlite3.connect(cache.path)
    assert other.execute("SELECT count(*) FROM answers").fetchone() == (1,)
    other.close()
    await cache.close()


async def test_kill_9_loses_nothing_that_was_put(tmp_path: Path) -> None:
    path = tmp_path / "answers.sqlite"
    program = (
        "import asyncio, os, sys, pathlib\n"
        "from apo_engine.models.cache import AnswerCache\n"
        "from apo_engine.models.chat import Completion\n"
        "async def main():\n"
        "    cache = AnswerCache(pathlib.Path(sys.argv[1]))\n"
        "    await asyncio.gather(*(cache.put(str(i), Completion(str(i))) for i in range(50)))\n"
        "    os.kill(os.getpid(), 9)\n"
        "asyncio.run(main())\n"
    )
    done = await asyncio.to_thread(subprocess.run, [sys.executable, "-c", program, str(path)], check=False)
    assert done.returncode == -9
    cache = AnswerCache(path)
    assert await cache.count() == 50
    await cache.close()


async def test_two_processes_write_at_once(tmp_path: Path) -> None:
    path = tmp_path / "answers.sqlite"
    program = (
        "import asyncio, sys, pathlib\n"
        "from apo_engine.models.cache import AnswerCache\n"
        "from apo_engine.models.chat import Completion\n"
        "async def main():\n"
        "    cache = AnswerCache(pathlib.Path(sys.argv[1]))\n"
        "    for i in range(100):\n"
        "        await cache.put(f'{sys.argv[2]} {i}', Completion('x'))\n"
        "    await cache.close()\n"
        "asyncio.run(main())\n"
    )
    commands = [[sys.executable, "-c", program, str(path), name] for name in "abc"]
    runs = (asyncio.to_thread(subprocess.run, command, capture_output=True, check=False) for command in commands)
    assert [done.stderr for done in await asyncio.gather(*runs)] == [b""] * 3
    cache = AnswerCache(path)
    assert await cache.count() == 300
    await cache.close()


@pytest.mark.skipif(os.name != "posix", reason="permissions are POSIX's")
async def test_nobody_else_can_read_it(tmp_path: Path) -> None:
    folder = tmp_path / "made" / "here"
    old = os.umask(0)
    try:
        cache = AnswerCache(folder / "answers.sqlite")
        await cache.put("a", Completion("secret"))
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
        assert {stat.S_IMODE(file.stat().st_mode) for file in folder.iterdir() if file.is_file()} == {0o600}
        assert stat.S_IMODE((folder / "locks").stat().st_mode) == 0o700
        await cache.close()
    finally:
        os.umask(old)


async def test_a_cache_that_is_closed_does_not_open_its_file_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened, connect = [], sqlite3.connect

    def counting(*args: Any, **options: Any) -> sqlite3.Connection:
        opened.append(args)
        return connect(*args, **options)  # type: ignore[no-any-return]

    cache = AnswerCache(tmp_path / "answers.sqlite")
    await cache.put("a", Completion("fine"))
    monkeypatch.setattr(sqlite3, "connect", counting)
    before = [thread for thread in threading.enumerate() if thread.name == "apo-answers"]
    await cache.close()
    for thread in before:
        await asyncio.to_thread(thread.join, 5.0)
    assert opened == []


@pytest.mark.parametrize("damage", ["not a database", "torn"])
async def test_a_damaged_file_is_set_aside_said_and_begun_anew(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, damage: str
) -> None:
    path = tmp_path / "answers.sqlite"
    if damage == "torn":
        before = AnswerCache(path)
        await asyncio.gather(*(before.put(f"k{i}", Completion("x" * 500)) for i in range(200)))
        await before.close()
        content = bytearray(path.read_bytes())
        content[1000:-1000] = random.Random(1).randbytes(len(content) - 2000)
        path.write_bytes(content)
    else:
        path.write_text("This is no database. " * 100)
    cache = AnswerCache(path)
    for i in range(200):
        await cache.get(f"k{i}", Completion)
    await cache.put("new", Completion("fine"))
    assert await cache.get("new", Completion) == Completion("fine")
    assert any(".damaged-" in name for name in _names(tmp_path))
    said = [record.levelname for record in caplog.records if record.name.startswith("apo_engine")]
    assert said == ["WARNING"]
    assert "begun anew" in caplog.text
    await cache.close()


async def test_an_answer_that_cannot_be_read_counts_as_none(tmp_path: Path) -> None:
    cache = AnswerCache(tmp_path / "answers.sqlite")
    await cache.put("a", LabelScores({"yes": 1.0}))
    assert await cache.get("a", Completion) is None
    await cache.close()


async def test_where_nothing_can_be_written_the_run_goes_on_and_it_is_said_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").write_text("in the way")
    cache = AnswerCache(tmp_path / "file" / "answers.sqlite")
    for i in range(3):
        await cache.put(str(i), Completion("x"))
        assert await cache.get(str(i), Completion) is None
    assert len(caplog.records) == 1
    assert "cannot be kept" in caplog.text
    assert (cache.size, await cache.count(), await cache.clear()) == (0, 0, 0)
    await cache.close()


@pytest.mark.skipif(os.name != "posix", reason="limits are POSIX's")
async def test_a_full_disk_costs_new_answers_only(tmp_path: Path) -> None:
    path = tmp_path / "answers.sqlite"
    program = (
        "import asyncio, logging, pathlib, resource, signal, sys\n"
        "from apo_engine.models.cache import AnswerCache\n"
        "from apo_engine.models.chat import Completion\n"
        "async def main():\n"
        "    cache = AnswerCache(pathlib.Path(sys.argv[1]))\n"
        "    await cache.put('old', Completion('kept'))\n"
        "    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "    resource.setrlimit(resource.RLIMIT_FSIZE, (40_000, 40_000))\n"
        "    for i in range(3):\n"
        "        await cache.put(f'new {i}', Completion('x' * 100_000))\n"
        "    assert await cache.get('old', Completion) == Completion('kept')\n"
        "    print('went on')\n"
        "asyncio.run(main())\n"
    )
    command = [sys.executable, "-c", program, str(path)]
    done = await asyncio.to_thread(subprocess.run, command, capture_output=True, text=True, check=False)
    assert done.stdout == "went on\n", done.stderr
    assert done.stderr.count("cannot be kept") == 1
    cache = AnswerCache(path)
    assert await cache.get("old", Completion) == Completion("kept")
    await cache.close()


async def test_clearing_deletes_every_answer_and_gives_the_space_back(tmp_path: Path) -> None:
    cache = AnswerCache(tmp_path / "answers.sqlite")
    await asyncio.gather(*(cache.put(str(i), Completion("x" * 10_000)) for i in range(100)))
    assert cache.size > 1_000_000
    assert await cache.clear() == 100
    assert cache.size < 100_000
    assert await cache.count() == 0
    await cache.put("again", Completion("x"))
    assert await cache.count() == 1
    await cache.close()


async def test_it_opens_again_after_closing(tmp_path: Path) -> None:
    cache = AnswerCache(tmp_path / "answers.sqlite")
    await cache.put("a", Completion("x"))
    await cache.close()
    await cache.close()
    assert await cache.get("a", Completion) == Completion("x")
    await cache.close()


async def test_a_cancelled_reader_harms_nobody(tmp_path: Path) -> None:
    cache = AnswerCache(tmp_path / "answers.sqlite")
    await cache.put("a", Completion("x"))
    tasks = [asyncio.ensure_future(cache.get("a", Completion)) for _ in range(10)]
    await asyncio.sleep(0)
    for task in tasks[::2]:
        task.cancel()
    results = await asyncio.gather(*tasks, return_exceptions=True)
    assert results[1::2] == [Completion("x")] * 5
    await cache.close()


async def test_a_slow_disk_does_not_block_the_loop(tmp_path: Path) -> None:
    cache = AnswerCache(tmp_path / "answers.sqlite")
    await cache.put("a", Completion("x"))
    locker = sqlite3.connect(cache.path, isolation_level=None)
    locker.execute("BEGIN IMMEDIATE")
    writing = asyncio.ensure_future(cache.put("b", Completion("x")))
    began = time.monotonic()
    await asyncio.sleep(0.2)
    assert time.monotonic() - began < 1
    assert not writing.done()
    locker.execute("COMMIT")
    locker.close()
    await writing
    assert await cache.count() == 2
    await cache.close()


def _names(folder: Path) -> list[str]:
    return [file.name for file in folder.iterdir()]


_VARIANTS = {
    "model": answer_key("m2", _MESSAGES),
    "role": answer_key("m", (Message("user", "s"), Message("user", "u"))),
    "text": answer_key("m", (Message("system", "s"), Message("user", "v"))),
    "split": answer_key("m", (Message("system", "su"), Message("user", ""))),
    "params": answer_key("m", _MESSAGES, params={"temperature": 0}),
    "value": answer_key("m", _MESSAGES, params={"temperature": 1}),
    "draw": answer_key("m", _MESSAGES, draw=1),
    "labels": answer_key("m", _MESSAGES, labels=["a", "b"]),
    "order": answer_key("m", _MESSAGES, labels=["b", "a"]),
    "no labels": answer_key("m", _MESSAGES, labels=[]),
}


def test_whatever_determines_the_answer_is_in_the_key() -> None:
    keys = {answer_key("m", _MESSAGES), *_VARIANTS.values()}
    assert len(keys) == len(_VARIANTS) + 1


def test_the_order_of_parameters_is_not_in_the_key() -> None:
    one = answer_key("m", _MESSAGES, params={"a": 1, "b": {"c": 2, "d": 3}})
    assert one == answer_key("m", _MESSAGES, params={"b": {"d": 3, "c": 2}, "a": 1})


@given(st.text(alphabet=st.characters(exclude_categories=())), st.text(alphabet=st.characters(exclude_categories=())))
def test_keys_of_different_texts_differ(one: str, two: str) -> None:
    keys = [answer_key("m", (Message("user", text),)) for text in (one, two)]
    assert (keys[0] == keys[1]) == (one == two)
