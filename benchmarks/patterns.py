"""What regular expressions that were written to harm take of `apo check`, and what plain ones cost a row (Linux).

    python -m benchmarks.patterns

Memory is that of `apo` and its child processes together, at its highest, seen every few milliseconds.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

MOST_MB, MOST_SECONDS = 200.0, 2.0
HARMFUL = {
    "nested repeats": "(?:a{60000}){60000}",
    "repeated choice": "(?:a|b{99999}){99999}",
    "deep repeats": "(?:" * 150 + "a?" + "){50}" * 150,
}
PLAIN_ROWS = 100_000
_PROMPT = """---
model: openai/none
input: {schema: {text: string}}
apo.metric: regex
apo.examples: rows.jsonl
---
{{role "system"}}
Answer yes or no.
{{role "user"}}
{{text}}
"""


def _tree(pid: int) -> Iterator[int]:
    """A process and all below it."""
    yield pid
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        for child in task.read_text("ascii").split():
            yield from _tree(int(child))


def _megabytes(pid: int) -> float:
    """What a process and all below it hold in memory now."""
    pages = 0
    try:
        for each in _tree(pid):
            pages += int(Path(f"/proc/{each}/statm").read_text("ascii").split()[1])
    except OSError:
        pass  # one of them has just ended
    return pages * 4096 / 1e6


def check(folder: Path, patterns: Sequence[str]) -> tuple[float, float]:
    """The seconds and the MB that `apo check` takes for rows that expect these patterns."""
    lines = (json.dumps({"text": f"ticket {i}", "label": pattern}) + "\n" for i, pattern in enumerate(patterns))
    (folder / "rows.jsonl").write_text("".join(lines), "utf-8")
    (folder / "a.prompt").write_text(_PROMPT, "utf-8")
    apo = shutil.which("apo", path=str(Path(sys.executable).parent)) or "apo"
    began, most = time.perf_counter(), 0.0
    process = subprocess.Popen([apo, "check", "a.prompt"], cwd=folder, stdout=subprocess.DEVNULL)
    while process.poll() is None:
        most = max(most, _megabytes(process.pid))
        time.sleep(0.003)
    return time.perf_counter() - began, most


def main() -> int:
    """Print the table; 1 when a bound is passed."""
    sound = True
    print("| rows that expect | seconds | MB |")
    print("|---|---:|---:|")
    with tempfile.TemporaryDirectory() as name:
        for what, pattern in HARMFUL.items():
            seconds, megabytes = check(Path(name), [pattern] * 3)
            sound = sound and seconds <= MOST_SECONDS and megabytes <= MOST_MB
            print(f"| {what}, 3 rows | {seconds:.1f} | {megabytes:.0f} |", flush=True)
        for distinct in (5, 10_000):
            seconds, megabytes = check(Path(name), [rf"\b{i % distinct}\b" for i in range(PLAIN_ROWS)])
            print(f"| {distinct:,} plain patterns, {PLAIN_ROWS:,} rows | {seconds:.1f} | {megabytes:.0f} |", flush=True)
    return int(not sound)


if __name__ == "__main__":
    sys.exit(main())
