"""Ten thousand random edits over ten prompts: is every diagnostic where it belongs, and does the memory stay flat?

Markers ``{{undefinedN}}`` come and go among text of one, two, three and four bytes a character and line ends of all
kinds. Where each stands is counted here without the server's means, and compared with what the server says of the
very same version.
"""

from __future__ import annotations

import random
import re
import statistics
from dataclasses import dataclass
from typing import Any

from benchmarks.server.client import Client
from benchmarks.server.figures import Figure
from benchmarks.server.memory import held
from benchmarks.server.scene import PROMPTS, scene

EDITS = 10_000
GROWTH = 2.0
_HEAD = "---\nmodel: openai/scripted\ninput: {schema: {text: string}}\n---\n"
_BODY = '{{role "system"}}\nSort the ticket, please.\n{{role "user"}}\n{{text}}\n'
_TAG = re.compile(r"\{\{.*?\}\}", re.DOTALL)
_MARKER = re.compile(r"\{\{(undefined\d+)\}\}")
_PIECES = ("a", "queue ", "é", "—", "漢字", "🙂", "e\u0301", "\u2028", "\f", "\x85", "\n", "\r\n", "\r", "\t", " or ")
_MOST_MARKERS = 20
_LONGEST = 4000
# Memory is looked at after every so many edits.
_LOOK = 250
Range = tuple[int, int, int, int]


@dataclass
class _Text:
    """A document as its editor has it."""

    uri: str
    text: str
    version: int = 1


def measure(edits: int = EDITS) -> list[Figure]:
    """Wrong and missing positions, the growth of the server over the last half of the edits, and its errors."""
    draw = random.Random(11)
    wrong = checked = 0
    memory = []
    with scene(rows=50) as stage, stage.client() as client:
        client.start({"background": "off"})
        texts = [_Text(client.open(f"edited-{n}.prompt", _HEAD + _BODY), _HEAD + _BODY) for n in range(PROMPTS)]
        done = 0
        while done < edits:
            document = draw.choice(texts)
            for _ in range(draw.randint(1, 4)):
                _edit(client, document, draw)
                done += 1
                if done % _LOOK == 0:
                    memory.append(held(client.process.pid))
            shown = client.diagnostics(document.uri, document.version).params["diagnostics"]
            expected = places(document.text)
            wrong += len(expected.items() ^ _told(shown).items())
            checked += len(expected)
        client.drain()
        errors = client.log().count("ERROR")
    later = memory[len(memory) // 2 :]
    slope = statistics.linear_regression(range(len(later)), later).slope * len(later) if len(later) > 1 else 0.0
    return [
        Figure(f"{edits:,} edits: positions that are wrong or missing", wrong, "", 0, f"of {checked:,} checked"),
        Figure(
            f"{edits:,} edits: growth over the last half", slope, "MiB", GROWTH, f"{later[0]:.1f} to {later[-1]:.1f}"
        ),
        Figure(f"{edits:,} edits: errors in the log", errors, "", 0),
    ]


def places(text: str) -> dict[str, Range]:
    """Where each marker's name stands: line, column, line, column, in UTF-16 code units."""
    found = {}
    for marker in _MARKER.finditer(text):
        before = re.split(r"\r\n|\n|\r", text[: marker.start(1)])
        line, column = len(before) - 1, len(before[-1].encode("utf-16-le")) // 2
        found[marker[1]] = (line, column, line, column + len(marker[1]))
    return found


def _told(diagnostics: list[dict[str, Any]]) -> dict[str, Range]:
    told = {}
    for one in diagnostics:
        name = re.search(r"'(undefined\d+)'", one["message"])
        if one["code"] == "variable-undefined" and name:
            start, end = one["range"]["start"], one["range"]["end"]
            told[name[1]] = (start["line"], start["character"], end["line"], end["character"])
    return told


def _edit(client: Client, document: _Text, draw: random.Random) -> None:
    """One edit that leaves every tag whole, of one or two changes of which each follows from the one before."""
    changes = []
    for _ in range(draw.randint(1, 2)):
        text = document.text
        start, end = _stretch(text, draw)
        new = _new_text(len(_MARKER.findall(text)), draw)
        # A change must not take a line end apart, or make one of two: editors do not, as it would move a caret's line.
        if text[:start].endswith("\r") and (new or text[end:]).startswith("\n"):
            new = " " + new
        if new.endswith("\r") and text[end:].startswith("\n"):
            new += " "
        changes.append({"range": {"start": _position(text, start), "end": _position(text, end)}, "text": new})
        document.text = text[:start] + new + text[end:]
    document.version, _ = client.change(document.uri, changes)


def _stretch(text: str, draw: random.Random) -> tuple[int, int]:
    """What is replaced: between tags, or with whole ones, never within the head, a tag or a line end."""
    tags = [(tag.start(), tag.end(), tag[0]) for tag in _TAG.finditer(text)]
    fixed = [(start, end) for start, end, tag in tags if not _MARKER.fullmatch(tag)]
    start = draw.randint(len(_HEAD), len(text))
    longest = 400 if len(text) > _LONGEST else 12
    end = min(len(text), start + (draw.randint(0, longest) if draw.random() < 0.5 else 0))
    for begin, stop, _ in tags:
        start = begin if begin < start < stop else start
        end = stop if begin < end < stop else end
    for begin, _ in fixed:
        end = begin if start <= begin < end else end
    start -= text[start - 1 : start + 1] == "\r\n"
    end += text[end - 1 : end + 1] == "\r\n"
    return start, max(start, end)


def _new_text(markers: int, draw: random.Random) -> str:
    pieces = [draw.choice(_PIECES) for _ in range(draw.randint(0, 4))]
    if markers < _MOST_MARKERS and draw.random() < 0.3:
        pieces.insert(draw.randint(0, len(pieces)), f"{{{{undefined{draw.getrandbits(50)}}}}}")
    return "".join(pieces)


def _position(text: str, offset: int) -> dict[str, int]:
    before = re.split(r"\r\n|\n|\r", text[:offset])
    return {"line": len(before) - 1, "character": len(before[-1].encode("utf-16-le")) // 2}
