"""SECURITY.md names a test for each of its promises, and each of them is there."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
TEXT = (ROOT / "SECURITY.md").read_text(encoding="utf-8")


def test_every_test_that_is_named_exists() -> None:
    rows = [line for line in TEXT.splitlines() if line.startswith("| ") and not line.startswith(("| Promise", "| ---"))]
    assert rows
    for row in rows:
        named = re.findall(r"`(tests/[^`]+)`", row)
        assert named, f"no test holds this promise: {row}"
        for path in named:
            assert (ROOT / path).is_file(), path
            text = (ROOT / path).read_text(encoding="utf-8")
            assert re.search(r"def test_|^scenario\(", text, re.MULTILINE), f"{path} tests nothing"
