"""What a rewrite adds that its reader should look at before it is used: links, addresses, hidden or coded text, orders.

These may be meant well, so that nobody but the reader can judge them: they are named, never left out.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from apo_engine.examples.quoting import quoted
from apo_engine.search.disguise import mixed, plain_readings, readings
from apo_engine.search.orders import ORDERS
from apo_engine.search.speakers import ROLES, SPEAKERS
from apo_engine.unseen import hidden

_DOMAINS = (
    # Those that are English words count only with a path, for a full stop without a space is a slip.
    "com|net|org|info|biz|edu|gov|mil|int|io|ai|app|dev|xyz|site|online|shop|club|cloud|onion|example|invalid|co|tv|gg|"
    "cc|ly|sh|ws|uk|eu|de|fr|es|nl|ch|pl|se|fi|dk|cz|ru|ua|cn|jp|kr|br|mx|ca|au|nz|za|tr|ir|il|tk|ml|ga|cf|zip|mov"
)
_LINKS = re.compile(
    r"(?<![a-z0-9])[a-z][a-z0-9+.-]{1,15}:/{1,3}\S+|(?:^|[\s(\"'=])//[\w-]+\.\S+|\bwww\s{0,3}\.\s{0,3}\S+"
    r"|h\s{0,3}t\s{0,3}t\s{0,3}p\s{0,3}s?\s{0,3}:\s{0,3}/\s{0,3}/\s{0,3}\S+|hxxps?\s{0,3}:?\s{0,3}/{0,2}\S*"
    r"|\b(?:mailto|javascript|vbscript|command|vscode|tel|sms|intent)\s{0,3}:\s{0,3}(?=\S{0,200}[.@(/%\d])\S+"
    r"|\bdata\s{0,3}:\s{0,3}\w{1,20}/[\w+.-]{1,60}\s{0,3}[;,]\S*"
    rf"|(?<![\w.@-])(?:[\w-]{{1,63}}\.){{1,4}}(?:{_DOMAINS})(?![\w-])(?:[/?#:]\S*)?"
    r"|(?<![\w.])(?:[\w-]{1,63}\.){1,4}[a-z]{2,24}/[\w?%.=&/-]+"
    r"|(?<![\w.])\d{1,3}(?:\.\d{1,3}){3}(?![\w.])(?:[:/]\S*)?|\w\s{1,3}dot\s{1,3}(?:com|net|org|io|example|dev|app)\b"
    r"|!\s{0,3}\[[^\]\n]{0,200}\]\s{0,3}[(\[][^)\]\n]{0,300}[)\]]?"
    r"|\[[^\]\n]{1,200}\]\s{0,3}\([^)\n]{1,300}\)|^[ \t]{0,8}\[[^\]\n]{1,80}\]:\s{0,3}\S+",
    re.MULTILINE,
)
_DEFANGED = re.compile(r"\s{0,3}[\[({]\s{0,3}(?:\.|dot)\s{0,3}[\])}]\s{0,3}")
_MAIL = re.compile(
    r"[\w.+-]{1,64}\s{0,2}(?:@|[\[({]\s{0,2}at\s{0,2}[\])}]|at(?=\s[\w-]{1,63}\sdot\s))\s{0,2}[\w-]{1,63}"
    r"(?:\s{0,2}(?:\.|\sdot\s|[\[({]\s{0,2}dot\s{0,2}[\])}])\s{0,2}[\w-]{1,63}){1,5}"
)
_PHONE = re.compile(r"(?<!\w)(?:\+|00)\d[\d ()/.-]{6,24}\d(?!\w)")
_HTML = re.compile(
    r"<\s{0,3}/?\s{0,3}(?:img|script|iframe|a|link|form|svg|object|embed|style|meta|base|video|audio|"
    r"input|button|body|html)(?=[\s/>])[^>\n]{0,80}>?|<!--|\bon[a-z]{3,16}\s{0,3}=\s{0,3}[\"'][^\"'\n]{0,80}"
)
_CODED = re.compile(
    r"(?<![\w+/])(?=[\w+/-]*[a-z])(?=[\w+/-]*[A-Z])(?=[\w+/-]*\d)[A-Za-z0-9+/_-]{20,}={0,2}(?![\w+/])"
    r"|(?<![\w+/])[A-Za-z0-9+/]{15,}={1,2}(?![\w=])|(?<!\w)[A-Za-z0-9+/]{40,}(?!\w)"
    r"|(?<!\w)(?:[0-9A-Fa-f]{2}[\s:]?){16,}(?!\w)"
    r"|(?:\\u[0-9A-Fa-f]{4}){3,}|(?:\\x[0-9A-Fa-f]{2}){3,}|(?:%[0-9A-Fa-f]{2}){4,}|(?:&#?\w{1,8};){4,}"
    r"|(?<!\w)(?:[01]{8}\s?){4,}(?!\w)|(?<!\S)(?:[.-]{1,5}[ /]+){8,}[.-]{1,5}(?!\S)"
)
_BRACES = re.compile(r"(?<![{$#])\{\s{0,3}[a-z_][\w.]{0,40}\s{0,3}\}(?!\})")
_MOST_OF_A_KIND = 3


def suspicions(text: str, own: str) -> tuple[str, ...]:
    """What ``text`` adds to the user's ``own``, in words that go on from "it"; each kind once, with what was found."""
    return tuple(_found(text, own))


