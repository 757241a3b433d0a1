"""Whether a database file has the layout that this version writes: tables, indexes, nothing else."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

from apo_engine.set_aside import set_database_aside

_ENTRIES = "SELECT type, name, tbl_name, sql FROM sqlite_schema WHERE name NOT LIKE 'sqlite\\_%' ESCAPE '\\'"


class OtherLayoutError(sqlite3.DatabaseError):
    """A file of an older or newer version, of another program, or that somebody added a trigger or a view to."""


def prepare(connection: sqlite3.Connection, schema: Sequence[str], version: int) -> None:
    """Give an empty database its layout, and make sure that any other has it. A foreign one is not written to.

    Args:
        connection: the open database.
        schema: the statements that make the layout, each of which may run twice.
        version: the number of the layout, at least 1. A file without a number may have it too.

    Raises:
        OtherLayoutError: the file has another layout.
        sqlite3.DatabaseError: the file is no sound database.
    """
    found = int(connection.execute("PRAGMA user_version").fetchone()[0])
    if found not in (0, version):
        raise OtherLayoutError(f"its layout has the number {found}, and this version writes {version}")
    entries = frozenset(connection.execute(_ENTRIES).fetchall())
    if entries and entries != _layout(tuple(schema)):
        raise OtherLayoutError("its layout is not that of this version")
    if not entries or not found:
        connection.execute("BEGIN IMMEDIATE")
        try:
            for statement in schema:
                connection.execute(statement)
            connection.execute(f"PRAGMA user_version = {version}")
        except BaseException:
            connection.execute("ROLLBACK")
            raise
        connection.execute("COMMIT")


def set_unusable_aside(path: Path, error: Exception) -> Path:
    """Rename a database that cannot be used, by what is wrong with it; its new name.

    Raises:
        OSError: it cannot be renamed.
    """
    return set_database_aside(path, "layout" if isinstance(error, OtherLayoutError) else "damaged")


def file_id(path: Path) -> tuple[int, int] | None:
    """What tells a file from another one of the same name; None where there is none."""
    try:
        found = path.lstat()
    except OSError:
        return None
    return found.st_dev, found.st_ino


@lru_cache(maxsize=8)
def _layout(schema: tuple[str, ...]) -> frozenset[tuple[str, ...]]:
    connection = sqlite3.connect(":memory:")
    try:
        for statement in schema:
            connection.execute(statement)
        return frozenset(connection.execute(_ENTRIES).fetchall())
    finally:
        connection.close()
