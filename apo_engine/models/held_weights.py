"""A model file that is kept open, so that native code loads the content whose hash was checked and nothing else."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import BinaryIO, Protocol, TypeVar

from apo_engine.allowed_paths import open_allowed, open_regular
from apo_engine.models.gguf_header import GgufHeader, HeaderError, read_header
from apo_engine.models.weights import IsStopped, digest_of, never, state_of
from apo_engine.problems import ModelError, Place, Problem

# On Linux, such a path leads to the open file itself, whatever its folder contains by now.
_DESCRIPTORS = Path("/proc/self/fd")
# A smaller file is read in a moment, whatever its disk makes of it.
_LARGE_FILE = 64 << 20
# `st_blocks` counts these, whatever the blocks of the disk are.
_BLOCK = 512


class _Closable(Protocol):
    def close(self) -> None: ...


T = TypeVar("T", bound=_Closable)


def check_header(path: Path, roots: Sequence[Path] | None, place: Place | None) -> None:
    """Make sure that a file is one whole GGUF file, as far as its header and its place on the disk tell.

    Args:
        path: the file.
        roots: the folders that it may lie in; None for any.
        place: where its name is written.

    Raises:
        ModelError: its header is malformed, it is one of several parts, or most of it is holes.
        OSError: it cannot be read, or lies elsewhere.
    """
    with open_regular(path) if roots is None else open_allowed(path, roots) as file:
        _whole_header(file, path, place)


def hold_weights(
    path: Path, sha256: str, memory: Path, place: Place | None = None, is_stopped: IsStopped = never
) -> HeldWeights:
    """Open a model file, if its content still has this hash.

    Args:
        path: the file.
        sha256: the hash that the run was planned, and agreed to, with.
        memory: where hashes are remembered.
        place: where the file's name is written.
        is_stopped: asked while the file is read, now and later.

    Raises:
        ModelError: the file has changed, or is not one whole GGUF file.
        StoppedError: it was stopped.
    """
    try:
        file = open_regular(path)
    except OSError:
        raise _changed(path) from None
    try:
        return HeldWeights(file, path, sha256, memory, place, is_stopped)
    except BaseException:
        file.close()
        raise


class HeldWeights:
    """A model file that is open until :meth:`close`.

    Attributes:
        path: the file's own path.
        size: its size in bytes.
        header: what its header says.
    """

    def __init__(
        self,
        file: BinaryIO,
        path: Path,
        sha256: str,
        memory: Path,
        place: Place | None,
        is_stopped: IsStopped = never,
    ) -> None:
        self.path = path
        self._file = file
        self._sha256 = sha256
        self._memory = memory
        self._is_stopped = is_stopped
        self._reading = threading.Lock()
        self._checked_state()
        self.size = os.fstat(file.fileno()).st_size
        self.header: GgufHeader = _whole_header(file, path, place)

    def load(self, loader: Callable[[Path], T]) -> T:
        """What ``loader`` makes of the file, given a path that leads to it.

        Raises:
            ModelError: the content is not the one of the hash, or changed while it was loaded.
        """
        with self._reading:
            state = self._checked_state()
        descriptor = _DESCRIPTORS / str(self._file.fileno())
        path = descriptor if descriptor.exists() else self.path
        loaded = loader(path)
        if state != state_of(self._file) or not self._leads_here(path):
            loaded.close()
            raise _changed(self.path)
        return loaded

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def _checked_state(self) -> list[int]:
        state = state_of(self._file)
        try:
            same = digest_of(self._file, self.path, self._memory, self._is_stopped) == self._sha256
        except OSError:
            same = False
        if not same:
            raise _changed(self.path)
        return state

    def _leads_here(self, path: Path) -> bool:
        try:
            return os.path.samestat(path.stat(), os.fstat(self._file.fileno()))
        except OSError:
            return False


def _whole_header(file: BinaryIO, path: Path, place: Place | None) -> GgufHeader:
    if _is_sparse(os.fstat(file.fileno())):
        message = f"The model file {path} is not loaded: less than half of it is on the disk, and the rest is holes."
        remedy = "Name a GGUF file that was downloaded to its end."
        raise ModelError(Problem("model-sparse", message, remedy, place))
    try:
        header = read_header(file)
    except HeaderError as error:
        message = f"The model file {path} cannot be loaded: {error}."
        remedy = "Name a GGUF file of a text model that llama.cpp supports."
        raise ModelError(Problem("model-not-loadable", message, remedy, place)) from None
    if header.splits not in (0, 1):
        message = (
            f"The model file {path} says that it is one of {header.splits} parts. Loading it would open the others, "
            "which were not checked."
        )
        remedy = "Join the parts into one file with `llama-gguf-split --merge`, and name that file."
        raise ModelError(Problem("model-in-parts", message, remedy, place))
    return header


def _is_sparse(found: os.stat_result) -> bool:
    """Whether most of a large file is holes; unknown, so not, on a system or a disk that counts no blocks."""
    allocated = getattr(found, "st_blocks", 0) * _BLOCK
    return found.st_size >= _LARGE_FILE and 0 < allocated < found.st_size / 2


def _changed(path: Path) -> ModelError:
    message = f"The model file {path} has changed since the run began, and was not loaded."
    return ModelError(Problem("model-changed", message, "Start the run again."))
