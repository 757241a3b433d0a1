"""Endpoints whose answers have no end, or unpack to one that has none."""

from __future__ import annotations

import gzip
import tracemalloc

import pytest

from apo_engine.models.failure import TransientFailure
from tests.engine.models.support import ask, chat
from tests.scripted import Reply, ScriptedServer


@pytest.mark.parametrize("status", [200, 500])
@pytest.mark.parametrize(("packed", "said"), [(True, "is compressed"), (False, "is longer than 16 MiB")])
async def test_an_answer_without_end_is_broken_off(
    scripted: ScriptedServer, packed: bool, said: str, status: int
) -> None:
    whole = b'{"choices": [{"message": {"content": "' + b"x" * 90_000_000 + b'"}}]}'
    headers = {"Content-Encoding": "gzip"} if packed else {}
    reply = Reply(body=gzip.compress(whole, 1) if packed else whole, headers=headers, status=status)
    scripted.script = lambda request: reply
    model = chat(scripted)
    await model.model_ids(5)  # the SDK is loaded
    tracemalloc.start()
    try:
        # Passing: a proxy in between may have been at fault.
        with pytest.raises(TransientFailure, match=said) as caught:
            await model.complete(ask())
        if packed:
            assert tracemalloc.get_traced_memory()[1] < 20_000_000
    finally:
        tracemalloc.stop()
    assert caught.value.charged
    assert scripted.log[0].headers["accept-encoding"] == "identity"
    await model.close()
