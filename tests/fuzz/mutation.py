"""A plain mutator, for where there is no coverage guidance: pieces of seeds and words, cut, joined and disturbed."""

from __future__ import annotations

import random
from collections.abc import Iterator

from tests.fuzz.target import Target


def inputs(target: Target, chance: random.Random) -> Iterator[bytes]:
    """Inputs without end, the same for the same state of chance."""
    pool = [path.read_bytes() for path in target.seeds] or [b""]
    while True:
        data = bytearray(chance.choice(pool))
        for _ in range(chance.randrange(1, 8)):
            _disturb(data, target, pool, chance)
        yield bytes(data[: target.longest])
        if chance.random() < 0.02:
            pool.append(bytes(data[: target.longest]))
            if len(pool) > 2000:
                del pool[chance.randrange(len(pool))]


def _disturb(data: bytearray, target: Target, pool: list[bytes], chance: random.Random) -> None:
    at = chance.randrange(len(data) + 1)
    end = min(len(data), at + chance.choice((1, 1, 2, 8, 64)))
    match chance.randrange(8):
        case 0 | 1 | 2:
            data[at:at] = chance.choice(target.words)
        case 3:
            del data[at:end]
        case 4:
            data[at:end] = bytes([chance.randrange(256)])
        case 5:
            data[at:at] = data[at:end] * chance.randrange(1, 9)
        case 6:
            other = chance.choice(pool)
            begin = chance.randrange(len(other) + 1)
            data[at:at] = other[begin : begin + 64]
        case _:
            data[at:end] = chance.choice(target.words)
