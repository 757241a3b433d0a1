"""What a row of an example file says, in one short line, for the table that a hover shows."""

from __future__ import annotations

import csv
import io
import itertools
import json
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TextIO

from apo_engine.allowed_paths import open_allowed

_WIDTH = 80
# A line beyond this is no row that anybody reads in a hover.
_LONGEST = 100_000


def excerpts(path: Path, wanted: Mapping[int, str], roots: Sequence[Path], text: str | None = None) -> dict[int, str]:
    """The inputs of rows, shortened, by the 1-based line on which each begins; rows that cannot be read are left out.

    ``wanted`` gives each row's expected answer, which is no input. The file, in one of the folders ``roots``, is
    read only as far as the last row; ``text`` is read in its place where it is given.
    """
    if not wanted:
        return {}
    suffix = path.suffix.lower()
    try:
        with _opened(path, roots, text) as file:
            rows = _table(file, "\t" if suffix == ".tsv" else ",") if suffix in (".csv", ".tsv") else _objects(file)
            until_last = itertools.takewhile(lambda row: row[0] <= max(wanted), rows)
            return {line: _in_one_line(cells, wanted[line]) for line, cells in until_last if line in wanted}
    except (OSError, csv.Error):
        return {}


def _opened(path: Path, roots: Sequence[Path], text: str | None) -> TextIO:
    if text is not None:
        return io.StringIO(text.removeprefix("\ufeff"), newline="")
    return io.TextIOWrapper(open_allowed(path, roots), encoding="utf-8-sig", errors="replace", newline="")


def whole_rows(path: Path, lines: Collection[int], roots: Sequence[Path]) -> dict[int, dict[str, str]]:
    """Rows with all their cells, by the 1-based line on which each begins.

    What cannot be read, or lies in none of the folders ``roots``, is left out.
    """
    suffix, last = path.suffix.lower(), max(lines, default=0)
    try:
        with _opened(path, roots, None) as file:
            if suffix not in (".csv", ".tsv"):
                numbered = itertools.islice(enumerate(file, 1), last)
                return {line: found for line, text in numbered if line in lines and (found := _object(text))}
            table = _table(file, "\t" if suffix == ".tsv" else ",")
            _, head = next(table, (1, []))
            until_last = itertools.takewhile(lambda row: row[0] <= last, table)
            return {line: dict(zip(head, cells, strict=False)) for line, cells in until_last if line in lines}
    except (OSError, csv.Error):
        return {}


def _object(line: str) -> dict[str, str]:
    """The cells of a JSON row; none where the line is no row that anybody would read."""
    try:
        row = json.loads(line) if len(line) <= _LONGEST else None
    except (ValueError, RecursionError):
        row = None
    if not isinstance(row, dict):
        return {}
    return {name: cell if isinstance(cell, str) else json.dumps(cell, ensure_ascii=False) for name, cell in row.items()}


def shortened(text: str, width: int = _WIDTH) -> str:
    """The text on one line, cut after ``width`` characters."""
    line = " ".join(text[: 8 * width].split())
    return line if len(line) <= width else line[: width - 1] + "…"


def _in_one_line(cells: Iterable[str], expected: str) -> str:
    return shortened(" · ".join(cell for cell in cells if cell.strip() != expected.strip()))


def _table(lines: Iterator[str], delimiter: str) -> Iterator[tuple[int, list[str]]]:
    reader = csv.reader(lines, delimiter=delimiter)
    line = 1
    for record in reader:
        yield line, record
        line = reader.line_num + 1


def _objects(lines: Iterator[str]) -> Iterator[tuple[int, Iterable[str]]]:
    for number, line in enumerate(lines, 1):
        yield number, _Cells(line)


class _Cells:
    """The values of a JSON row, read only where they are wanted."""

    def __init__(self, line: str) -> None:
        self._line = line

    def __iter__(self) -> Iterator[str]:
        return iter(_object(self._line).values() or (self._line,))
