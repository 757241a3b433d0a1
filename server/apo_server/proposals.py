"""What may be written at a caret, before it is put into the protocol's words."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from os import scandir
from pathlib import Path

from lsprotocol import types

from apo_engine.allowed_paths import is_network_path, is_within
from apo_engine.positions import Span

Kind = types.CompletionItemKind
# A folder with more entries than this is not listed while somebody types.
_MOST_ENTRIES = 1_000


@dataclass(frozen=True, slots=True)
class Proposal:
    """One thing that may be written.

    ``label`` is shown, ``insert`` is written (the label where empty), ``detail`` stands beside and ``words`` below it.
    Those of a lower ``rank`` come first. ``snippet`` is what clients write that know places to fill in.
    """

    label: str
    kind: types.CompletionItemKind
    insert: str = ""
    detail: str = ""
    words: str = ""
    rank: int = 5
    snippet: str = ""


@dataclass(frozen=True, slots=True)
class Proposals:
    """What may stand in place of ``word``."""

    word: Span
    of: tuple[Proposal, ...]


def entries(base: Path, name: str, roots: Iterable[Path]) -> Iterator[tuple[str, bool]]:
    """The names in the folder ``name`` below ``base``, hidden ones aside, and whether each is a folder.

    None if it cannot be read, or does not lie in one of the folders ``roots``.
    """
    if is_network_path(name) or not is_within(base / name, roots):
        return
    try:
        with scandir(base / name) as found:
            for number, entry in enumerate(found):
                if number >= _MOST_ENTRIES:
                    return
                if not entry.name.startswith("."):
                    yield entry.name, entry.is_dir()
    except (OSError, ValueError):
        return
