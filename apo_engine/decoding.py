"""Typed values from JSON and from plain values, and what a type says of itself, in any number of threads.

The library lays out a struct when it first meets it, and another thread that meets the struct meanwhile finds it half
laid out, which ends the process (msgspec 0.22). Here each type is laid out by one thread before any uses it. A lint
rule keeps the library's own ways to meet a type out of every other module.
"""

from __future__ import annotations

import functools
import threading
from typing import TYPE_CHECKING, Any, TypeVar, overload

import msgspec

if TYPE_CHECKING:
    from msgspec import inspect

T = TypeVar("T")

_LAYING_OUT = threading.Lock()


@overload
def decoded(line: bytes | str, kind: type[T]) -> T: ...


@overload
def decoded(line: bytes | str, kind: object) -> Any: ...


def decoded(line: bytes | str, kind: object) -> Any:
    """The value of a type that a line of JSON stands for.

    Raises:
        msgspec.DecodeError: it stands for none.
        UnicodeDecodeError: its bytes are no UTF-8.
    """
    return _decoder(kind).decode(line)


@overload
def converted(value: object, kind: type[T], *, strict: bool = True) -> T: ...


@overload
def converted(value: object, kind: object, *, strict: bool = True) -> Any: ...


def converted(value: object, kind: Any, *, strict: bool = True) -> Any:
    """The value of a type that plain values stand for; unless ``strict``, numbers may be spelled in strings.

    Raises:
        msgspec.ValidationError: they stand for none.
    """
    _decoder(kind)
    return msgspec.convert(value, kind, strict=strict)


def described(kind: type[msgspec.Struct]) -> inspect.StructType:
    """What a struct says of its fields, their types and bounds. Slow: keep it."""
    from msgspec import inspect

    # To describe a type, the library lays it out, too.
    _decoder(kind)
    found = inspect.type_info(kind)
    assert isinstance(found, inspect.StructType)
    return found


def _decoder(kind: Any) -> msgspec.json.Decoder[Any]:
    with _LAYING_OUT:
        return _laid_out(kind)


@functools.cache
def _laid_out(kind: Any) -> msgspec.json.Decoder[Any]:
    return msgspec.json.Decoder(kind)
