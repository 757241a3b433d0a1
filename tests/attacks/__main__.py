"""Tries every attack and counts, by kind, how many were tried and how many held.

    python -m tests.attacks

Each ``test_<kind>.py`` beside this file holds the attacks of one kind; each attack is one test case.
"""

from __future__ import annotations

import sys
from collections import Counter
from pathlib import Path

import pytest

KINDS = {
    "code": "Code of a workspace runs without agreement",
    "stored_files": "A link or another user's file is written, read or believed",
    "allowed_paths": "A file outside the allowed folders is read",
    "line": "A stranger takes the editor's place on a socket",
    "consent": "Something leaves that nobody agreed to",
    "caps": "A cap is passed, or a number breaks the program",
    "parameters": "A parameter costs more or sends data elsewhere",
    "answers_kept": "A wrong answer is kept, or an answer is paid for twice",
    "identity": "A look at the hold-out is lost",
}


class _Count:
    """Counts the test cases of each file by their outcome."""

    def __init__(self) -> None:
        self.tried: Counter[str] = Counter()
        self.held: Counter[str] = Counter()
        self.skipped: Counter[str] = Counter()
        self.lost: list[str] = []

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        kind = Path(report.location[0]).stem.removeprefix("test_")
        if report.when == "call" or (report.when == "setup" and report.outcome != "passed"):
            if report.outcome == "skipped":
                self.skipped[kind] += 1
                return
            self.tried[kind] += 1
            self.held[kind] += report.outcome == "passed"
            if report.outcome == "failed":
                self.lost.append(report.nodeid)


def main() -> int:
    """Print the table; 1 if an attack came through."""
    count = _Count()
    pytest.main(["-q", "--no-header", "-p", "no:terminal", str(Path(__file__).parent)], plugins=[count])
    print("| Attack | Tried | Held |\n| --- | ---: | ---: |")
    for kind, goal in KINDS.items():
        print(f"| {goal} | {count.tried[kind]} | {count.held[kind]} |")
    print(f"| All | {count.tried.total()} | {count.held.total()} |")
    if count.skipped:
        print(f"\nNot tried on this machine: {count.skipped.total()} (they need rights or programs it lacks).")
    for lost in count.lost:
        print(f"came through: {lost}")
    return int(count.tried != count.held or not count.tried)


if __name__ == "__main__":
    sys.exit(main())
