"""Example files of every kind, from the disk and from unsaved texts."""

from __future__ import annotations

import io
import tempfile
from functools import lru_cache
from pathlib import Path

from apo_engine.examples.load import load_examples
from apo_engine.examples.quotation import Quotations
from apo_engine.examples.rows import ROW_READERS, BadRow, HeaderError
from apo_engine.examples.survey import survey
from apo_engine.problems import InputError, Problem
from apo_engine.settings import ExamplesSettings
from tests.fuzz.target import Target, text_of

_WORDS = (
    '{"text": "', '", "label": "', '"}\n', '{"text": null, "label": 1}\n',
    '{"input": [1, {"a": 2}], "expected": true}\n', "text,label\n", "text\tlabel\n", '"a, b",c\n', '""', '"', ",",
    "\t", "\n", "\r\n", "\r", "\\ud800", "\\u0000", "\\n", "__expected", "label", "expected", "[", "{", "]", "}",
    "null", "1e999", "\ufeff", "\x00", "\u2028", "\u202e", "=1+1", "yes", "no", "No", "yse",
    "The parcel is late and nobody answers my letters about it.",
)  # fmt: skip
_SUFFIXES = tuple(ROW_READERS)


@lru_cache(maxsize=1)
def _folder() -> Path:
    return Path(tempfile.mkdtemp(prefix="apo-fuzz-"))


def check(data: bytes) -> None:
    """The first byte chooses the kind of file. Rows are text at a line of the file; nothing but InputError leaves."""
    if not data:
        return
    suffix, content = _SUFFIXES[data[0] % len(_SUFFIXES)], data[1:]
    lines = content.count(b"\n") + content.count(b"\r") + 1
    try:
        for row in ROW_READERS[suffix](io.BytesIO(content)):
            assert 1 <= row.line <= lines
            if isinstance(row, BadRow):
                assert row.reason
            else:
                "".join([*row.cells, *(cell or "" for cell in row.cells.values())]).encode()
    except HeaderError as error:
        assert str(error)
    path = _folder() / f"rows{suffix}"
    path.write_bytes(content)
    settings = ExamplesSettings(path=path.name)
    rows = -1
    try:
        found = load_examples(settings, _folder(), ("text",) if data[0] & 64 else ())
        rows = len(found.rows)
        assert rows
        _sound(found.problems, lines)
    except InputError as error:
        assert error.problems
    quotations = Quotations([(1, text_of(content[:200]))])
    looked = survey(settings, _folder(), inputs=("text",) if data[0] & 64 else (), quotations=quotations)
    _sound(looked.problems, lines)
    assert rows < 0 or looked.facts is not None
    unsaved = survey(settings, _folder(), labels=("yes", "no"), buffers={path: text_of(content)})
    _sound(unsaved.problems, lines)


def _sound(problems: tuple[Problem, ...], lines: int) -> None:
    for problem in problems:
        assert problem.message
        assert problem.place is None or 1 <= problem.place.line <= lines


TARGET = Target("examples", check, tuple(word.encode() for word in _WORDS))
