"""Where an example file names a column, and where a row begins."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

from lsprotocol import types

from apo_server.positions import Encoding, units

if TYPE_CHECKING:
    from apo_engine.examples.facts import ExampleFacts
    from apo_server.texts import Texts

# A name further down, or further right, is not worth reading so much for: its line is shown from its beginning.
_LINES, _LONGEST = 1_000, 10_000


def column_place(facts: ExampleFacts, column: str, texts: Texts, encoding: Encoding) -> types.Location | None:
    """Where the first example file names a column; None where none does."""
    found = next((one for one in facts.columns if one.column == column), None)
    line = found.line if found is not None else (1 if column == facts.expected else None)
    if line is None or not facts.files:
        return None
    path = Path(facts.files[0].path)
    document = texts.open_at(path)
    if document is not None:
        lines = document.positions.lines
        text = lines.span_of_line(line - 1).of(document.text) if line <= len(lines.starts) else ""
    else:
        text = _line(path, line)
    begin, name = _named(text, column)
    start = types.Position(line - 1, units(text[:begin], encoding))
    end = types.Position(line - 1, start.character + units(name, encoding))
    return types.Location(document.uri if document else path.as_uri(), types.Range(start, end))


def line_place(path: Path, line: int, texts: Texts) -> types.Location:
    """The beginning of a 1-based line of a file."""
    document = texts.open_at(path)
    start = types.Position(line - 1, 0)
    return types.Location(document.uri if document else path.as_uri(), types.Range(start, start))


def _named(line: str, column: str) -> tuple[int, str]:
    """Where a line names a column, and how it is written there; the line's beginning where it does not."""
    for name in (json.dumps(column, ensure_ascii=False), json.dumps(column), column):
        begin = line.find(name)
        if begin >= 0:
            quoted = name.startswith('"')
            return begin + quoted, name[1:-1] if quoted else name
    return 0, ""


def _line(path: Path, number: int) -> str:
    if number > _LINES:
        return ""
    try:
        with path.open("rb") as file:
            for at in range(1, number + 1):
                part = whole = file.readline(_LONGEST)
                while at < number and whole and not whole.endswith(b"\n"):
                    whole = file.readline(_LONGEST)
    except OSError:
        return ""
    text = part.rstrip(b"\r\n").decode("utf-8", "replace")
    return text.removeprefix("\ufeff") if number == 1 else text
