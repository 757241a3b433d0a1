"""What is kept on disk: how much it is, and how to be rid of it."""

from __future__ import annotations

import os
import shutil
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from apo_engine.machine import cache_dir
from apo_engine.models.cache import AnswerCache
from apo_engine.store import Store, StoreError, open_store

T = TypeVar("T")

# Part of the cache folder, and no word of a prompt, a row or an answer: what was spent today, what was agreed to, the
# sides of rows and the looks at them. To forget those would lift a cap, or make seen rows count as unseen.
_EDITOR, _ANSWERS = "editor", "answers.sqlite"
# Files and folders of runs that cannot be read any more.
_UNREADABLE_RUNS = ("runs.old-*", "store.sqlite.damaged-*", "store.sqlite.newer-*")


@dataclass(frozen=True, slots=True)
class Kept:
    """What the cache ``folder`` holds of prompts, rows and answers, and the bytes that it takes on disk.

    ``answers`` are models' answers, ``runs`` the runs that `apo runs` lists, ``editor`` the prompts that the language
    server knows something of.
    """

    folder: Path
    answers: int
    answer_bytes: int
    runs: int
    run_bytes: int
    editor: int
    editor_bytes: int


def cache_folder() -> Path:
    """The folder of everything stored, whether it is there or not."""
    return cache_dir(os.environ)


async def kept() -> Kept:
    """What is kept now. Makes no file where there is none."""
    folder = cache_folder()
    database, editor = folder / _ANSWERS, folder / _EDITOR
    runs, run_bytes = await _with_store(folder, lambda store: store.size(), (0, 0))
    answers = 0
    if database.exists():
        cache = AnswerCache(database)
        answers = await cache.count()
        await cache.close()
    return Kept(
        folder,
        answers,
        _size(_answer_files(folder)),
        runs,
        run_bytes + sum(_size(_files(path) if path.is_dir() else [path]) for path in _unreadable_runs(folder)),
        sum(1 for one in _entries(editor) if one.is_dir()),
        _size(_files(editor)),
    )


async def clear_kept() -> Kept:
    """Delete what is kept; what is left now, which is nothing unless a file could not be deleted.

    The sides of rows and the looks at them stay.
    A run under way goes on: its answers are bought, and only not found by a later run. Files that another process has
    open stay where the system does not let go of them.
    """
    folder = cache_folder()
    database = folder / _ANSWERS
    if database.exists():
        # Not deleted as a file: another process may be writing into it.
        cache = AnswerCache(database)
        await cache.clear()
        await cache.close()
    for file in _answer_files(folder):
        if "damaged" in file.name:
            with suppress(OSError):
                file.unlink()
    await _with_store(folder, lambda store: store.clear(), None)
    for path in _unreadable_runs(folder):
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            with suppress(OSError):
                path.unlink()
    for one in _entries(folder / _EDITOR):
        shutil.rmtree(one, ignore_errors=True)
    return await kept()


async def _with_store(folder: Path, work: Callable[[Store], Awaitable[T]], failed: T) -> T:
    store = open_store(folder)
    try:
        return await work(store)
    except StoreError:
        return failed
    finally:
        await store.close()


def _unreadable_runs(folder: Path) -> Sequence[Path]:
    found = [path for pattern in _UNREADABLE_RUNS for path in folder.glob(pattern)]
    return [path for path in found if not path.is_symlink()]


def _answer_files(folder: Path) -> Sequence[Path]:
    """The database with what SQLite keeps beside it, and those that were damaged and set aside."""
    return [file for file in _files(folder, deep=False) if file.name.startswith(_ANSWERS)]


def _files(folder: Path, *, deep: bool = True) -> Iterator[Path]:
    for entry in _entries(folder):
        if entry.is_file() and not entry.is_symlink():
            yield entry
        elif deep and entry.is_dir() and not entry.is_symlink():
            yield from _files(entry)


def _entries(folder: Path) -> Sequence[Path]:
    try:
        return sorted(folder.iterdir())
    except OSError:
        return ()


def _size(files: Sequence[Path] | Iterator[Path]) -> int:
    total = 0
    for file in files:
        with suppress(OSError):
            total += file.stat().st_size
    return total
