"""Rows of example files as they stand there: one map of cells per row, or what is wrong with it.

Files are read as a stream of bounded lines, so that neither their size nor one broken row matters to the rest.
"""

from __future__ import annotations

import csv
from functools import partial
from typing import TYPE_CHECKING, BinaryIO, Protocol

import msgspec

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

MAX_LINE = 1_000_000
_BOM = b"\xef\xbb\xbf"
_NUL, _NOT_UTF8 = "it holds a NUL character", "it is not UTF-8 text"


class Row(msgspec.Struct, frozen=True):
    """The cells of one row, by column, and the 1-based line on which it begins."""

    line: int
    cells: dict[str, str | None]


class BadRow(msgspec.Struct, frozen=True):
    """A row that cannot be used, and why (a clause: "it is not …")."""

    line: int
    reason: str


class RowReader(Protocol):
    """Reads the rows of one kind of file, and ends early if ``is_stopped`` says so."""

    def __call__(self, stream: BinaryIO, is_stopped: Callable[[], bool] = ...) -> Iterator[Row | BadRow]:
        """The rows of ``stream``."""


class HeaderError(ValueError):
    """The first line of a table is no header; the text says why."""


class _LineTooLong(Exception):
    pass


class _PhysicalLines:
    """The lines of a file with their line ends, none longer than ``MAX_LINE`` bytes, without a byte order mark.

    A longer line raises :class:`_LineTooLong`, is skipped, and counts; iteration may go on after it. The lines
    end early if ``is_stopped`` says so.
    """

    def __init__(self, stream: BinaryIO, is_stopped: Callable[[], bool]) -> None:
        self.stream = stream
        self.is_stopped = is_stopped
        self.number = 0

    def __iter__(self) -> _PhysicalLines:
        return self

    def __next__(self) -> bytes:
        line = self.read()
        if not line:
            raise StopIteration
        self.number += 1
        if len(line) == MAX_LINE and not line.endswith(b"\n"):
            while (rest := self.read()) and not rest.endswith(b"\n"):
                pass
            raise _LineTooLong
        return line.removeprefix(_BOM) if self.number == 1 else line

    def read(self) -> bytes:
        return b"" if self.is_stopped() else self.stream.readline(MAX_LINE)


def json_rows(stream: BinaryIO, is_stopped: Callable[[], bool] = lambda: False) -> Iterator[Row | BadRow]:
    """The rows of a JSON Lines file: one object per line. Other scalars than strings become their JSON text.

    Ends early if ``is_stopped``, asked for each line, says so.
    """
    lines = _PhysicalLines(stream, is_stopped)
    while True:
        try:
            line = next(lines)
        except StopIteration:
            return
        except _LineTooLong:
            yield BadRow(lines.number, _too_long(MAX_LINE))
            continue
        if line.strip():
            yield _json_row(lines.number, line)


def table_rows(
    stream: BinaryIO, is_stopped: Callable[[], bool] = lambda: False, *, delimiter: str
) -> Iterator[Row | BadRow]:
    """The rows of a CSV or TSV file under its header line.

    Ends early if ``is_stopped``, asked for each line, says so.

    Raises:
        HeaderError: the header is missing, unreadable, or names a column twice.
    """
    lines = _PhysicalLines(stream, is_stopped)
    # Strict: a quotation mark that is never closed is an error, instead of silently swallowing what follows.
    reader = csv.reader(_TextLines(lines), delimiter=delimiter, strict=True)
    header: list[str] | None = None
    while True:
        begin = lines.number + 1
        try:
            cells = next(reader)
            reason = _text_fault("".join(cells))
        except StopIteration:
            break
        except _LineTooLong:
            cells, reason = [], _too_long(MAX_LINE)
        except csv.Error as error:
            cells, reason = [], _csv_reason(str(error))
        if not cells and not reason:
            continue
        if header is None:
            header = _header(cells, reason)
        elif reason:
            yield BadRow(begin, reason)
        elif len(cells) != len(header):
            yield BadRow(begin, f"it has {len(cells)} cells, and the header has {len(header)}")
        else:
            yield Row(begin, dict(zip(header, cells, strict=True)))
    if header is None:
        raise HeaderError("it is empty")


class _TextLines:
    """Lines as text; bytes that are no UTF-8 become surrogates, found later in their row.

    No generator: it could not go on after an over-long line has raised.
    """

    def __init__(self, lines: _PhysicalLines) -> None:
        self.lines = lines

    def __iter__(self) -> _TextLines:
        return self

    def __next__(self) -> str:
        return next(self.lines).decode("utf-8", "surrogateescape")


def _header(cells: list[str], reason: str) -> list[str]:
    if reason:
        raise HeaderError(reason)
    names = [cell.strip() for cell in cells]
    twice = next((name for name in names if names.count(name) > 1), None) if len(names) <= 1000 else None
    if twice is not None or len(names) > 1000:
        raise HeaderError(f"its header names '{twice}' twice" if twice is not None else "it has over 1,000 columns")
    return names


def _json_row(number: int, line: bytes) -> Row | BadRow:
    try:
        value = msgspec.json.decode(line)
    except UnicodeDecodeError:
        return BadRow(number, _NOT_UTF8)
    except msgspec.DecodeError as error:
        return BadRow(number, f"it is not valid JSON: {error}" if b"\0" not in line else _NUL)
    except RecursionError:
        return BadRow(number, "its JSON is nested too deeply")
    if not isinstance(value, dict):
        return BadRow(number, "it is not a JSON object")
    cells = {name: item if item.__class__ is str else _cell(item) for name, item in value.items()}
    # What makes a JSON text unfit can only be written by an escape.
    if b"\\" in line and (reason := _text_fault("".join([*cells, *(cell or "" for cell in cells.values())]))):
        return BadRow(number, reason)
    return Row(number, cells)


def _cell(value: object) -> str | None:
    if value is None or isinstance(value, str):
        return value
    return msgspec.json.encode(value).decode()


def _text_fault(text: str) -> str:
    if "\0" in text:
        return _NUL
    try:
        text.encode()
    except UnicodeEncodeError:
        return _NOT_UTF8
    return ""


def _too_long(limit: int) -> str:
    return f"it is longer than {limit:,} bytes"


def _csv_reason(error: str) -> str:
    known: dict[str, str] = {
        "field larger than field limit": "a cell is too long, or its quotation mark is never closed",
        "unexpected end of data": "its quotation mark is never closed, so all that follows would belong to it",
        "line contains NUL": _NUL,
    }
    return next((said for begin, said in known.items() if begin in error), f"it is not a row: {error}")


ROW_READERS: dict[str, RowReader] = {
    ".jsonl": json_rows,
    ".ndjson": json_rows,
    ".csv": partial(table_rows, delimiter=","),
    ".tsv": partial(table_rows, delimiter="\t"),
}
