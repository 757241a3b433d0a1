"""What is installed may be used and passed on by anybody, and is what was locked."""

from __future__ import annotations

import re
from importlib import metadata
from pathlib import Path

import pytest

from requirements.components import BUNDLED, CLIENT, HERE, Component, components, locked
from requirements.licences import ALLOWED, ALLOWED_WEIGHTS, TABLE, table

ALL = components()
# How packages word their licence where they give no SPDX expression.
_WORDS = {
    "License :: OSI Approved :: MIT License": "MIT",
    "License :: OSI Approved :: Apache Software License": "Apache-2.0",
    "License :: OSI Approved :: Mozilla Public License 2.0 (MPL 2.0)": "MPL-2.0",
}
_IMPORTED = re.compile(r"""^(?:import|export) (?!type )[^;]*?from "([^"./][^"]*)";""", re.MULTILINE)


@pytest.mark.parametrize("one", ALL, ids=lambda one: one.purl)
def test_every_licence_is_allowed(one: Component) -> None:
    allowed = ALLOWED | ({ALLOWED_WEIGHTS} if one.optional and one.name.startswith("gemma3-") else frozenset())
    assert any(allowed.issuperset(group) for group in one.alternatives), one.licence


def test_what_packages_say_of_themselves_is_what_is_written_down() -> None:
    compared = 0
    for one in ALL:
        if one.kind != "pypi":
            continue
        try:
            found = metadata.metadata(one.name)
        except metadata.PackageNotFoundError:
            continue
        said = found.get("License-Expression")
        worded = [_WORDS[line] for line in found.get_all("Classifier", []) if line in _WORDS]
        if said or worded:
            compared += 1
            assert one.licence == said or (not said and set(sum(one.alternatives, ())) == set(worded)), one.name
    assert compared > 25


@pytest.mark.parametrize("file", ["server.txt", "local.txt", "dev.txt"])
def test_everything_is_locked_with_hashes(file: str) -> None:
    lines = (HERE / file).read_text(encoding="utf-8").splitlines()
    found = locked(file)
    assert len(found) == sum(not line.startswith((" ", "#")) for line in lines if line)
    for key, hashes in found.items():
        assert hashes, key
        assert all(re.fullmatch(r"sha256:[0-9a-f]{64}", value) for value in hashes), key
    assert not [line for line in lines if "://" in line], "a lock file names no address"


def test_each_package_that_the_extension_bundles_is_counted() -> None:
    counted = {one.name for one in ALL if one.kind == "npm"}
    assert set(BUNDLED) <= counted
    sources = [file for folder in ("src", "report") for file in (CLIENT / folder).rglob("*.ts")]
    imported = {name for file in sources for name in _IMPORTED.findall(file.read_text(encoding="utf-8"))}
    packages = {name for name in imported if not name.startswith("node:") and name != "vscode"}
    packages = {"/".join(name.split("/")[: 2 if name.startswith("@") else 1]) for name in packages}
    assert len(packages) > 3
    assert packages <= counted


def test_the_table_is_up_to_date() -> None:
    assert Path(TABLE).read_text(encoding="utf-8") == table(), "run python -m requirements.licences"
