"""Collect the wheels that the extension carries: the server of this checkout, and everything that it needs.

``python scripts/wheels.py TARGET`` fills ``wheels/`` for one of the platforms that Visual Studio Code names
(``linux-x64``). What is fetched is what ``requirements/server.txt`` locks, by hash. ``manifest.json`` says of each
wheel which bytes it must have and which versions of CPython it is for; without a target the machine's own is taken.

The embedded model is too large to carry; ``model.txt`` is the lock by which it can be fetched.

Compiled wheels are packed anew with LZMA, which makes them a quarter smaller: the files within stay as they were.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import platform
import re
import shutil
import subprocess
import sys
import tempfile
import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from packaging.requirements import Requirement

CLIENT = Path(__file__).resolve().parent.parent
ROOT = CLIENT.parent
LOCK = ROOT / "requirements" / "server.txt"
Entry = dict[str, object]
OWN = "apo_language_server-"
PYTHONS = ("3.11", "3.12", "3.13", "3.14")


def _manylinux(oldest: int, machine: str) -> tuple[str, ...]:
    """The platforms up to glibc 2.28, which Visual Studio Code itself asks for."""
    return tuple(f"manylinux_2_{minor}_{machine}" for minor in range(oldest, 29))


# A macOS platform stands for all earlier ones.
PLATFORMS = {
    "linux-x64": ("manylinux1_x86_64", "manylinux2014_x86_64", *_manylinux(5, "x86_64")),
    "linux-arm64": ("manylinux2014_aarch64", *_manylinux(17, "aarch64")),
    "darwin-x64": ("macosx_11_0_x86_64",),
    "darwin-arm64": ("macosx_11_0_arm64",),
    "win32-x64": ("win_amd64",),
}
_MACHINES = {"x86_64": "x64", "amd64": "x64", "arm64": "arm64", "aarch64": "arm64"}


def own_target() -> str:
    """The platform that this runs on, as Visual Studio Code names it; what it has no name for is kept readable."""
    machine = platform.machine().lower()
    return f"{sys.platform}-{_MACHINES.get(machine, machine)}"


def requirements_for(lock: str, target: str, python: str) -> str:
    """The part of a lock file that applies to a version of Python on a platform, without conditions.

    pip looks at the conditions of the interpreter that runs it, whatever it downloads for.
    """
    system = target.partition("-")[0]
    facts = {
        "implementation_name": "cpython",
        "platform_python_implementation": "CPython",
        "python_version": python,
        "python_full_version": f"{python}.0",
        "sys_platform": system,
        "os_name": "nt" if system == "win32" else "posix",
    }
    kept = []
    for entry in _entries(lock):
        first, *hashes = re.split(r"\s*\\\n\s*", entry)
        requirement = Requirement(first)
        if requirement.marker is None or requirement.marker.evaluate(facts):
            kept.append(" ".join([f"{requirement.name}{requirement.specifier}", *hashes]))
    return "\n".join(kept) + "\n"


def _entries(lock: str) -> list[str]:
    """The entries of a lock file, each with the lines of its hashes."""
    return re.split(r"\n(?=\S)", lock.strip())


def _beyond(lock: str, other: str) -> str:
    """The entries of a lock file for packages that another one does not name."""
    known = {entry.partition("==")[0] for entry in _entries(other)}
    return "\n".join(entry for entry in _entries(lock) if entry.partition("==")[0] not in known) + "\n"


def fetch(target: str, python: str, folder: Path) -> None:
    """Download the locked wheels for a version of Python on a platform."""
    wanted = folder.with_suffix(".txt")
    wanted.write_text(requirements_for(LOCK.read_text("utf-8"), target, python), "utf-8")
    arguments = ["--only-binary=:all:", "--no-deps", "--require-hashes", "-r", str(wanted), "--dest", str(folder)]
    arguments += ["--implementation", "cp", "--python-version", python]
    arguments += [part for name in PLATFORMS[target] for part in ("--platform", name)]
    _pip("download", *arguments)


def collect(target: str, wheels: Path) -> None:
    """Fill a folder with the wheels of a platform and their manifest.

    What was collected before from the same lock file is kept; only the server's own wheel is always built anew.
    """
    manifest = wheels / "manifest.json"
    entries = _collected(target, wheels)
    if entries is None:
        entries = _fetched(target, wheels)
    with tempfile.TemporaryDirectory() as scratch:
        _pip("wheel", "--no-deps", "--no-build-isolation", "--wheel-dir", scratch, str(ROOT))
        (own,) = Path(scratch).iterdir()
        shutil.copy2(own, wheels)
    model = _beyond((LOCK.parent / "local.txt").read_text("utf-8"), (LOCK.parent / "dev.txt").read_text("utf-8"))
    (wheels / "model.txt").write_text(model, "utf-8")
    listed = [*entries, _entry(wheels / own.name, PYTHONS)]
    said = {
        "target": target,
        "pythons": PYTHONS,
        "model": hashlib.sha256(model.encode()).hexdigest(),
        "wheels": listed,
    }
    manifest.write_text(json.dumps(said, indent=1) + "\n", "utf-8")
    total = sum((wheels / str(entry["file"])).stat().st_size for entry in listed)
    print(f"{len(listed)} wheels for {target}: {total / 1e6:.1f} MB")


def _fetched(target: str, wheels: Path) -> list[Entry]:
    """Fetch everything but the server itself; what was there is gone."""
    shutil.rmtree(wheels, ignore_errors=True)
    wheels.mkdir()
    pythons: dict[str, list[str]] = {}
    with tempfile.TemporaryDirectory() as scratch:
        for python in PYTHONS:
            print(f"Fetching the wheels for CPython {python} on {target} …", flush=True)
            fetched = Path(scratch) / f"cp{python}"
            fetch(target, python, fetched)
            for wheel in fetched.iterdir():
                pythons.setdefault(wheel.name, []).append(python)
                shutil.copy2(wheel, wheels)
    with ThreadPoolExecutor() as pool:
        list(pool.map(repack, (wheels / name for name in pythons if not name.endswith("-none-any.whl"))))
    shutil.copyfile(LOCK, wheels / "requirements.txt")
    return [_entry(wheels / name, pythons[name]) for name in sorted(pythons)]


def _collected(target: str, wheels: Path) -> list[Entry] | None:
    """What is there but for the server itself; None where that is not all that the lock file asks for."""
    try:
        manifest = json.loads((wheels / "manifest.json").read_text("utf-8"))
        current = (wheels / "requirements.txt").read_bytes() == LOCK.read_bytes()
        if not current or (manifest["target"], manifest["pythons"]) != (target, list(PYTHONS)):
            return None
        own = [entry for entry in manifest["wheels"] if entry["file"].startswith(OWN)]
        for entry in own:
            (wheels / entry["file"]).unlink(missing_ok=True)
        others: list[Entry] = [entry for entry in manifest["wheels"] if entry not in own]
        whole = all(_entry(wheels / str(entry["file"]), entry["pythons"]) == entry for entry in others)
    except (OSError, ValueError, KeyError):
        return None
    return others if whole else None


def _entry(wheel: Path, pythons: object) -> Entry:
    """What the manifest says of a wheel."""
    return {"file": wheel.name, "sha256": hashlib.sha256(wheel.read_bytes()).hexdigest(), "pythons": pythons}


def repack(wheel: Path) -> None:
    """Compress a wheel with LZMA."""
    packed = wheel.with_suffix(".lzma")
    with zipfile.ZipFile(wheel) as old, zipfile.ZipFile(packed, "w") as new:
        for entry in old.infolist():
            if not entry.is_dir():
                contents = old.read(entry)
                entry.compress_type = zipfile.ZIP_LZMA
                new.writestr(entry, contents)
    packed.replace(wheel)


def _pip(*arguments: str) -> None:
    subprocess.run([sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet", *arguments], check=True)


def main() -> None:
    """Read the command line and collect."""
    parser = argparse.ArgumentParser(description="Collect the wheels that the extension carries.")
    parser.add_argument("target", nargs="?", default=own_target(), help="such as linux-x64 (default: this machine)")
    target = parser.parse_args().target
    if target not in PLATFORMS:
        parser.exit(2, f"No wheels can be collected for {target}; choose one of {', '.join(PLATFORMS)}.\n")
    collect(target, CLIENT / "wheels")


if __name__ == "__main__":
    main()
