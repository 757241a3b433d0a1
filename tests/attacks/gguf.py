"""Model files with a header of one's own, and no weights."""

from __future__ import annotations

import struct

#: The numbers of GGUF's types.
U16, I32, STRING, ARRAY, U64 = 2, 5, 8, 9, 10
Pair = tuple[bytes, int, bytes]


def text(value: bytes) -> bytes:
    """A string as GGUF has it."""
    return struct.pack("<Q", len(value)) + value


def u16(key: bytes, value: int) -> Pair:
    """A key with a number of 16 bits."""
    return key, U16, struct.pack("<H", value)


def string(key: bytes, value: bytes) -> Pair:
    """A key with a string."""
    return key, STRING, text(value)


def gguf(
    pairs: list[Pair],
    *,
    magic: bytes = b"GGUF",
    version: int = 3,
    tensors: bytes = b"",
    tensor_count: int = 0,
    pair_count: int | None = None,
) -> bytes:
    """A file of these keys; the counts may be others than what follows."""
    count = len(pairs) if pair_count is None else pair_count
    body = b"".join(text(key) + struct.pack("<I", kind) + value for key, kind, value in pairs)
    return magic + struct.pack("<IQQ", version, tensor_count, count) + body + tensors + bytes(64)
