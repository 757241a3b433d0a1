"""By what a row is recognized again, whatever its file, its columns' names and the prompt's template have become.

A row is known by each of its cells of 16 characters or more, and as a whole. Short rows are known by what is left
without any one cell, too. Cells that many rows of the set share identify none of them: nothing is recorded under those.
"""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections import Counter, defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

from apo_engine.store import RowFingerprints

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from apo_engine.examples.example import Example

_LONG = 16
# A cell says nothing of a row if more rows than this have it: five, or one in a hundred.
_FEWEST_COMMON, _COMMON_SHARE = 5, 0.01
# What most rows of a set have is not part of any row: a column of constants may come and go.
_CONSTANT_SHARE = 0.5
# A short row is known by what is left without one of its cells, if that is some text of this length.
_MOST_CELLS, _REST = 4, 8
_NOT_WORDS = re.compile(r"[\W_]+")
_SPACE = re.compile(r"\s+")
_EDGES = re.compile(r"^[\W_]+|[\W_]+$")


@dataclass(frozen=True, slots=True)
class RowIdentity:
    """``group`` is the same for rows that say the same; ``fingerprints`` are those to look up and to record."""

    group: bytes
    fingerprints: RowFingerprints


@dataclass(frozen=True, slots=True)
class _Cell:
    """A cell in the form that is compared: case, white space, punctuation and Unicode forms make no difference.

    ``is_text`` tells text from numbers and ids: it has words, or no digit.
    """

    key: str
    is_long: bool
    is_text: bool


def identify(rows: Sequence[Example]) -> Mapping[str, RowIdentity]:
    """The identity of each row of a set, by row id."""
    known: dict[str, _Cell] = {}
    cells = {row.id: _cells(row, known) for row in rows}
    frequency = Counter(cell for found in cells.values() for cell in found)
    most = max(_FEWEST_COMMON, int(_CONSTANT_SHARE * len(cells)))
    varying = {name: [cell for cell in found if frequency[cell] <= most] or found for name, found in cells.items()}
    groups = _groups(varying)
    candidates = {name: _candidates(found) for name, found in varying.items()}
    sharing: defaultdict[bytes, set[bytes]] = defaultdict(set)
    for name, found in candidates.items():
        for fingerprint in found:
            sharing[fingerprint].add(groups[name])
    common = _common(len(set(groups.values())))
    return {
        name: RowIdentity(
            groups[name],
            RowFingerprints(
                tuple(found),
                # The whole row comes first, and always identifies it.
                tuple(one for at, one in enumerate(found) if at == 0 or len(sharing[one]) <= common),
            ),
        )
        for name, found in candidates.items()
    }


def _cells(row: Example, known: dict[str, _Cell]) -> list[_Cell]:
    """The row's cells that say anything, each once, in an order that does not depend on the columns'."""
    found: dict[str, _Cell] = {}
    for text in row.inputs.values():
        cell = known.get(text)
        if cell is None:
            cell = known[text] = _cell(text)
        if cell.key:
            found[cell.key] = cell
    return [found[key] for key in sorted(found)]


def _cell(text: str) -> _Cell:
    if not text.isascii():
        text = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())
        text = "".join(character for character in text if unicodedata.category(character) != "Cf")
    else:
        text = text.lower()
    plain = _EDGES.sub("", _SPACE.sub(" ", text)) or text.strip()
    words = _NOT_WORDS.sub("", plain)
    is_text = " " in plain or not plain.isascii() or not any(map(str.isdigit, plain))
    # Between few letters, signs carry the meaning: 3+4 is not 3*4.
    return _Cell(words if len(words) >= _REST else plain.replace(" ", ""), len(plain) >= _LONG, is_text)


def _groups(rows: Mapping[str, Sequence[_Cell]]) -> dict[str, bytes]:
    """Rows with the same text say the same, whatever their numbers and ids are; unless many rows have that text.

    Then it is a form that the numbers fill in.
    """
    texts = {name: _digest([cell for cell in cells if cell.is_text] or cells) for name, cells in rows.items()}
    sizes = Counter(texts.values())
    return {name: text if sizes[text] <= _common(len(rows)) else _digest(rows[name]) for name, text in texts.items()}


def _common(rows: int) -> int:
    """In more rows than this, something identifies none of so many."""
    return max(_FEWEST_COMMON, int(_COMMON_SHARE * rows))


def _candidates(cells: Sequence[_Cell]) -> list[bytes]:
    """What a row may be known by: the whole of it first."""
    found = {_digest(cells): None}
    found.update({_digest([cell]): None for cell in cells if cell.is_long})
    if len(cells) <= _MOST_CELLS and not any(cell.is_long and cell.is_text for cell in cells):
        for left_out in cells:
            rest = [cell for cell in cells if cell is not left_out]
            if any(cell.is_text for cell in rest) and sum(len(cell.key) for cell in rest) >= _REST:
                found[_digest(rest)] = None
    return list(found)


def _digest(cells: Iterable[_Cell]) -> bytes:
    return hashlib.sha256("\0".join(cell.key for cell in cells).encode()).digest()
