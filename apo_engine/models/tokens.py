"""How many tokens a text has: counted where the tokenizer is at hand, else estimated and marked so."""

from __future__ import annotations

import asyncio
import contextlib
import math
import re
import threading
from concurrent.futures import Future
from typing import TYPE_CHECKING

import msgspec

from apo_engine.models.token_tables import local_encoding

if TYPE_CHECKING:
    from collections.abc import Collection

    import tiktoken

# Beyond this length counting costs more than exactness is worth.
_LONGEST_COUNTED = 200_000
_LOAD_SECONDS = 3.0
_LONGEST_TOKEN = 20
# One to eight characters that are repeated at once.
_REPEATED = re.compile(r"(.{1,8}?)\1+", re.DOTALL)


def estimate_tokens(text: str) -> int:
    """A guess without a tokenizer: one token per 4 ASCII characters and one per other character.

    English prose comes to about 4 characters per token in byte-pair encodings (OpenAI's rule of thumb); other
    scripts come to about one character per token.
    """
    ascii_characters = len(text.encode("ascii", "ignore"))
    return math.ceil(ascii_characters / 4) + len(text) - ascii_characters


def are_too_few(tokens: int, texts: Collection[str]) -> bool:
    """Whether no tokenizer makes so few tokens of ``texts``: less than one per 20 characters.

    The longest words that are one token in today's vocabularies have about 20 letters. Only repetitions are longer,
    such as spaces and lines of dashes: they count once.
    """
    if tokens >= sum(map(len, texts)) // _LONGEST_TOKEN:
        return False
    # This takes a second for a million characters. A whole text has no fewer tokens than its beginning.
    return tokens < sum(len(_REPEATED.sub(r"\1", text[:_LONGEST_COUNTED])) for text in texts) // _LONGEST_TOKEN


class TokenCounts(msgspec.Struct, frozen=True):
    """How many tokens each of some texts has; ``estimated`` where the model's tokenizer is not at hand."""

    counts: tuple[int, ...]
    estimated: bool


class TokenCounter:
    """Counts tokens with tiktoken, without ever waiting for it and without the network.

    A tokenizer is loaded in a background thread, from a table that tiktoken has cached on this machine before. Until it
    is loaded, and for good if there is no such table, counts are estimates.
    """

    def __init__(self) -> None:
        self._encodings: dict[str, tiktoken.Encoding] = {}
        self._loading: dict[str, Future[None]] = {}

    def count(self, text: str, model: str) -> tuple[int, bool]:
        """The number of tokens in ``text`` for ``model`` (``provider/name``), and whether it is estimated."""
        encoding = self._encodings.get(model)
        if encoding is None:
            self._load(model)
        if encoding is None or len(text) > _LONGEST_COUNTED:
            return estimate_tokens(text), True
        return len(encoding.encode_ordinary(text)), False

    async def ready(self, model: str, seconds: float = _LOAD_SECONDS) -> bool:
        """Wait at most ``seconds`` for the tokenizer of ``model``; whether counts are exact from now on."""
        await asyncio.wait([asyncio.wrap_future(self._load(model))], timeout=seconds)
        return self._encodings.get(model) is not None

    def _load(self, model: str) -> Future[None]:
        loading = self._loading.get(model)
        if loading is None:
            loading = self._loading[model] = Future()
            # A daemon: a disk that hangs must not keep the process from ending.
            threading.Thread(target=self._read, args=(model, loading), name="apo-tokens", daemon=True).start()
        return loading

    def _read(self, model: str, loading: Future[None]) -> None:
        # A model that tiktoken does not know, no table, a broken one: an estimate remains in every case.
        with contextlib.suppress(Exception):
            self._encodings[model] = local_encoding(model.rpartition("/")[2])
        loading.set_result(None)
