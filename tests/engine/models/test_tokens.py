"""Token counts that never wait."""

from __future__ import annotations

import threading
import time

import pytest

from apo_engine.models.tokens import TokenCounter, estimate_tokens


class _Encoding:
    def encode_ordinary(self, text: str) -> list[int]:
        return [0] * len(text.split())


@pytest.fixture
def ranks(monkeypatch: pytest.MonkeyPatch) -> threading.Event:
    """A stand-in for tiktoken's tables, which are read when the event is set; "unknown" has none."""
    arrived = threading.Event()

    def local_encoding(model: str) -> _Encoding:
        arrived.wait(10)
        if model == "unknown":
            raise KeyError(model)
        return _Encoding()

    monkeypatch.setattr("apo_engine.models.tokens.local_encoding", local_encoding)
    return arrived


async def test_counts_are_estimates_until_the_ranks_are_there(ranks: threading.Event) -> None:
    counter = TokenCounter()
    began = time.monotonic()
    assert counter.count("one two three four", "openai/known") == (5, True)
    assert not await counter.ready("openai/known", 0.05)
    assert time.monotonic() - began < 1
    ranks.set()
    assert await counter.ready("openai/known")
    assert counter.count("one two three four", "openai/known") == (4, False)
    assert counter.count("x " * 200_000, "openai/known") == (100_000, True)


async def test_a_model_without_ranks_is_estimated_for_good(ranks: threading.Event) -> None:
    ranks.set()
    counter = TokenCounter()
    assert not await counter.ready("mine/unknown")
    assert counter.count("one two", "mine/unknown") == (2, True)


@pytest.mark.parametrize(("text", "tokens"), [("", 0), ("abcd", 1), ("abcde", 2), ("日本語", 3), ("naïve", 2)])
def test_the_estimate_is_a_token_per_four_ascii_characters_and_per_other_character(text: str, tokens: int) -> None:
    assert estimate_tokens(text) == tokens
