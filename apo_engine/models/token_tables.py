"""tiktoken's encodings, from the tables that are on this machine already.

tiktoken itself downloads a table that it does not find. Nothing here does: what a run may send is agreed to, and a
download would tell a host that nobody was asked about which models are in use.
"""

from __future__ import annotations

import base64
import hashlib
import importlib.util
import os
import tempfile
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

from apo_engine.allowed_paths import read_regular

if TYPE_CHECKING:
    import tiktoken

_DEFINITIONS = "tiktoken_ext.openai_public"
# The largest table that tiktoken has is 4 MB.
_MOST_BYTES = 64 * 2**20


def local_encoding(model: str) -> tiktoken.Encoding:
    """The encoding of a model, by its name at the provider.

    Raises:
        LookupError: tiktoken does not know the model, or its table is not one that is read here.
        OSError: the table is not on this machine, or not as tiktoken knows it.
    """
    import tiktoken

    name = tiktoken.encoding_name_for_model(model)
    return tiktoken.Encoding(**_definitions().ENCODING_CONSTRUCTORS[name]())


def _definitions() -> ModuleType:
    """A copy of tiktoken's definitions that loads tables by `read_table`; the original stays as it is for others."""
    spec = importlib.util.find_spec(_DEFINITIONS)
    if spec is None or spec.loader is None:
        raise LookupError(_DEFINITIONS)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    for name, loader in (("load_tiktoken_bpe", read_table), ("data_gym_to_mergeable_bpe_ranks", _refuse)):
        if not hasattr(module, name):
            # Another version of tiktoken, which may load its tables otherwise.
            raise LookupError(name)
        setattr(module, name, loader)
    return module


def read_table(address: str, expected_hash: str | None = None) -> dict[bytes, int]:
    """The tokens and their ranks in the table that tiktoken would have cached for an address.

    The hash decides whether a table is believed: the usual folder is one for temporary files, where anybody may write.

    Raises:
        OSError: there is no such table with this hash.
    """
    name = hashlib.sha1(address.encode(), usedforsecurity=False).hexdigest()
    table = read_regular(_folder() / name, _MOST_BYTES)
    if hashlib.sha256(table).hexdigest() != expected_hash:
        raise OSError(f"{name} is not the table that tiktoken knows")
    pairs = (line.split() for line in table.splitlines() if line)
    return {base64.b64decode(token): int(rank) for token, rank in pairs}


def _refuse(*_: object, **__: object) -> dict[bytes, int]:
    raise LookupError("only the tables of current models are read")


def _folder() -> Path:
    """Where tiktoken caches its tables."""
    for variable in ("TIKTOKEN_CACHE_DIR", "DATA_GYM_CACHE_DIR"):
        if variable in os.environ:
            if not os.environ[variable]:
                raise FileNotFoundError(f"{variable} is empty: no tables are cached")
            return Path(os.environ[variable])
    return Path(tempfile.gettempdir()) / "data-gym-cache"