def _found(text: str, own: str) -> Iterator[str]:
    """Of each kind what the text has and the user's own has not."""
    kinds = (
        ("adds a link", _links),
        ("adds an e-mail address", lambda text: _matches(_MAIL, text)),
        ("adds a telephone number", lambda text: _matches(_PHONE, text)),
        ("adds HTML", lambda text: _matches(_HTML, text)),
        ("adds what reads as a placeholder", lambda text: _matches(_BRACES, text)),
        ("adds what reads as another speaker", _speakers),
        ("adds hidden characters", lambda text: [f"U+{ord(char):04X}" for char in hidden(text)]),
        ("mixes letters that look alike", lambda text: list(mixed(text))),
        ("adds coded text", lambda text: [match[0] for match in _CODED.finditer(text)]),
    )
    for words, look in kinds:
        known = set(look(own))
        if new := [one for one in dict.fromkeys(look(text)) if one not in known]:
            yield f"{words} ({_named(new)})"
    obeyed = set(orders_in(own))
    given = {words: order for words, order in reversed(orders_in(text)) if (words, order) not in obeyed}
    for words, order in given.items():
        yield f"{words} ({quoted(order)})"


def orders_in(text: str) -> list[tuple[str, str]]:
    """The orders that a text gives to a model, with the kind of each."""
    found = readings(text)
    return [(words, match[0]) for words, pattern in ORDERS for one in found for match in pattern.finditer(one)]


def _matches(pattern: re.Pattern[str], text: str) -> list[str]:
    return [match[0].strip() for reading in plain_readings(text) for match in pattern.finditer(reading)]


def _speakers(text: str) -> list[str]:
    """Others who speak, and roles in a disguise; those in plain sight are refused."""
    in_sight = set(_matches(ROLES, text))
    found = (
        match[0].strip() for pattern in (SPEAKERS, ROLES) for one in readings(text) for match in pattern.finditer(one)
    )
    return [one for one in found if one not in in_sight]


def _links(text: str) -> list[str]:
    found = [one for reading in plain_readings(text) for one in (reading, _DEFANGED.sub(".", reading))]
    return [match[0].strip() for reading in dict.fromkeys(found) for match in _LINKS.finditer(reading)]


def _named(found: list[str]) -> str:
    shown = ", ".join(quoted(one) for one in found[:_MOST_OF_A_KIND])
    more = len(found) - _MOST_OF_A_KIND
    return f"{shown} and {more} more" if more > 0 else shown
