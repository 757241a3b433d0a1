"""What is kept on disk: how much it is, and how to be rid of it."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from apo_engine.machine import cache_dir
from apo_engine.models.cache import AnswerCache

# Part of the cache folder, and no word of a prompt, a row or an answer: what was spent today, what was agreed to,
# how often a hold-out was opened. To forget those would lift a cap, or make seen rows count as unseen.
_RUNS, _EDITOR, _ANSWERS = "runs", "editor", "answers.sqlite"


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
    database, runs, editor = folder / _ANSWERS, folder / _RUNS, folder / _EDITOR
    answers = 0
    if database.exists():
        cache = AnswerCache(database)
        answers = await cache.count()
        await cache.close()
    return Kept(
        folder,
        answers,
        _size(_answer_files(folder)),
        sum(".jsonl" in file.name for file in _files(runs)),
        _size(_files(runs)),
        sum(1 for one in _entries(editor) if one.is_dir()),
        _size(_files(editor)),
    )


async def clear_kept() -> Kept:
    """Delete what is kept; what is left now, which is nothing unless a file could not be deleted.

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
        if file.name.startswith(f"{_ANSWERS}."):
            with suppress(OSError):
                file.unlink()
    for file in _files(folder / _RUNS):
        with suppress(OSError):
            file.unlink()
    for one in _entries(folder / _EDITOR):
        shutil.rmtree(one, ignore_errors=True)
    return await kept()


def _answer_files(folder: Path) -> Sequence[Path]:
    """The database with what SQLite keeps beside it, and those that were set aside."""
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
