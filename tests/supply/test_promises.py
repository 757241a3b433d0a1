"""SECURITY.md names a test for each of its promises, and each of them is there."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

from tests.attacks.__main__ import KINDS

ROOT = Path(__file__).resolve().parents[2]
TEXT = (ROOT / "SECURITY.md").read_text(encoding="utf-8")


def test_every_test_that_is_named_exists() -> None:
    rows = [line for line in TEXT.splitlines() if line.startswith("| ") and not line.startswith(("| Promise", "| ---"))]
    assert rows
    for row in rows:
        named = re.findall(r"`((?:client-vscode/test|tests)/[^`]+)`", row)
        assert named, f"no test holds this promise: {row}"
        for path in named:
            assert (ROOT / path).is_file(), path
            text = (ROOT / path).read_text(encoding="utf-8")
            assert re.search(r"def test_|^scenario\(|^ *(it|test)(\.each)?\(", text, re.MULTILINE), (
                f"{path} tests nothing"
            )


def test_every_file_of_attacks_is_counted_under_a_kind() -> None:
    files = {path.stem.removeprefix("test_") for path in (ROOT / "tests" / "attacks").glob("test_*.py")}
    assert files == {kind for kinds in KINDS.values() for kind in kinds}


def test_attacks_are_tried_and_counted() -> None:
    command = [sys.executable, "-m", "tests.attacks", "-k", "two_at_once_set_one_file_aside"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=100, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "| All | 1 | 1 |" in done.stdout
