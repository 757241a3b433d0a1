"""The header of a GGUF file, read with bounds before native code sees the file.

The layout is that of https://github.com/ggml-org/ggml/blob/master/docs/gguf.md, versions 2 and 3, little-endian.
"""

from __future__ import annotations

import os
import struct
from dataclasses import dataclass
from typing import BinaryIO

# A GGUF file begins with its metadata. The vocabulary is the largest part: a few megabytes.
_HEADER_BOUND = 64 << 20
_MAGIC = b"GGUF"
_VERSIONS = (2, 3)
_INTEGERS = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 10: "Q", 11: "q"}
_OTHER_SIZES = {6: 4, 7: 1, 12: 8}
_SIZES = {kind: struct.calcsize(code) for kind, code in _INTEGERS.items()} | _OTHER_SIZES
_STRING, _ARRAY = 8, 9
# The shortest pair (an empty key, a type and one byte) and the shortest tensor, in bytes.
_LEAST_PAIR, _LEAST_TENSOR = 13, 24
_MAX_DIMENSIONS = 4
_TEMPLATE, _SPLITS = b"tokenizer.chat_template", b"split.count"


class HeaderError(ValueError):
    """A file has no sound GGUF header. The message is a clause, such as "its header is cut off"."""


@dataclass(frozen=True, slots=True)
class GgufHeader:
    """What this program needs to know of a GGUF file.

    Attributes:
        chat_template: whether the file has a chat template. A model without one continues plain text.
        splits: how many files the model consists of. llama.cpp opens the others by their names.
    """

    chat_template: bool
    splits: int


def read_header(file: BinaryIO) -> GgufHeader:
    """Read the header from the beginning of the file.

    Raises:
        HeaderError: the header is malformed or too large.
        OSError: the file cannot be read.
    """
    file.seek(0)
    return _Reader(file.read(_HEADER_BOUND), os.fstat(file.fileno()).st_size).header()


class _Reader:
    """Goes through the bytes at the beginning of a file of ``size`` bytes."""

    def __init__(self, data: bytes, size: int) -> None:
        self._data = data
        self._size = size
        self._at = 0

    def header(self) -> GgufHeader:
        if self._skip(len(_MAGIC)) != _MAGIC:
            raise HeaderError("it does not begin with 'GGUF'")
        if (version := self._integer("I")) not in _VERSIONS:
            raise HeaderError(f"its GGUF version is {version}, not 2 or 3")
        tensors, pairs = self._count(_LEAST_TENSOR), self._count(_LEAST_PAIR)
        keys: set[bytes] = set()
        splits = 0
        for _ in range(pairs):
            key = self._key()
            if key in keys:
                raise HeaderError(f"it has the key {key!r} twice")
            keys.add(key)
            kind = self._integer("I")
            if key == _SPLITS:
                if kind not in _INTEGERS:
                    raise HeaderError("its 'split.count' is not a number")
                splits = self._integer(_INTEGERS[kind])
            else:
                self._skip_value(kind)
        for _ in range(tensors):
            self._skip_tensor()
        return GgufHeader(_TEMPLATE in keys, splits)

    def _skip(self, length: int) -> bytes:
        start, self._at = self._at, self._at + length
        if self._at > len(self._data):
            raise self._cut_off()
        return self._data[start : self._at]

    def _cut_off(self) -> HeaderError:
        if self._size > len(self._data):
            return HeaderError(f"its header is larger than {_HEADER_BOUND >> 20} MB")
        return HeaderError("its header is cut off")

    def _integer(self, code: str) -> int:
        value: int = struct.unpack(f"<{code}", self._skip(struct.calcsize(code)))[0]
        return value

    def _count(self, least: int) -> int:
        """A number of things that take up at least so many bytes each."""
        count = self._integer("Q")
        if count * least > len(self._data) - self._at:
            raise self._cut_off()
        return count

    def _key(self) -> bytes:
        key = self._skip(self._integer("Q"))
        # llama.cpp compares keys as C strings, which end at a zero byte: two readers would see two keys.
        if b"\0" in key:
            raise HeaderError(f"its key {key!r} contains a zero byte")
        return key

    def _skip_value(self, kind: int) -> None:
        if kind == _STRING:
            self._skip(self._integer("Q"))
        elif kind == _ARRAY:
            self._skip_array()
        else:
            self._skip(_size(kind))

    def _skip_array(self) -> None:
        kind = self._integer("I")
        if kind != _STRING:
            size = _size(kind)
            self._skip(self._count(size) * size)
            return
        # A vocabulary has hundreds of thousands of strings: this loop makes no objects of them.
        count, at, end, unpack = self._count(8), self._at, len(self._data), struct.Struct("<Q").unpack_from
        for _ in range(count):
            if at + 8 > end:
                raise self._cut_off()
            at += 8 + unpack(self._data, at)[0]
        self._at = at
        self._skip(0)

    def _skip_tensor(self) -> None:
        self._key()
        dimensions = self._integer("I")
        if dimensions > _MAX_DIMENSIONS:
            raise HeaderError(f"it has a tensor of {dimensions} dimensions")
        self._skip(8 * dimensions + 4)
        if self._integer("Q") > self._size:
            raise HeaderError("it has a tensor beyond its end")


def _size(kind: int) -> int:
    size = _SIZES.get(kind)
    if size is None:
        raise HeaderError(f"it has a value of an unknown type ({kind})")
    return size
