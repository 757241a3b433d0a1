"""Tries every attack and counts, by kind, how many were tried and how many held.

    python -m tests.attacks [options of pytest, such as -k links]

Each ``test_<kind>.py`` beside this file holds the attacks of one kind; each attack is one test case.
"""

from __future__ import annotations

import sys
from collections import Counter
from pathlib import Path

import pytest

KINDS = {
    "Code of a workspace runs without agreement": ("code", "code_in_editor", "model_files"),
    "A link or another user's file is written, read or believed": (
        "stored_files",
        "moved_results",
    ),
    "A file outside the allowed folders is read": (
        "allowed_paths",
        "rows_shown",
    ),
    "A stranger takes the editor's place on a socket": (
        *("line", "line_token", "line_web_socket", "line_browser"),
        "initialize",
    ),
    "Something leaves that nobody agreed to": (
        *("consent", "workspaces", "destinations", "names", "token_tables"),
        "sends",
        "withdrawals",
        "included_files",
    ),
    "A cap is passed, or a number breaks the program": (
        *("caps", "caps_numbers", "caps_patterns", "raised_caps", "large_model_files", "prices"),
        "large_example_files",
        "template_bombs",
        "large_partials",
    ),
    "A parameter costs more or sends data elsewhere": ("parameters",),
    "A wrong answer is kept, or an answer is paid for twice": (
        "answers_kept",
        "finish_reasons",
    ),
    "A look at the hold-out is lost, or a row counts twice": (
        *("identity", "rerolls", "copies"),
        "edited_rows",
    ),
    "A foreign value is believed, or breaks the program": ("foreign_values",),
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
    # Without the options of the project, some of which need the terminal's plugin.
    pytest.main(["-o", "addopts=", "-p", "no:terminal", str(Path(__file__).parent), *sys.argv[1:]], plugins=[count])
    print("| Attack | Tried | Held |\n| --- | ---: | ---: |")
    for goal, kinds in KINDS.items():
        print(f"| {goal} | {sum(count.tried[kind] for kind in kinds)} | {sum(count.held[kind] for kind in kinds)} |")
    print(f"| All | {count.tried.total()} | {count.held.total()} |")
    if count.skipped:
        print(f"\nNot tried on this machine: {count.skipped.total()} (they need rights or programs it lacks).")
    for lost in count.lost:
        print(f"came through: {lost}")
    return int(count.tried != count.held or not count.tried)


if __name__ == "__main__":
    sys.exit(main())
