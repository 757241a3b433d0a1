"""Where an example file names a column, where a row begins, and which column is under a caret."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from lsprotocol import types

from apo_engine.positions import Span
from apo_server.positions import Encoding, units
from apo_server.row_lines import lines_on_disk

if TYPE_CHECKING:
    from apo_engine.examples.facts import ExampleFacts
    from apo_server.documents import Document
    from apo_server.texts import Texts

# Nobody looks for a name in a longer line.
_LONGEST = 10_000
# A name further down is not worth reading so much for: its line is shown from its beginning.
_LINES = 1_000
_DELIMITERS = {".csv": ",", ".tsv": "\t"}
_STRING = r'"(?:[^"\\]|\\.)*"'
_TOKEN = re.compile(rf"(?P<key>{_STRING})(?=\s*:)|{_STRING}|[\[\]{{}}]")


def column_places(facts: ExampleFacts, column: str, texts: Texts, encoding: Encoding) -> list[types.Location]:
    """Where each example file names a column; none where the files do not have it."""
    found = next((one for one in facts.columns if one.column == column), None)
    if found is None and column != facts.expected:
        return []
    # What is known of the line is of the first file; a hold-out file of its own has the same columns from its start.
    lines = [found.line if found is not None else 1, *(1 for _ in facts.files[1:])]
    return [
        _place(Path(file.path), line, column, texts, encoding) for file, line in zip(facts.files, lines, strict=False)
    ]


def _place(path: Path, line: int, column: str, texts: Texts, encoding: Encoding) -> types.Location:
    document = texts.open_at(path)
    if document is not None:
        lines = document.positions.lines
        text = lines.span_of_line(line - 1).of(document.text) if line <= len(lines.starts) else ""
    else:
        text = lines_on_disk(path, [line], texts.roots).get(line, "") if line <= _LINES else ""
    begin, name = _named(text, column, path.suffix.lower())
    start = types.Position(line - 1, units(text[:begin], encoding))
    end = types.Position(line - 1, start.character + units(name, encoding))
    return types.Location(document.uri if document else path.as_uri(), types.Range(start, end))


def column_at(document: Document, position: types.Position) -> tuple[types.Range, str] | None:
    """The column that a caret is in, in its name or in its value, and where that begins on the caret's line."""
    kind = document.path.suffix.lower() if document.path else ""
    begin, line = _line(document, position.line)
    at = document.positions.offset(position) - begin
    if kind in _DELIMITERS:
        head = [name for _, _, name in _cells(_line(document, 0)[1], _DELIMITERS[kind])]
        cells = [(start, written) for start, written, _ in _cells(line, _DELIMITERS[kind])]
        before = [(*cell, name) for cell, name in zip(cells, head, strict=False) if cell[0] <= at]
    else:
        # A key is touched from its quotation mark on.
        before = [key for key in _keys(line) if key[0] - 1 <= at]
    if not before:
        return None
    start, written, name = before[-1]
    return document.positions.range(Span(begin + start, begin + start + len(written))), name


def _line(document: Document, number: int) -> tuple[int, str]:
    """Where a 0-based line begins, behind a byte order mark, and what it says; nothing where it is very long."""
    lines = document.positions.lines
    if number >= len(lines.starts):
        return len(document.text), ""
    span = lines.span_of_line(number)
    begin = span.start + document.text.startswith("\ufeff", span.start)
    return begin, document.text[begin : span.end] if len(span) <= _LONGEST else ""


def line_place(path: Path, line: int, texts: Texts) -> types.Location:
    """The beginning of a 1-based line of a file."""
    document = texts.open_at(path)
    start = types.Position(line - 1, 0)
    return types.Location(document.uri if document else path.as_uri(), types.Range(start, start))


def _named(line: str, column: str, kind: str) -> tuple[int, str]:
    """Where a line names a column, and how it is written there; the line's beginning where it does not."""
    names = _cells(line, _DELIMITERS[kind]) if kind in _DELIMITERS else _keys(line)
    return next(((begin, written) for begin, written, name in names if name == column), (0, ""))


def _cells(line: str, delimiter: str) -> Iterator[tuple[int, str, str]]:
    """The cells of a table's line: where each begins, as it is written, and what it says."""
    for cell in re.finditer(rf'(?:^|{delimiter})(?:"((?:[^"]|"")*)"|([^{delimiter}]*))', line):
        group = 1 if cell[1] is not None else 2
        written = cell[group].strip()
        begin = cell.start(group) + len(cell[group]) - len(cell[group].lstrip())
        yield begin, written, written.replace('""', '"') if group == 1 else written


def _keys(line: str) -> Iterator[tuple[int, str, str]]:
    """The keys of an object on one line, not those of objects in it, nor what is said in values."""
    depth = 0
    for token in _TOKEN.finditer(line):
        if token[0] in "{[":
            depth += 1
        elif token[0] in "]}":
            depth -= 1
        elif depth == 1 and token["key"] is not None:
            with suppress(ValueError):
                yield token.start("key") + 1, token["key"][1:-1], json.loads(token["key"])
