"""The bill of materials is one that readers of CycloneDX take, and leaves nothing out."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from typing import Any

import pytest

from requirements.components import HERE, components, locked


@pytest.fixture(scope="module")
def bill() -> dict[str, Any]:
    command = [sys.executable, "-m", "requirements.sbom"]
    done = subprocess.run(command, cwd=HERE.parent, capture_output=True, check=True, timeout=60)
    found = json.loads(done.stdout)
    assert isinstance(found, dict)
    return found


def test_it_has_what_the_format_demands(bill: dict[str, Any]) -> None:
    assert (bill["bomFormat"], bill["specVersion"], bill["version"]) == ("CycloneDX", "1.6", 1)
    assert re.fullmatch(r"urn:uuid:[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", bill["serialNumber"])
    references = [bill["metadata"]["component"]["bom-ref"], *(one["bom-ref"] for one in bill["components"])]
    assert len(references) == len(set(references))
    for one in bill["components"]:
        assert one["type"] == "library"
        assert re.fullmatch(r"pkg:(pypi|npm)/[^@\s]+@[^@\s]+", one["purl"])
        assert one["scope"] in ("required", "optional")
        assert one["name"]
        assert one["version"]
        assert one["licenses"][0]["expression"]
        for value in one.get("hashes", ()):
            assert value["alg"] in ("SHA-1", "SHA-256", "SHA-512")
            assert re.fullmatch(r"[0-9a-f]{40}|[0-9a-f]{64}|[0-9a-f]{128}", value["content"])
        assert one.get("hashes") or one.get("properties"), one["name"]
    (whole,) = bill["dependencies"]
    assert {whole["ref"], *whole["dependsOn"]} == set(references)


def test_it_leaves_nothing_out_and_is_the_same_every_time(bill: dict[str, Any]) -> None:
    listed = {(one["name"], one["version"]) for one in bill["components"]}
    assert set(locked("server.txt")) <= listed
    assert {(one.name, one.version) for one in components()} == listed
    from requirements.sbom import bill as again

    assert again() == bill
