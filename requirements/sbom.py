"""The bill of materials: ``python -m requirements.sbom`` prints one in CycloneDX 1.6 from the lock files alone."""

from __future__ import annotations

import base64
import json
import re
import sys
import uuid

from requirements.components import HERE, Component, components


def bill() -> dict[str, object]:
    """The bill of materials; the same lock files give the same bill."""
    found = components()
    version = re.search(
        r'^__version__ = "(.+)"', (HERE.parent / "apo_engine" / "__init__.py").read_text(), re.MULTILINE
    )
    assert version is not None
    whole = json.dumps([[one.purl, one.hashes] for one in found])
    ours = f"pkg:pypi/apo-language-server@{version[1]}"
    return {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": f"urn:uuid:{uuid.uuid5(uuid.NAMESPACE_URL, whole)}",
        "version": 1,
        "metadata": {
            "component": {
                "type": "application",
                "bom-ref": ours,
                "name": "apo-language-server",
                "version": version[1],
                "purl": ours,
                "licenses": [{"expression": "Apache-2.0"}],
            }
        },
        "components": [_entry(one) for one in found],
        "dependencies": [{"ref": ours, "dependsOn": [one.purl for one in found]}],
    }


def _entry(one: Component) -> dict[str, object]:
    # The hashes of a Python package are those of its files, one for each platform: none of them is the package's.
    single = one.kind == "npm"
    return {
        "type": "library",
        "bom-ref": one.purl,
        "name": one.name,
        "version": one.version,
        "purl": one.purl,
        "scope": "optional" if one.optional else "required",
        "licenses": [{"expression": one.licence}],
        **({"hashes": [_hash(value) for value in one.hashes]} if single else {}),
        **({} if single else {"properties": [{"name": "apo:file-hash", "value": value} for value in one.hashes]}),
    }


def _hash(integrity: str) -> dict[str, str]:
    """npm's base64 as the hexadecimal that CycloneDX has."""
    name, _, value = integrity.partition("-")
    return {"alg": name.upper().replace("SHA", "SHA-"), "content": base64.b64decode(value).hex()}


if __name__ == "__main__":
    json.dump(bill(), sys.stdout, indent=2)
    sys.stdout.write("\n")
