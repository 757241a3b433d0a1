"""What a row's text is recognized by after small edits, wherever in the row it stands and whatever stands beside it.

Only letters count, in a form without case, accents, doubled letters and characters that nobody sees. Digits and words
with digits are left out, so ids and dates make no difference. What many texts of a set share belongs to none of them.
"""

from __future__ import annotations

import hashlib
import html
import re
import unicodedata
from bisect import bisect_left
from collections import Counter
from struct import Struct
from typing import TYPE_CHECKING
from zlib import crc32

from apo_engine.unseen import is_unseen

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

_TAG = re.compile(r"</?[A-Za-z][^<>]*>")
_DIGIT = re.compile(r"\d")
_WITH_DIGIT = re.compile(r"\w*\d\w*")
_NO_LETTERS = re.compile(r"[\W\d_]+")
_DOUBLED = re.compile(r"(\w)\1+")
# Letters of other scripts that look like Latin ones, and Latin ones that lose no mark when they are decomposed.
_LATIN = str.maketrans("асеһіјорԛѕԝхуԁӏгкмнтвαορνικτυıȷøłđħ", "acehijopqswxydlrkmhtbaopviktuijoldh")

# Fewer letters than this say nothing.
_FEWEST_LETTERS = 8
# Words that more texts than this share are a form that each text fills in.
_FORM_SHARE = 0.5
_GRAM = 5
_FEWEST_GRAMS = 12
# Which grams are shared by many is counted on this many texts.
_COUNTED_TEXTS, _SHARED_GRAMS, _SHARED_BY = 2_000, 0.1, 5
_MOST_LETTERS = 2_000
# A band is six hashes of grams in a row, from one of eight places on. For texts of a similarity s, one is the same with
# a probability of about s**6: texts that are 85 % similar share one of the eight nearly always, 70 % mostly, and 20 %
# in one case of 2,000.
_IN_A_ROW = 6
_BAND = Struct(f"{_IN_A_ROW}I")
_PLACES = tuple(at << 29 for at in range(8))
# Words in whatever order tell one text from another if there are so many.
_FEWEST_WORDS = 8


def letters(text: str) -> tuple[str, ...]:
    """The words of a text that have no digit, in the form that is compared."""
    if "&" in text:
        text = html.unescape(text)
    if "<" in text:
        text = _TAG.sub(" ", text)
    if not text.isascii():
        text = unicodedata.normalize("NFKD", unicodedata.normalize("NFKC", text).casefold())
        text = "".join(c for c in text if not is_unseen(c) and unicodedata.category(c)[0] != "M").translate(_LATIN)
    text = text.lower()
    if _DIGIT.search(text):
        text = _WITH_DIGIT.sub(" ", text)
    return tuple(_DOUBLED.sub(r"\1", _NO_LETTERS.sub(" ", text)).split())


def sketches(texts: Mapping[bytes, Sequence[Sequence[str]]]) -> dict[bytes, tuple[bytes, ...]]:
    """Digests of each of some texts, which are given as the words of their cells, by a name.

    Some are of all its words, whatever cells they stand in. Texts that differ in a few letters share one of the others
    with high probability.
    """
    words = {name: {word for cell in cells for word in cell} for name, cells in texts.items()}
    form = _shared(words.values(), max(_SHARED_BY, _FORM_SHARE * len(texts)))
    grams = {name: _grams(cells) for name, cells in texts.items()}
    counted = sorted(texts)[:_COUNTED_TEXTS]
    common = _shared((grams[name] for name in counted), max(_SHARED_BY, _SHARED_GRAMS * len(counted)))
    return {name: (*_wordings(cells, form), *_bands(grams[name] - common)) for name, cells in texts.items()}


def _shared(sets: Iterable[set[str]] | Iterable[set[int]], most: float) -> set[object]:
    frequency: Counter[object] = Counter(one for some in sets for one in some)
    return {one for one, times in frequency.items() if times > most}


def _wordings(cells: Sequence[Sequence[str]], form: set[object]) -> tuple[bytes, ...]:
    """Digests of the words in order, with the cells in either order, and of many words in any order."""
    said = [" ".join(word for word in cell if word not in form) for cell in cells]
    said = [cell for cell in said if cell]
    if sum(map(len, said)) < _FEWEST_LETTERS:
        return ()
    found = {"words " + " ".join(said): None, "words " + " ".join(sorted(said)): None}
    distinct = set(" ".join(said).split())
    if len(distinct) >= _FEWEST_WORDS:
        found["any order " + " ".join(sorted(distinct))] = None
    return tuple(hashlib.sha256(one.encode()).digest() for one in found)


def _grams(cells: Sequence[Sequence[str]]) -> set[int]:
    """Hashes of all runs of five letters within a cell, blanks left out."""
    found: set[int] = set()
    for words in cells:
        text = "".join(words)[:_MOST_LETTERS]
        if text.isascii():
            raw = text.encode()
            found.update(crc32(raw[at : at + _GRAM]) for at in range(len(raw) - _GRAM + 1))
        else:
            found.update(crc32(text[at : at + _GRAM].encode()) for at in range(len(text) - _GRAM + 1))
    return found


def _bands(grams: set[int]) -> tuple[bytes, ...]:
    if len(grams) < _FEWEST_GRAMS:
        return ()
    ring = sorted(grams)
    ring += ring[:_IN_A_ROW]
    starts = (bisect_left(ring, place, 0, len(grams)) for place in _PLACES)
    bands = {tuple(ring[start : start + _IN_A_ROW]): None for start in starts}
    return tuple(hashlib.sha256(_BAND.pack(*band)).digest() for band in bands)
