"""The example files that settings name, and their rows, from the disk or from an unsaved text."""

from __future__ import annotations

import io
import os
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from apo_engine.allowed_paths import NotRegularError, is_network_path, is_within, open_allowed
from apo_engine.examples.rows import MAX_LINE, ROW_READERS, HeaderError
from apo_engine.problems import InputError, Problem

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from typing import BinaryIO

    from apo_engine.examples.rows import BadRow, Row
    from apo_engine.problems import Place
    from apo_engine.settings import ExamplesSettings

_HEADLESS = (".jsonl", ".ndjson")


def named_files(
    settings: ExamplesSettings, folder: Path, place: Place | None = None, allowed_roots: Sequence[Path] | None = None
) -> tuple[tuple[Path, bool], ...]:
    """The files, relative to ``folder``, and whether each is held out.

    Raises:
        InputError: no file is named, or one lies neither in ``folder`` nor in any of the ``allowed_roots`` (the working
            folder where None).
    """
    first = settings.path or settings.train
    if first is None:
        message = "No example file is named."
        raise InputError(Problem("examples-missing", message, "Name one: apo.examples: rows.jsonl", place))
    allowed = readable_roots(folder, allowed_roots)
    held = ((_allowed(settings.holdout, folder, allowed, place), True),) if settings.holdout is not None else ()
    return ((_allowed(first, folder, allowed, place), False), *held)


def readable_roots(folder: Path, allowed_roots: Sequence[Path] | None) -> tuple[Path, ...]:
    """Where the files that a prompt in ``folder`` names may lie; None stands for the working folder."""
    return (folder, *((Path.cwd(),) if allowed_roots is None else allowed_roots))


def _allowed(name: str, folder: Path, allowed: Sequence[Path], place: Place | None) -> Path:
    # The file is opened under the path that is shown: without any "..", whose middle a message may leave out.
    path = Path(os.path.normpath(folder / name))
    if is_network_path(name) or not is_within(path, allowed):
        message = f"The example file {name} lies outside the prompt's folder and the folders you work in."
        remedy = "Copy it beside the prompt, or start from a folder that holds both."
        raise InputError(Problem("examples-outside", message, remedy, place))
    return path


def rows_in(
    path: Path,
    roots: Sequence[Path],
    place: Place | None,
    buffers: Mapping[Path, str] | None = None,
    is_stopped: Callable[[], bool] = lambda: False,
) -> Iterator[Row | BadRow]:
    """The rows of one file in one of the folders ``roots``, as they stand there.

    ``buffers`` are texts, by path, that are read in place of files. Ends early if ``is_stopped`` says so.

    Raises:
        InputError: the file is missing, of an unknown kind, cannot be read, or has no header; said at ``place``.
    """
    read_rows = ROW_READERS.get(path.suffix.lower())
    if read_rows is None:
        message = f"Example files of the kind '{path.suffix}' cannot be read: {path}."
        raise InputError(Problem("examples-kind", message, f"Use one of {', '.join(ROW_READERS)}.", place))
    try:
        with opened(path, roots, buffers) as stream:
            yield from read_rows(stream, is_stopped)
    except FileNotFoundError:
        message = f"There is no example file {path}."
        raise InputError(Problem("examples-missing", message, "Check the path.", place)) from None
    except NotRegularError as error:
        message = f"There is no example file {path}: {error.strerror}."
        raise InputError(Problem("examples-missing", message, "Name a file of rows.", place)) from None
    except HeaderError as error:
        message = f"The example file {path} cannot be used: {error}."
        raise InputError(Problem("examples-empty", message, "Begin it with a line of column names.", place)) from None
    except (OSError, ValueError) as error:
        reason = (isinstance(error, OSError) and error.strerror) or error
        message = f"The example file {path} cannot be read: {reason}."
        raise InputError(
            Problem("examples-unreadable", message, "Check its name and its permissions.", place)
        ) from None


def header_line(path: Path, roots: Sequence[Path], buffers: Mapping[Path, str] | None = None) -> int | None:
    """The 1-based line of a table's header: the first that is not empty. None where the rows name their columns."""
    if path.suffix.lower() in _HEADLESS:
        return None
    with suppress(OSError, ValueError), opened(path, roots, buffers) as stream:
        number = 1
        while line := stream.readline(MAX_LINE):
            if line.strip(b"\r\n"):
                return number
            number += 1
    return 1


@contextmanager
def opened(path: Path, roots: Sequence[Path], buffers: Mapping[Path, str] | None = None) -> Iterator[BinaryIO]:
    """The bytes of a file in one of the folders ``roots``, or of its unsaved text.

    Raises:
        OSError: the file is missing, lies elsewhere, is not a regular file or cannot be read.
    """
    text = _unsaved(path, buffers or {})
    if text is not None:
        yield io.BytesIO(text.encode("utf-8", "surrogatepass"))
        return
    with open_allowed(path, roots) as stream:
        yield stream


def _unsaved(path: Path, buffers: Mapping[Path, str]) -> str | None:
    if not buffers:
        return None
    plain = Path(os.path.normpath(path))
    return buffers.get(plain) if plain in buffers else buffers.get(path.resolve())
