"""What the extension carries: the wheels that are locked, for each Python and platform."""

from __future__ import annotations

import re
import runpy
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SCRIPT = ROOT / "client-vscode" / "scripts" / "wheels.py"
LOCK = """\
anyio==4.16.0 \\
    --hash=sha256:aa \\
    --hash=sha256:bb
colorama==0.4.6 ; sys_platform == 'win32' \\
    --hash=sha256:cc
jiter==0.18.0 ; python_full_version < '3.12' \\
    --hash=sha256:dd
jiter==0.19.0 ; python_full_version >= '3.12' \\
    --hash=sha256:ee
"""
ANYIO, COLORAMA = "anyio==4.16.0 --hash=sha256:aa --hash=sha256:bb", "colorama==0.4.6 --hash=sha256:cc"
OLD_JITER, JITER = "jiter==0.18.0 --hash=sha256:dd", "jiter==0.19.0 --hash=sha256:ee"


@pytest.mark.parametrize(
    ("target", "python", "wanted"),
    [
        ("linux-x64", "3.11", [ANYIO, OLD_JITER]),
        ("darwin-arm64", "3.14", [ANYIO, JITER]),
        ("win32-x64", "3.12", [ANYIO, COLORAMA, JITER]),
    ],
)
def test_conditions_are_those_of_the_platform_that_is_built_for(target: str, python: str, wanted: list[str]) -> None:
    assert runpy.run_path(str(SCRIPT))["requirements_for"](LOCK, target, python).splitlines() == wanted


def test_the_server_is_locked_to_what_it_is_developed_with() -> None:
    server, dev = (_pins(ROOT / "requirements" / name) for name in ("server.txt", "dev.txt"))
    assert "pygls" in server
    assert {name: pins for name, pins in server.items() if dev.get(name) != pins} == {}


def test_the_embedded_model_is_what_only_the_demo_installs() -> None:
    local, dev = ((ROOT / "requirements" / name).read_text() for name in ("local.txt", "dev.txt"))
    lock = runpy.run_path(str(SCRIPT))["_beyond"](local, dev)
    names = re.findall(r"^([a-z0-9-]+)==", lock, re.MULTILINE)
    assert "xllamacpp" in names
    assert all(name == "xllamacpp" or name.startswith("gemma3-270m-") for name in names)
    assert lock.count("--hash=") >= len(names)


def test_a_platform_that_nobody_builds_for_is_one_sentence() -> None:
    done = subprocess.run([sys.executable, str(SCRIPT), "vax-32"], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stderr.startswith("No wheels can be collected for vax-32; choose one of linux-x64,")


def _pins(path: Path) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for name, pin in re.findall(r"^([a-z0-9-]+)(==[^\\\n]+)", path.read_text(), re.MULTILINE):
        found.setdefault(name, []).append(pin.strip())
    return found
