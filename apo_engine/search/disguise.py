"""Text out of its disguises: what it says without hidden, look-alike, spaced, reversed and swapped letters."""

from __future__ import annotations

import codecs
import re
import unicodedata

from apo_engine.unseen import is_unseen

_USUAL = frozenset("\n\t")
_LOOK_ALIKE = str.maketrans(
    "аеорсухіјѕԁԛԝһӏьвмнктзαορνιτκυχεηωϲϳ❴❵⦃⦄‹›〈〉⟨⟩❮❯❬❭∕⁄⧸։∶ꓽː꞉˸․‥",
    "aeopcyxijsdqwhlbbmhkt3aopvitkuxenwcj{}{}<><><><><>///::::::..",
)
# All but letters and digits, and the letters that are drawn as nothing.
_SIGNS = re.compile(r"[\W_\u115f\u1160\u3164\uffa0]+")
_LEET = str.maketrans("013457@$!", "oieastasi")
_LEET_WORD = re.compile(r"[\w@$!]+")
# Letters one by one, with something between them: "i g n o r e", "i.g.n.o.r.e". Words are then parted by more of it.
_SPACED = re.compile(r"(?:(?<=\s)|\A)[^\W_](?:[\s.*_-]{1,3}[^\W_](?![^\W_])){4,}")


def mixed(text: str) -> tuple[str, ...]:
    """The words that mix Latin letters with Cyrillic or Greek ones that look like them."""
    if text.isascii():
        return ()
    words = dict.fromkeys(re.findall(r"[^\W\d_]+", text))
    return tuple(word for word in words if _latin(word) and any(_foreign(char) for char in word))


def bare(text: str) -> str:
    """The text in lower case and compatibility form, without what hides in it; line ends are ``\\n``."""
    if text.isascii() and text.replace("\n", " ").isprintable():
        return text.lower()
    lines = "\n".join(text.splitlines())
    if not lines.isascii():
        lines = unicodedata.normalize("NFKC", lines)
    return "".join(char for char in lines if char in _USUAL or not is_unseen(char)).casefold()


def plain_readings(text: str) -> tuple[str, ...]:
    """What a text is read as at sight: in lower case, without what hides in it, and with look-alikes taken as Latin."""
    plain = bare(text)
    return tuple(dict.fromkeys((plain, plain if plain.isascii() else _unaccented(plain).translate(_LOOK_ALIKE))))


def readings(text: str) -> tuple[str, ...]:
    """What a text may be read as: at sight, or spelled in single letters, in digits, backwards or by ROT13."""
    plain = plain_readings(text)
    latin = plain[-1]
    spelled = (
        _SPACED.sub(lambda match: re.sub(r"(?<=\w)[\s.*_-](?=\w)", "", match[0]), latin),
        _LEET_WORD.sub(_unleet, latin),
        latin[::-1],
        codecs.encode(latin, "rot13"),
    )
    return tuple(dict.fromkeys((*plain, *spelled)))


def letters(text: str) -> str:
    """The letters and digits of a text, and nothing else: the same however it is set, wrapped or interspersed."""
    plain = text.lower() if text.isascii() else unicodedata.normalize("NFKC", text).casefold().translate(_LOOK_ALIKE)
    return _SIGNS.sub("", plain)


def _unleet(match: re.Match[str]) -> str:
    """A word with letters in place of the digits that stand for them; what has no letter is a number."""
    word = match[0]
    return word.translate(_LEET) if any(char.isalpha() for char in word) else word


def _latin(word: str) -> bool:
    return any("a" <= char.lower() <= "z" for char in word)


def _foreign(char: str) -> bool:
    return 0x0370 <= ord(char) < 0x0530


def _unaccented(text: str) -> str:
    apart = unicodedata.normalize("NFD", text)
    return "".join(char for char in apart if unicodedata.category(char) != "Mn")
