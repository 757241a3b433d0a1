"""What a user gets: the Python packages that are locked, and the npm packages that go into the extension's bundles."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

HERE = Path(__file__).resolve().parent
CLIENT = HERE.parent / "client-vscode"
# Locked with the embedded model, and needed to install from the sources alone: nothing of them is passed on.
_BUILDS = frozenset(
    {"editables", "hatchling", "packaging", "pathspec", "pluggy", "tomli", "tomlkit", "trove-classifiers"}
)
# Where npm counts a package as one of development though esbuild puts it into the report page.
BUNDLED = ("@observablehq/plot", "d3-hierarchy", "diff")
_LOCKED = re.compile(r"^([a-z0-9.-]+)==([^\s;]+)(?: ; (.*?))? \\\n((?:    --hash=\S+(?: \\)?\n?)+)", re.MULTILINE)


@dataclass(frozen=True)
class Component:
    """A package at a version: its licence as an SPDX expression, and the SHA-256 of its files (SHA-512 with npm)."""

    kind: str
    name: str
    version: str
    licence: str
    hashes: tuple[str, ...]
    optional: bool = False

    @property
    def purl(self) -> str:
        """Its package URL."""
        return f"pkg:{self.kind}/{self.name.replace('@', '%40')}@{self.version}"

    @cached_property
    def alternatives(self) -> tuple[tuple[str, ...], ...]:
        """The licences one of whose groups must be kept to: ``A AND B OR C`` is ((A, B), (C,))."""
        return tuple(tuple(group.split(" AND ")) for group in self.licence.strip("()").split(" OR "))


def locked(file: str) -> dict[tuple[str, str], tuple[str, ...]]:
    """The hashes of a lock file by name and version."""
    text = (HERE / file).read_text(encoding="utf-8")
    return {
        (name, version): tuple(re.findall(r"--hash=(\S+)", hashes))
        for name, version, _, hashes in _LOCKED.findall(text)
    }


def components() -> tuple[Component, ...]:
    """All of them, by kind and name.

    Raises:
        KeyError: the licence of a locked package is not written down in `licences.json`.
    """
    known = json.loads((HERE / "licences.json").read_text(encoding="utf-8"))
    server = locked("server.txt")
    local = {key: hashes for key, hashes in locked("local.txt").items() if key[0] not in _BUILDS}
    python = (
        Component("pypi", name, version, known[name], hashes, optional=(name, version) not in server)
        for (name, version), hashes in sorted({**local, **server}.items())
    )
    return (*python, *sorted(_npm(), key=lambda found: found.name))


def _npm() -> Iterator[Component]:
    packages = json.loads((CLIENT / "package-lock.json").read_text(encoding="utf-8"))["packages"]
    waiting, seen = [*packages[""]["dependencies"], *BUNDLED], set()
    while waiting:
        name = waiting.pop()
        if name in seen:
            continue
        seen.add(name)
        found = packages[f"node_modules/{name}"]
        waiting += found.get("dependencies", ())
        yield Component("npm", name, found["version"], found["license"], (found["integrity"],))
