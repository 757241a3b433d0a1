"""Puts the winning text into the prompt file: whole or not at all, and never over somebody's newer edit."""

from __future__ import annotations

import os
import shutil
import tempfile
from contextlib import suppress
from pathlib import Path

from apo_engine.problems import InputError, Place, Problem
from apo_engine.prompt.file import PromptFile

_BOM = "\ufeff"


def write_back(prompt: PromptFile, text: str) -> None:
    """Replace the text of the file that ``prompt`` was read from; byte order mark, line ends and mode stay.

    Raises:
        InputError: the file has changed since it was read, or cannot be written. It is left as it is.
    """
    assert prompt.path is not None
    path = prompt.path.resolve()
    mark = _BOM * prompt.bom
    try:
        if path.read_bytes() != (mark + prompt.text).encode():
            message = "The file was changed while the search ran; it was not written."
            remedy = "Run the command again to optimize the new text."
            raise InputError(Problem("prompt-changed", message, remedy, Place(prompt.path)))
        _replace(path, (mark + text).encode())
    except OSError as error:
        message = f"The file cannot be written: {error.strerror or error}."
        remedy = "Make it and its folder writable, and run the command again with --resume."
        raise InputError(Problem("prompt-unwritable", message, remedy, Place(prompt.path))) from None


def _replace(path: Path, content: bytes) -> None:
    descriptor, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        shutil.copymode(path, name)
        Path(name).replace(path)
    except BaseException:
        with suppress(OSError):
            Path(name).unlink()
        raise
