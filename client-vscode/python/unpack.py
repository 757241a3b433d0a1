"""Unpack the wheels that the extension carries into an environment of its own: ``python -I unpack.py WHEELS TARGET``.

Standard library only, for whatever Python the machine has. TARGET appears whole or not at all, however often and
however many windows do this at once: the wheels are unpacked beside it, and the folder is renamed when it is complete.

What stands in the way is printed as one JSON object ``{"problem": …, "detail": …}``, with exit status 1. The problem
is ``damaged`` (a wheel is not what the manifest says), ``disk-full``, ``not-writable``, ``no-wheels`` (none for this
interpreter) or ``failed``.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import re
import shutil
import stat
import sys
import tempfile
import time
import zipfile
from pathlib import Path, PurePosixPath
from typing import NoReturn

#: An environment that nobody has used for that long, in seconds, is removed.
UNUSED = 7 * 24 * 3600
#: A half-finished folder of that age, in seconds, belongs to a process that was killed.
ABANDONED = 3600
_PART = ".part-"
#: How the extension names an environment or that of a model (`setupFor` and `modelSetupFor` in bundle.ts), and a folder
#: that is not finished, or half removed.
_ENVIRONMENT = r"(?:\d[\w.+-]*-[0-9a-f]{8}|model-[0-9a-f]{8})-[a-z0-9][a-z0-9_.-]*"
_OURS = re.compile(rf"{_ENVIRONMENT}|{re.escape(_PART)}(?:\w+|{_ENVIRONMENT})")


class Obstacle(Exception):
    """What stands in the way: its name, and more for the log."""

    def __init__(self, problem: str, detail: str) -> None:
        super().__init__(detail)
        self.problem = problem


def prepare(wheels: Path, target: Path) -> None:
    """Make the environment ``target`` if it is not there, and remove old ones.

    Raises:
        Obstacle: it cannot be made.
    """
    if not target.is_dir():
        try:
            _make(wheels, target)
        except OSError as error:
            raise Obstacle(_name(error), str(error)) from error
    remove_old(target)


def _make(wheels: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    part = Path(tempfile.mkdtemp(prefix=_PART, dir=_long(target.parent)))
    try:
        for wheel, digest in wanted(wheels):
            unpack(wheel, digest, part)
        try:
            part.rename(_long(target))
        except OSError:
            # Another window was quicker: what it made is the same.
            if not target.is_dir():
                raise
    finally:
        shutil.rmtree(part, ignore_errors=True)


def wanted(wheels: Path) -> list[tuple[Path, str]]:
    """The wheels for this interpreter, with the SHA-256 that each must have.

    Raises:
        Obstacle: there are none, or there is no manifest.
    """
    try:
        manifest = json.loads((wheels / "manifest.json").read_text("utf-8"))
        python = "{}.{}".format(*sys.version_info)
        found = [(wheels / Path(w["file"]).name, w["sha256"]) for w in manifest["wheels"] if python in w["pythons"]]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise Obstacle("damaged", f"the manifest cannot be read: {error!r}") from error
    if not found:
        raise Obstacle("no-wheels", f"no wheels for Python {python}")
    return found


def unpack(wheel: Path, digest: str, folder: Path) -> None:
    """Put the importable files of a wheel into ``folder``; scripts, headers and data files are left out.

    Raises:
        Obstacle: the wheel is not the one that was meant, or holds a path that leaves the folder.
    """
    try:
        contents = wheel.read_bytes()
    except FileNotFoundError as error:
        raise Obstacle("damaged", f"{wheel.name} is missing") from error
    if hashlib.sha256(contents).hexdigest() != digest:
        raise Obstacle("damaged", f"{wheel.name} has another hash than the manifest says")
    try:
        with zipfile.ZipFile(wheel) as archive:
            for entry in archive.infolist():
                place = _place(entry.filename, wheel.name)
                if place is not None and not entry.is_dir():
                    path = folder.joinpath(*place)
                    path.parent.mkdir(parents=True, exist_ok=True)
                    path.write_bytes(archive.read(entry))
    except (zipfile.BadZipFile, RuntimeError) as error:
        raise Obstacle("damaged", f"{wheel.name} cannot be unpacked: {error}") from error
    except NotImplementedError as error:
        raise Obstacle("no-wheels", f"this Python cannot unpack {wheel.name}: {error}") from error


def remove_old(target: Path) -> None:
    """Remove the environments beside ``target`` that nobody has used for a week; one in use may refuse, and stays.

    What is not named like an environment, is a link or belongs to somebody else stays too.
    """
    now = time.time()
    for folder in target.parent.iterdir():
        age = ABANDONED if folder.name.startswith(_PART) else UNUSED
        try:
            if folder == target or not _is_ours(folder) or now - folder.stat().st_mtime < age:
                continue
            # Where files are in use, Windows renames nothing: an environment is never left half removed.
            doomed = folder.with_name(f"{_PART}{folder.name.removeprefix(_PART)}")
            folder.rename(doomed)
        except OSError:
            continue
        shutil.rmtree(_long(doomed), ignore_errors=True)


def _is_ours(folder: Path) -> bool:
    if not _OURS.fullmatch(folder.name):
        return False
    found = folder.lstat()
    return stat.S_ISDIR(found.st_mode) and (not hasattr(os, "getuid") or found.st_uid == os.getuid())


def _place(name: str, wheel: str) -> tuple[str, ...] | None:
    """Where a file of a wheel goes, part by part; None for what is not imported.

    Raises:
        Obstacle: that would be outside the folder.
    """
    parts = PurePosixPath(name).parts
    if not parts or name.startswith("/") or "\\" in name or any(part == ".." or ":" in part for part in parts):
        raise Obstacle("damaged", f"{wheel} holds the path {name!r}")
    if parts[0].endswith(".data"):
        return parts[2:] if len(parts) > 2 and parts[1] in ("purelib", "platlib") else None
    return parts


def _name(error: OSError) -> str:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return "disk-full"
    return "not-writable" if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS) else "failed"


def _long(path: Path) -> Path:
    """The path in the form in which Windows knows no limit of 260 characters."""
    return Path(f"\\\\?\\{path.absolute()}") if os.name == "nt" else path


def main() -> NoReturn:
    """Read the command line and prepare."""
    wheels, target = (Path(argument) for argument in sys.argv[1:3])
    try:
        prepare(wheels, target)
    except Obstacle as obstacle:
        print(json.dumps({"problem": obstacle.problem, "detail": str(obstacle)}))
        sys.exit(1)
    sys.exit(0)


if __name__ == "__main__":
    main()
