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
from dataclasses import dataclass
from math import log2
from struct import Struct
from typing import TYPE_CHECKING
from zlib import crc32

from apo_engine.unseen import is_unseen

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_TAG = re.compile(r"</?[A-Za-z][^<>]*>")
_WORD = re.compile(r"[^\W_]+")
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
# A band is eight hashes of grams in a row, from one of six places on. For texts of a similarity s, one is the same
# with a probability of about s**8: texts that are 85 % similar share one of the six mostly, 70 % in one case of
# four, and 30 % in one of 2,000. A set is recognized by any of its rows.
_IN_A_ROW = 8
_BAND = Struct(f"{_IN_A_ROW}I")
_PLACES = tuple((at << 32) // 6 for at in range(6))
# Words in whatever order tell one text from another if they are rare enough: about one in 2**24 texts has these.
_FEWEST_BITS = 24


def letters(text: str) -> tuple[str, ...]:
    """The words of a text that have no digit, in the form that is compared."""
    if "&" in text:
        text = html.unescape(text)
    if "<" in text:
        text = _TAG.sub(" ", text)
    if not text.isascii():
        text = unicodedata.normalize("NFKD", unicodedata.normalize("NFKC", text).casefold())
        text = "".join(c for c in text if not is_unseen(c) and unicodedata.category(c)[0] != "M").translate(_LATIN)
    words = " ".join(word for word in _WORD.findall(text.lower()) if word.isalpha())
    return tuple(_DOUBLED.sub(r"\1", words).split())


@dataclass(frozen=True, slots=True)
class Sketch:
    """Digests of a text: some of all its words, others that texts which differ in a few letters share one of, mostly.

    Those of what is ``own`` leave out what one in ten texts of the set has, so texts of one form differ in them. Those
    of the ``whole`` leave out what most texts have, so they depend little on what else there is in the set.
    """

    own: tuple[bytes, ...]
    whole: tuple[bytes, ...]


def sketches(texts: Mapping[bytes, Sequence[Sequence[str]]]) -> dict[bytes, Sketch]:
    """The sketches of texts by their names; a text is given as the words of each of its cells."""
    frequency = Counter(word for cells in texts.values() for word in {word for cell in cells for word in cell})
    most = max(_SHARED_BY, _FORM_SHARE * len(texts))
    bits = {word: log2(len(texts) / times) for word, times in frequency.items() if times <= most}
    grams = {name: _grams(cells) for name, cells in texts.items()}
    counted = sorted(texts)[:_COUNTED_TEXTS]
    times = Counter(gram for name in counted for gram in grams[name])
    constant = _frequent(times, _FORM_SHARE * len(counted))
    shared = _frequent(times, _SHARED_GRAMS * len(counted))
    found = {}
    for name, cells in texts.items():
        whole = grams[name] - constant
        found[name] = Sketch((*_wordings(cells, bits), *_bands(whole - shared)), _bands(whole))
    return found


def _frequent(times: Counter[int], most: float) -> set[int]:
    most = max(_SHARED_BY, most)
    return {gram for gram, count in times.items() if count > most}


def _wordings(cells: Sequence[Sequence[str]], bits: Mapping[str, float]) -> tuple[bytes, ...]:
    """Digests of the words in order, with the cells in either order, and of rare words in any order.

    ``bits`` say how rare a word is; those without are part of a form.
    """
    said = [" ".join(word for word in cell if word in bits) for cell in cells]
    said = [cell for cell in said if cell]
    if sum(map(len, said)) < _FEWEST_LETTERS:
        return ()
    found = {"words " + " ".join(said): None, "words " + " ".join(sorted(said)): None}
    distinct = set(" ".join(said).split())
    if sum(bits[word] for word in distinct) >= _FEWEST_BITS:
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
    last = len(grams)
    starts = [bisect_left(ring, place, 0, last) for place in _PLACES]
    return tuple({_BAND.pack(*ring[start : start + _IN_A_ROW]): None for start in starts})
