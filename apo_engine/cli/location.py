"""Where something stands, written so that terminals and editors can follow it."""

from __future__ import annotations

import json
import os
from functools import lru_cache
from itertools import islice
from pathlib import Path

from apo_engine.allowed_paths import open_allowed
from apo_engine.cli.plain import one_line

_LONGEST = 4000


def located(path: Path | str, line: int | None = None, column: int | None = None) -> str:
    """``path:line:column``, the path relative to the working directory where it lies in it."""
    shown = os.fspath(path)
    if Path(shown).is_absolute():
        relative = Path(os.path.relpath(shown)) if _same_drive(shown) else Path(shown)
        shown = shown if relative.parts[:1] == ("..",) else os.fspath(relative)
    return ":".join([one_line(shown), *(str(number) for number in (line, column) if number is not None)])


@lru_cache(maxsize=512)
def row_text(path: str, line: int, expected: str, roots: tuple[Path, ...]) -> str:
    """What stands on a 1-based line of an example file; of a JSON object the values, without the ``expected`` one.

    Empty if the file is gone, or leads out of the folders ``roots`` by now.
    """
    try:
        with open_allowed(Path(path), roots) as file:
            raw = next(islice(file, line - 1, line), b"")[:_LONGEST]
    except OSError:
        return ""
    text = raw.decode("utf-8-sig" if line == 1 else "utf-8", "replace").strip()
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return text
    if not isinstance(value, dict):
        return text
    return " · ".join(said for said in map(str, value.values()) if said != expected)


def _same_drive(path: str) -> bool:
    return Path(path).drive == Path.cwd().drive
