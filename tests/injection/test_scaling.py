"""Looking at a rewrite takes time in proportion to its length, whatever it is made of."""

from __future__ import annotations

import time

import pytest

from apo_engine.search.copies import Copies
from apo_engine.search.intrusion import Intrusions
from apo_engine.search.suspicion import suspicions
from tests.injection.corpus import attacks

# What a quadratic pattern takes minutes for; processor time, so that a busy machine is no counter-example.
_SECONDS = 6.0
_LENGTH = 20_000
PIECES = sorted(
    {" ", "\n", "a", "a1", "a.", "a@", "[", "[a", "{", "<", "<a ", "<|", "! [", "1 ", "+1 ", "- ", "_-*", ".- ", "00"}
    | {
        "i g n o r e ",
        "ignore ",
        "send to ",
        "tell ",
        "h t t p ",
        "data:",
        "&a;",
        "%20",
        "\\u0041",
        "é",
        "\u200b",
        "忽略",
    }
    | {one.text for one in attacks() if one.seam == "rewrite" and one.times == 1 and len(one.text) <= 8}
)


@pytest.mark.parametrize("piece", PIECES, ids=ascii)
def test_a_text_made_of_one_piece_is_looked_at_in_bounded_time(piece: str) -> None:
    text = piece * (_LENGTH // len(piece))
    began = time.process_time()
    suspicions(text, "")
    Intrusions("").added(text)
    list(Copies("", ()).repeated(text))
    assert time.process_time() - began < _SECONDS
