"""Whether an `initialize` request can be served. Every transport asks this, before anything of the request is used."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache
from typing import Any
from urllib.parse import unquote

from cattrs import Converter, transform_error
from lsprotocol import types
from pygls.protocol import default_converter
from pygls.uris import to_fs_path

# Clients nest their capabilities about ten levels deep. The JSON libraries fail at some hundreds.
_MOST_LEVELS = 100


def initialize_fault(message: dict[str, Any]) -> str | None:
    """What is wrong with a client's `initialize` request, in one sentence for people; None if it can be served."""
    if _is_deep(message):
        return f"The request nests more than {_MOST_LEVELS} levels deep."
    params = message.get("params")
    if not isinstance(params, dict) or not isinstance(params.get("capabilities"), dict):
        return "'capabilities' is missing or is not an object."
    try:
        _converter().structure(message, types.InitializeRequest)
    except Exception as error:  # whatever the hooks of the converter raise
        return f"'{_place(error)}' is missing or has a wrong type."
    for name, value in _locations(params):
        if not _is_location(value, is_path=name == "rootPath"):
            return f"'{name}' is not the address of a folder."
    return None


def _is_deep(value: object) -> bool:
    level = [value]
    for _ in range(_MOST_LEVELS):
        level = [
            child
            for one in level
            if isinstance(one, (dict, list))
            for child in (one.values() if isinstance(one, dict) else one)
        ]
    return bool(level)


@lru_cache(maxsize=1)
def _converter() -> Converter:
    made: Converter = default_converter()  # type: ignore[no-untyped-call]
    return made


def _place(error: Exception) -> str:
    """The member that could not be read, spelled as the protocol does."""
    place = transform_error(error, "")[0].rpartition(" @ ")[2].removeprefix(".params.").removeprefix(".")
    return re.sub(r"_([a-z])", lambda found: found[1].upper(), place)


def _locations(params: dict[str, Any]) -> Iterator[tuple[str, object]]:
    """What names a folder in the request, by its place there."""
    yield from ((name, params.get(name)) for name in ("rootUri", "rootPath") if params.get(name) is not None)
    for index, folder in enumerate(params.get("workspaceFolders") or ()):
        yield f"workspaceFolders[{index}].uri", folder["uri"]


def _is_location(value: object, *, is_path: bool) -> bool:
    """Whether what a client names a folder by can be read: as a path, else as an address."""
    if not isinstance(value, str):
        return False
    try:
        value.encode()
        return "\0" not in (value if is_path else f"{unquote(value)}{to_fs_path(value)}")
    except ValueError:
        return False
