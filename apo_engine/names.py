"""Names of models, files, columns and hosts as people are shown them: text of somebody else's, never read as ours.

This is the one place for it: whatever names such a thing in a question, a terminal line, a progress title, a log or a
message takes the name from here.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

from apo_engine.unseen import is_unseen, numbered, spelled

#: The longest name of a model at an endpoint. A name that leads to a file may be longer.
MAX_MODEL_NAME = 200
_MAX_PATH_NAME = 1000
_WIDTH = 64
# A name that cannot be taken for a word or a part of a sentence stands without quotation marks.
_PLAIN = re.compile(r"(?=.*[./])[A-Za-z0-9_.+@:/~…-]+")
_QUOTES = re.compile(r"(['`´‘’‚‛′ʹʼ＇\\])")
_MODEL_QUOTES = re.compile(r"['\"`´‘’‚‛“”„‟«»‹›]")
_LINE_BREAKS = re.compile(r"[\n\r\t\v\f\x1c-\x1e\x85\u2028\u2029]")


def shown_name(name: str, width: int = _WIDTH) -> str:
    """The name on one line: what cannot be seen is spelled out, and a long name loses its middle.

    A name of more than letters, digits and the usual signs stands in quotation marks that it cannot close.
    """
    text = on_one_line(name if len(name) <= 16 * width else name[: 8 * width] + name[-8 * width :])
    if len(text) > width:
        tail = width // 3
        text = f"{text[: width - tail - 1].rstrip()}…{text[-tail:].lstrip()}"
    return text if _PLAIN.fullmatch(text) else f"'{_QUOTES.sub(_escaped, text)}'"


def shown_file(path: str | Path, folder: str | Path | None, width: int = _WIDTH) -> str:
    """The file's name as `shown_name` gives it, with the folders below ``folder`` that hold it.

    A file outside of ``folder`` is shown with its whole path, so that two files never look alike. A path that goes up
    (``a/../b``) is shown as the one that it leads to.
    """
    given = os.fspath(path)
    if os.pardir in Path(given).parts:
        given = os.path.realpath(given)
        folder = folder and os.path.realpath(folder)
    if folder is None or not Path(given).is_absolute():
        return shown_name(given, width)
    try:
        inside = os.path.relpath(given, folder)
    except ValueError:
        # Another drive.
        return shown_name(given, width)
    return shown_name(given if inside.split(os.sep, 1)[0] == os.pardir else inside, width)


def on_one_line(text: str) -> str:
    """The text on one line, with everything spelled out that a reader would not see or a terminal would obey."""
    return " ".join(spelled(_LINE_BREAKS.sub(lambda match: numbered(match[0]), text)).split())


def model_name_fault(name: str) -> str:
    """What is wrong with a model's name, as a clause; empty if it can be one.

    No model needs line breaks, characters that cannot be seen, quotation marks or hundreds of characters: a name with
    them is made to be read as something else. An embedded model may be a file, and its path may have apostrophes.
    """
    embedded = name.startswith("embedded/")
    for char in name[: _MAX_PATH_NAME + 1]:
        if _LINE_BREAKS.match(char) or is_unseen(char):
            return f"holds the character {numbered(char)}, which no model's name has"
        if _MODEL_QUOTES.match(char) and not (embedded and char in "'’"):
            return "holds a quotation mark, which no model's name has"
    longest = _MAX_PATH_NAME if embedded else MAX_MODEL_NAME
    return f"is longer than {longest:,} characters" if len(name) > longest else ""


def _escaped(match: re.Match[str]) -> str:
    return f"\\{match[0]}"
