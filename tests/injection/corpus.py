"""The corpus: `attacks.jsonl`, and `harmless.jsonl` with rewrites that nothing may be held against."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import TypeVar

import msgspec

from apo_engine.decoding import converted

KindT = TypeVar("KindT")

_FOLDER = Path(__file__).parent


class Attack(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One attack.

    ``seam`` is what carries it: a ``row``'s input, its ``label``, several inputs (``split``), the name of a
    ``column``; the answer of the ``critic``, the text of a ``rewrite``, the whole ``answer`` of the editor, that of the
    ``judge`` and of the ``task``. ``payload`` is repeated to about ``times`` characters; ``{mark}`` in it is the
    attacker's best guess. ``expect`` is what must become of it. ``known`` are attacks that cannot be repelled.
    """

    id: str
    seam: str
    category: str
    payload: str | list[str]
    expect: str | float | None = None
    times: int = 1
    row_json: bool = False
    place: str = ""
    known: bool = False

    @property
    def text(self) -> str:
        """The payload of one part, at its full length."""
        assert isinstance(self.payload, str)
        return self.payload * max(1, self.times // max(1, len(self.payload)))


class Harmless(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A rewrite in which nothing is to be found."""

    id: str
    payload: str


def attacks() -> tuple[Attack, ...]:
    """All of them."""
    return tuple(_read("attacks.jsonl", Attack))


def harmless() -> tuple[Harmless, ...]:
    """All of them."""
    return tuple(_read("harmless.jsonl", Harmless))


def _read(name: str, kind: type[KindT]) -> Iterator[KindT]:
    for line in (_FOLDER / name).read_text("ascii").splitlines():
        # The standard decoder takes lone surrogates, which are among the attacks.
        yield converted(json.loads(line), kind)
