"""What is kept on disk: how much it is, and how to be rid of it."""

from __future__ import annotations

import asyncio
import os
import stat
from collections.abc import Awaitable, Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path
from typing import TypeVar

from apo_engine.file_lock import FileLock
from apo_engine.machine import cache_dir
from apo_engine.models.cache import AnswerCache
from apo_engine.private import NotPrivateError
from apo_engine.private_files import PrivateFolder, warn_once
from apo_engine.store import Store, StoreError, open_store

T = TypeVar("T")

# Part of the cache folder, and no word of a prompt, a row or an answer: what was spent today, what was agreed to, the
# sides of rows and the looks at them. To forget those would lift a cap, or make seen rows count as unseen.
_EDITOR, _ANSWERS, _LOCKS = "editor", "answers.sqlite", "locks"
# Files and folders of runs that cannot be read any more.
_UNREADABLE_RUNS = ("runs.old-*", "store.sqlite.damaged-*", "store.sqlite.newer-*", "store.sqlite.exposed-*")


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
    """What is kept now. Makes no file; what is a link or belongs to somebody else does not count."""
    root = PrivateFolder(cache_folder())
    database, editor = root.path / _ANSWERS, root.child(_EDITOR)
    runs, run_bytes = await _with_store(root.path, lambda store: store.size(), (0, 0))
    answers = 0
    if _ANSWERS in _entries(root):
        cache = AnswerCache(database)
        answers = await cache.count()
        await cache.close()
    editor_files = _files(editor)
    return Kept(
        root.path,
        answers,
        sum(_answer_files(root).values()),
        runs,
        run_bytes + _unreadable_bytes(root),
        sum(stat.S_ISDIR(entry.st_mode) for entry in _entries(editor).values()),
        sum(editor_files.values()),
    )


async def clear_kept() -> Kept:
    """Delete what is kept; what is left now, which is nothing unless a file could not be deleted.

    No link is followed: one that stands in the place of a file is deleted itself. The sides of rows and the looks at
    them stay. A run under way goes on: its answers are bought, and only not found by a later run. Files that another
    process has open stay where the system does not let go of them.
    """
    root = PrivateFolder(cache_folder())
    database = root.path / _ANSWERS
    if _ANSWERS in _entries(root):
        # Not deleted as a file: another process may be writing into it.
        cache = AnswerCache(database)
        await cache.clear()
        await cache.close()
    # What was set aside: `answers.sqlite.damaged-…`. What SQLite keeps beside the database has no dot there.
    _remove(root, (name for name in _answer_files(root) if name.startswith(f"{_ANSWERS}.")))
    await _with_store(root.path, lambda store: store.clear(), None)
    _remove(root, _unreadable_runs(root))
    editor = root.child(_EDITOR)
    _remove(editor, _entries(editor))
    await asyncio.to_thread(_remove_idle_locks, root.child(_LOCKS))
    return await kept()


def _remove_idle_locks(locks: PrivateFolder) -> None:
    """Delete the locks that nobody holds: the name of one is a digest of what a process that was killed worked on."""
    for name, entry in _entries(locks).items():
        if stat.S_ISREG(entry.st_mode):
            with suppress(OSError):
                lock = FileLock.acquire(locks.path / name)
                if lock is not None:
                    lock.release()


async def _with_store(folder: Path, work: Callable[[Store], Awaitable[T]], failed: T) -> T:
    store = open_store(folder)
    try:
        return await work(store)
    except StoreError:
        return failed
    finally:
        await store.close()


def _unreadable_runs(root: PrivateFolder) -> Sequence[str]:
    return [name for name in _entries(root) if any(fnmatch(name, pattern) for pattern in _UNREADABLE_RUNS)]


def _unreadable_bytes(root: PrivateFolder) -> int:
    entries, total = _entries(root), 0
    for name in _unreadable_runs(root):
        if stat.S_ISREG(entries[name].st_mode):
            total += entries[name].st_size
        elif stat.S_ISDIR(entries[name].st_mode):
            total += sum(_files(root.child(name)).values())
    return total


def _answer_files(root: PrivateFolder) -> dict[str, int]:
    """The bytes of the database, of what SQLite keeps beside it, and of those that were set aside."""
    found = _entries(root).items()
    return {name: file.st_size for name, file in found if name.startswith(_ANSWERS) and stat.S_ISREG(file.st_mode)}


def _files(folder: PrivateFolder) -> dict[str, int]:
    """The bytes of all files in a folder, by path below it."""
    sizes = {}
    for name, entry in _entries(folder).items():
        if stat.S_ISREG(entry.st_mode):
            sizes[name] = entry.st_size
        elif stat.S_ISDIR(entry.st_mode):
            sizes.update({f"{name}/{inner}": size for inner, size in _files(folder.child(name)).items()})
    return sizes


def _entries(folder: PrivateFolder) -> dict[str, os.stat_result]:
    try:
        return folder.entries()
    except NotPrivateError as error:
        warn_once(f"This is left alone: {error}.")
    except OSError:
        pass
    return {}


def _remove(folder: PrivateFolder, names: Iterable[str]) -> None:
    for name in names:
        with suppress(OSError):
            folder.remove(name)
