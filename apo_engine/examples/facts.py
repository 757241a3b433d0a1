"""What there is to know about an example set without running anything: its files, columns and labels."""

from __future__ import annotations

import msgspec


class FileFacts(msgspec.Struct, frozen=True):
    """One example file: the usable ``rows`` among those that were read, and whether the user set them aside."""

    path: str
    rows: int
    held_out: bool = False


class ColumnFacts(msgspec.Struct, frozen=True):
    """A column that fills an input.

    ``name`` is the input's name in the prompt, ``column`` the file's own name for it. ``line`` is the 1-based line on
    which the first file names it first (its header, or its first row with it). ``values`` are a few different ones of
    the first rows, each on one line and shortened.
    """

    name: str
    column: str
    line: int
    values: tuple[str, ...]


class LabelFacts(msgspec.Struct, frozen=True):
    """An expected answer: the ``rows`` that have it, and the 1-based ``line`` of the first of them, in ``path``."""

    text: str
    rows: int
    line: int
    path: str


class ExampleFacts(msgspec.Struct, frozen=True):
    """The facts of one example set.

    ``expected`` is the column of the answers, None where none was found. ``labels`` are empty where the answers are
    not the labels of a classification. ``complete`` is false where the files are so long that only their beginning was
    checked for rows that resemble each other.
    """

    files: tuple[FileFacts, ...]
    columns: tuple[ColumnFacts, ...]
    expected: str | None
    labels: tuple[LabelFacts, ...]
    complete: bool = True

    @property
    def rows(self) -> int:
        """The usable rows of all files."""
        return sum(file.rows for file in self.files)
