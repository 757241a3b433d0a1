"""Puts the winning text into the prompt file: whole or not at all, and never over somebody's newer edit."""

from __future__ import annotations

import os
from pathlib import Path

from apo_engine.allowed_paths import is_within, read_regular
from apo_engine.cli.output import write_file
from apo_engine.problems import InputError, Place, Problem
from apo_engine.prompt.file import MAX_BYTES, PromptFile

_BOM = "\ufeff"


def write_back(prompt: PromptFile, text: str) -> None:
    """Replace the text of the file that ``prompt`` was read from; byte order mark, line ends and mode stay.

    If the prompt is a link, the file that it leads to is replaced, and the link stays. That file must lie in the folder
    of the link or in the working folder. If the working folder holds the prompt by its name, it must hold the file:
    a link that others made, also one to a folder, must not lead the user's hand elsewhere.

    Raises:
        InputError: the file has changed since it was read, lies elsewhere, or cannot be written. It is left as it is.
    """
    assert prompt.path is not None
    path = prompt.path.resolve()
    mark = _BOM * prompt.bom
    is_below = Path(os.path.normpath(prompt.path.absolute())).is_relative_to(Path.cwd())
    own = (Path.cwd(),) if is_below else (prompt.path.parent, Path.cwd())
    if (is_below or prompt.path.is_symlink()) and not is_within(path, own):
        message = f"The prompt is behind a link that leads outside its folder and the folder you work in, to {path}."
        remedy = "It was not written. Run the command with --resume on the file itself."
        raise InputError(Problem("prompt-linked", message, remedy, Place(prompt.path)))
    try:
        if read_regular(path, MAX_BYTES) != (mark + prompt.text).encode():
            message = "The file was changed while the search ran; it was not written."
            remedy = "Run the command again to optimize the new text."
            raise InputError(Problem("prompt-changed", message, remedy, Place(prompt.path)))
        write_file(path, (mark + text).encode())
    except OSError as error:
        message = f"The file cannot be written: {error.strerror or error}."
        remedy = "Make it and its folder writable, and run the command again with --resume."
        raise InputError(Problem("prompt-unwritable", message, remedy, Place(prompt.path))) from None
