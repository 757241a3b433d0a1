"""Letters that look like Latin ones: each becomes the Latin letter, so a text reads the same to a program."""

from __future__ import annotations

import re
import unicodedata

# A Latin letter, then lower-case letters of other scripts that look like it: Greek, Coptic, Cyrillic, Armenian,
# Cherokee and Lisu (which have no lower case here).
_LOOK_LIKE = """
a αⲁаɑᎪꓮ  b βⲃвьᏴꓐƅь  c ⲥсᏟꓚ  d ԁᎠꓓꮷ  e εⲉе℮ҽєᎬꓰ  f ϝꓝ  g ԍᏀꓖց  h ⲏһнᎻꓧհ  i ιⲓіıɩɪꓲᎥ  j јᎫꓙյ  k κⲕкᏦꓗ  l ӏᏞꓡլ
m ⲙмᎷꓟ  n ηⲛпиոꓠ  o οσⲟоөօꓳ  p ρⲣрᏢꓑ  q ԛգզ  r гᎡᏒꓣ  s ѕᏚꓢտ  t τⲧтᎢꓔ  u υμսꓴʋ  v νѵᏙꓦ  w ωѡԝшᎳꓪա  x χⲭхꓫ
y γⲩуүᎩꓬ  z ζᏃꓜ
"""
# In a word with Latin letters, these are read as they are written, not as their lower-case form would be.
_AS_WRITTEN = str.maketrans("ΗΜΝΥΣΞΛΓΘϹϺϲϳҮИЯ", "HMNYEEAROCMcjYNR")
_PART_LATIN = re.compile(r"\w*[A-Za-z]\w*")
_MARKED = re.compile(
    r"(?:LATIN|MODIFIER|NEGATIVE|SQUARED|CIRCLED) .*\bLETTER (?:SMALL CAPITAL |DOTLESS |SCRIPT |OPEN |LONG |INSULAR )?"
    r"([A-Z])(?: WITH .+)?"
)


class _Latin(dict[int, int]):
    """For `str.translate`: finds Latin letters with a stroke, a hook or a frame by their Unicode names."""

    def __missing__(self, code: int) -> int:
        found = _MARKED.fullmatch(unicodedata.name(chr(code), "")) if code > 0x7F else None
        self[code] = ord(found[1].lower()) if found else code
        return self[code]


def _table() -> _Latin:
    parts = _LOOK_LIKE.split()
    pairs = zip(parts[::2], parts[1::2], strict=True)
    return _Latin({ord(other): ord(latin) for latin, others in pairs for other in others.casefold()})


_LATIN = _table()


def as_latin(text: str) -> str:
    """The text in lower case, without accents, marks and lookalikes of Latin letters."""
    if text.isascii():
        return text.lower()
    text = _PART_LATIN.sub(lambda word: word[0].translate(_AS_WRITTEN), text)
    text = unicodedata.normalize("NFKD", unicodedata.normalize("NFKC", text).casefold())
    return "".join(c for c in text if unicodedata.category(c)[0] != "M").translate(_LATIN)
