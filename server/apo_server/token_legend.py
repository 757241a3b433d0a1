"""The kinds of tokens that are coloured, as far as the client knows them."""

from __future__ import annotations

from collections.abc import Sequence

from lsprotocol import types

TYPES = ("keyword", "variable", "property", "comment", "string", "macro", "decorator")
DECLARATION = "declaration"


def legend(client_types: Sequence[str], client_modifiers: Sequence[str]) -> types.SemanticTokensLegend:
    """What of our kinds of tokens the client knows, in our order."""
    return types.SemanticTokensLegend(
        [name for name in TYPES if name in client_types], [name for name in (DECLARATION,) if name in client_modifiers]
    )
