"""How long the lines of an example file are, so that a row can be marked from its first character to its last."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path

from lsprotocol import types

from apo_engine.allowed_paths import open_allowed
from apo_server.documents import Document
from apo_server.positions import Encoding, units

# No editor shows more of a line than this, and no more of it is read at once.
_LONGEST = 10_000


def ranges_in(document: Document, lines: Collection[int]) -> dict[int, types.Range]:
    """The ranges of 1-based lines of an open document; lines past its end are left out."""
    starts = document.positions.lines
    there = [line for line in lines if 1 <= line <= len(starts.starts)]
    return {line: document.positions.range(starts.span_of_line(line - 1)) for line in there}


def ranges_on_disk(
    path: Path, lines: Collection[int], encoding: Encoding, roots: Sequence[Path]
) -> dict[int, types.Range]:
    """The ranges of 1-based lines of a file in one of the folders ``roots``; as :func:`lines_on_disk`."""
    return {
        line: types.Range(types.Position(line - 1, 0), types.Position(line - 1, units(text, encoding)))
        for line, text in lines_on_disk(path, lines, roots).items()
    }


def lines_on_disk(path: Path, lines: Collection[int], roots: Sequence[Path]) -> dict[int, str]:
    """The beginnings of 1-based lines of a file in one of the folders ``roots``.

    It is read only as far as the last line; there are none if it cannot be read, or lies elsewhere.
    """
    wanted, last = frozenset(lines), max(lines, default=0)
    found = {}
    try:
        with open_allowed(path, roots) as file:
            number = 1
            while number <= last and (part := file.readline(_LONGEST)):
                whole = part
                while not whole.endswith(b"\n") and (rest := file.readline(_LONGEST)):
                    whole = rest
                if number in wanted:
                    text = part.rstrip(b"\r\n").decode("utf-8", "replace")
                    found[number] = text.removeprefix("\ufeff") if number == 1 else text
                number += 1
    except OSError:
        return {}
    return found
