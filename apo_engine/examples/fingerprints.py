"""By what a row is recognized again, whatever its file, its columns' names and the prompt's template have become.

A row is known by each of its cells of 16 characters or more, and as a whole. Short rows are known by what is left
without any one cell, too. After small edits, a row is known by sketches of all its text together, and of each long
cell. If many rows were edited, they are known by hints: what is left of short ones without one word or one letter, and
smaller parts of the sketches. What many rows of the set share identifies none of them: nothing is recorded under it.
Rows that repeat a text count as one.

Not recognized after edits: rows of one short word, and short cells after a long column beside them was removed.
"""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections import Counter, defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

from apo_engine.examples.sketch import Sketch, letters, sketches
from apo_engine.store import RowFingerprints

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from apo_engine.examples.example import Example

_LONG = 16
# A cell says nothing of a row if more rows than this have it: five, or one in a hundred.
_FEWEST_COMMON, _COMMON_SHARE = 5, 0.01
# What most rows of a set have is not part of any row: a column of constants may come and go.
_CONSTANT_SHARE = 0.5
# A short row is known by what is left without one of its cells, if that is some text of this length.
_MOST_CELLS, _REST = 4, 8
# The fewest rows that can be split: a set that falls into fewer groups than this is not grouped so.
_FEWEST_GROUPS = 33
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

    ``is_text`` tells text from numbers and ids: it has words, or no digit. ``words`` are those that sketches compare.
    """

    key: str
    words: tuple[str, ...]
    is_long: bool
    is_text: bool


def identify(rows: Sequence[Example], is_stopped: Callable[[], bool] = lambda: False) -> Mapping[str, RowIdentity]:
    """The identity of each row of a set, by row id.

    If ``is_stopped``, asked for each row, says so, the result is empty: drop it.
    """
    known: dict[str, _Cell] = {}
    columns = {}
    for row in rows:
        if is_stopped():
            return {}
        columns[row.id] = _cells(row, known)
    cells = {name: [*found.values()] for name, found in columns.items()}
    frequency = Counter(cell for found in cells.values() for cell in found)
    most = max(_FEWEST_COMMON, int(_CONSTANT_SHARE * len(cells)))
    varying = {name: [cell for cell in found if frequency[cell] <= most] or found for name, found in cells.items()}
    texts = {name: _text(found) for name, found in varying.items()}
    sketched = _sketches(columns, texts, is_stopped)
    if is_stopped():
        return {}
    groups = _groups(varying, texts)
    # Rows with similar texts are one where it is counted how many share something: copies make nothing common.
    similar = _similar({group: sketched[texts[name]].own for name, group in groups.items()})
    candidates = {}
    for name, found in varying.items():
        if is_stopped():
            return {}
        candidates[name] = _candidates(found, sketched[texts[name]])
    of_groups: defaultdict[bytes, set[bytes]] = defaultdict(set)
    for name, candidate in candidates.items():
        if is_stopped():
            return {}
        of_groups[similar[groups[name]]].update(candidate, sketched[texts[name]].hints)
    sharing = Counter(fingerprint for fingerprints in of_groups.values() for fingerprint in fingerprints)
    common = _common(len(of_groups))
    identities = {}
    for name, candidate in candidates.items():
        if is_stopped():
            return {}
        sketch = sketched[texts[name]]
        # The whole row comes first, and always identifies it.
        recorded = [one for at, one in enumerate(candidate) if at == 0 or sharing[one] <= common]
        hints = [one for one in sketch.hints if sharing[one] <= common]
        recorded += [one for one in hints if one in sketch.recorded_hints]
        identities[name] = RowIdentity(groups[name], RowFingerprints(tuple(candidate), tuple(recorded), tuple(hints)))
    return identities


def _cells(row: Example, known: dict[str, _Cell]) -> dict[str, _Cell]:
    """The row's cells that say anything, each once, in the order of the columns."""
    found: dict[str, _Cell] = {}
    keys = set()
    for column, text in row.inputs.items():
        cell = known.get(text)
        if cell is None:
            cell = known[text] = _cell(text)
        if cell.key and cell.key not in keys:
            keys.add(cell.key)
            found[column] = cell
    return found


