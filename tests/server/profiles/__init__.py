"""What real editors say of themselves in `initialize`; each file names its client, its version and where it is from."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lsprotocol import types
from pygls.protocol import default_converter
from pytest_lsp import client_capabilities

_FOLDER = Path(__file__).parent
CAPTURED = tuple(sorted(file.stem for file in _FOLDER.glob("*.json")))
# Those of pytest-lsp stand in for versions that are not at hand: the first with utf-8, the second with utf-32.
OTHERS = ("neovim@v0.11.0", "emacs@v29.1")
ALL = (*CAPTURED, *OTHERS)


@dataclass(frozen=True)
class Profile:
    """One client."""

    client: str
    version: str
    origin: str
    raw: Mapping[str, Any]

    @property
    def capabilities(self) -> types.ClientCapabilities:
        """What it can do, as the protocol's library reads it."""
        return default_converter().structure(self.raw, types.ClientCapabilities)


def profile(name: str) -> Profile:
    """A captured client, or one that pytest-lsp knows."""
    file = _FOLDER / f"{name}.json"
    if not file.exists():
        raw = default_converter().unstructure(client_capabilities(name))
        return Profile(name.partition("@")[0], name.partition("@v")[2], "pytest-lsp", raw)
    said = json.loads(file.read_text("utf-8"))
    return Profile(said["client"], said["version"], said["origin"], said["capabilities"])
