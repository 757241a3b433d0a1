"""Every measurement that needs no model: ``python -m benchmarks``."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PARTS = ("cli_start", "server", "search_run", "request_cost", "selection_study", "patterns")


def main() -> int:
    failed = []
    for part in PARTS:
        print(f"\n== {part}", flush=True)
        if subprocess.run([sys.executable, "-m", f"benchmarks.{part}"], cwd=ROOT, check=False).returncode:
            failed.append(part)
    if failed:
        print(f"\nOutside their bounds: {', '.join(failed)}")
    return int(bool(failed))


if __name__ == "__main__":
    sys.exit(main())