def _cell(text: str) -> _Cell:
    compared = letters(text)
    if not text.isascii():
        text = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())
        text = "".join(character for character in text if unicodedata.category(character) != "Cf")
    else:
        text = text.lower()
    plain = _EDGES.sub("", _SPACE.sub(" ", text)) or text.strip()
    words = _NOT_WORDS.sub("", plain)
    is_text = " " in plain or not plain.isascii() or not any(map(str.isdigit, plain))
    # Between few letters, signs carry the meaning: 3+4 is not 3*4.
    key = words if len(words) >= _REST else plain.replace(" ", "")
    return _Cell(key, compared, len(plain) >= _LONG, is_text)


def _text(cells: Sequence[_Cell]) -> bytes:
    """What the row says apart from its numbers and ids, or all of it if it has no other text."""
    return _digest([cell for cell in cells if cell.is_text] or cells)


def _sketches(
    rows: Mapping[str, Mapping[str, _Cell]], texts: Mapping[str, bytes], is_stopped: Callable[[], bool]
) -> dict[bytes, Sketch]:
    """The sketches of each text of a set, each made once, however many rows repeat the text."""
    words: dict[bytes, dict[str, tuple[str, ...]]] = {}
    for name, cells in rows.items():
        if is_stopped():
            return {}
        if texts[name] not in words:
            has_text = any(cell.is_text and cell.words for cell in cells.values())
            words[texts[name]] = {
                column: cell.words for column, cell in cells.items() if cell.words and (cell.is_text or not has_text)
            }
    return sketches(words, is_stopped)


def _groups(rows: Mapping[str, Sequence[_Cell]], texts: Mapping[str, bytes]) -> dict[str, bytes]:
    """Rows with the same text say the same, whatever their numbers and ids are.

    Unless the set would then fall into too few groups to be split: then its texts are forms that numbers or words fill
    in. So is a short text that a large share of all rows has.
    """
    sizes = Counter(texts.values())
    common = _common(len(rows))
    has_forms = len(sizes) < _FEWEST_GROUPS

    def is_form(name: str) -> bool:
        size = sizes[texts[name]]
        is_short = not any(cell.is_long for cell in rows[name])
        return size > common and (has_forms or (is_short and size > len(rows) / _FEWEST_GROUPS))

    return {name: _digest(cells) if is_form(name) else texts[name] for name, cells in rows.items()}


def _similar(sketched: Mapping[bytes, Sequence[bytes]]) -> dict[bytes, bytes]:
    """For each of the groups, the first of those that are connected with it by sketches in common."""
    above = {group: group for group in sketched}

    def top(group: bytes) -> bytes:
        while above[group] != group:
            above[group] = group = above[above[group]]
        return group

    first: dict[bytes, bytes] = {}
    for group in sorted(sketched):
        for sketch in sketched[group]:
            one, other = sorted((top(group), top(first.setdefault(sketch, group))))
            above[other] = one
    return {group: top(group) for group in sketched}


def _common(rows: int) -> int:
    """In more rows than this, something identifies none of so many."""
    return max(_FEWEST_COMMON, int(_COMMON_SHARE * rows))


def _candidates(cells: Sequence[_Cell], sketch: Sketch) -> list[bytes]:
    """What a row may be known by: the whole of it first."""
    found = {_digest(cells): None}
    found.update({_digest([cell]): None for cell in cells if cell.is_long})
    if len(cells) <= _MOST_CELLS and not any(cell.is_long and cell.is_text for cell in cells):
        for left_out in cells:
            rest = [cell for cell in cells if cell is not left_out]
            if any(cell.is_text for cell in rest) and sum(len(cell.key) for cell in rest) >= _REST:
                found[_digest(rest)] = None
    found.update(dict.fromkeys((*sketch.own, *sketch.whole, *sketch.cells)))
    return list(found)


def _digest(cells: Iterable[_Cell]) -> bytes:
    """A digest of some cells, whatever their order is."""
    return hashlib.sha256("\0".join(sorted(cell.key for cell in cells)).encode()).digest()
