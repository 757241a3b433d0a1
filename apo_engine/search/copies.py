"""Words of rows that a rewrite repeats: a quotation is refused, a shorter run of them or a number is named."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence

from apo_engine.examples.example import Example
from apo_engine.examples.quoting import quoted
from apo_engine.search.disguise import bare, letters

# A piece of so many letters and digits is no coincidence of wording. Rows are cut into pieces that overlap by half, so
# that any run of 29 letters holds one of them whole, and any of 39 two, one step apart.
_PIECE, _STEP = 20, 10
# The same piece in so many expected values is the form of the answer (the keys of a JSON object), not one row's words.
_COMMON = 3
# Names of single things: an order, an account, a telephone.
_NAME = re.compile(r"[\w./@+-]{6,}")
_DIGITS = 3


class Copies:
    """Finds what a text repeats of rows, however it is set, as far as the user's own text does not."""

    def __init__(self, own: str, rows: Sequence[Example]) -> None:
        forms = Counter(piece for row in rows for piece in set(_pieces(letters(row.expected))))
        pieces = {hash(piece) for row in rows for value in row.inputs.values() for piece in _pieces(letters(value))}
        pieces.update(hash(piece) for piece, count in forms.items() if count < _COMMON)
        self._pieces = frozenset(pieces) - {hash(window) for _, window in _windows(letters(own))}
        numbers = {number for row in rows for value in row.inputs.values() for number in _numbers(value)}
        self._numbers = frozenset(numbers) - set(_numbers(own))

    def quotes(self, text: str) -> bool:
        """Whether the text quotes a row: two pieces of it that overlap."""
        found = {at for at, window in _windows(letters(text)) if hash(window) in self._pieces}
        return any(at + _STEP in found for at in found)

    def repeated(self, text: str) -> Iterator[str]:
        """What else it repeats, in words that go on from "it"."""
        found = letters(text)
        runs = [window for _, window in _windows(found) if hash(window) in self._pieces]
        if runs:
            yield f"repeats words of a row ({quoted(_as_written(text, runs[0]))})"
        numbers = [number for number in dict.fromkeys(_numbers(text)) if number in self._numbers]
        if numbers:
            yield f"repeats a number of a row ({', '.join(quoted(number) for number in numbers[:3])})"


def _as_written(text: str, run: str) -> str:
    """The part of a text whose letters are ``run``, as far as it can be found again."""
    pattern = r"[\W_]*".join(map(re.escape, run))
    match = re.search(pattern, bare(text))
    return match[0] if match else run


def _pieces(value: str) -> list[str]:
    return [value[at : at + _PIECE] for at in range(0, len(value) - _PIECE + 1, _STEP)]


def _windows(value: str) -> Iterator[tuple[int, str]]:
    return ((at, value[at : at + _PIECE]) for at in range(len(value) - _PIECE + 1))


def _numbers(text: str) -> list[str]:
    named = (match[0].strip("./-+") for match in _NAME.finditer(bare(text)))
    return [name for name in named if sum(map(str.isdigit, name)) >= _DIGITS]
