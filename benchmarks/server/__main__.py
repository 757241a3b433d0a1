"""What the language server takes of an editor's time and of a machine's memory.

    python -m benchmarks.server [start keystrokes million rest cancel edits peers] [--quick]

Without parts, all of them. Times run from the last byte written to the last byte read, at the editor's end of the
pipe. A figure beyond its bound is marked, and makes the exit code 1.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable

from benchmarks.server import cancel, edits, keystrokes, million, peers, rest, start
from benchmarks.server.figures import Figure

PARTS: dict[str, tuple[Callable[[], list[Figure]], Callable[[], list[Figure]]]] = {
    "start": (start.measure, lambda: start.measure(5)),
    "keystrokes": (keystrokes.measure, lambda: keystrokes.measure(100)),
    "million": (million.measure, lambda: million.measure(50_000)),
    "rest": (rest.measure, lambda: rest.measure(0)),
    "cancel": (cancel.measure, lambda: cancel.measure(3)),
    "edits": (edits.measure, lambda: edits.measure(500)),
    "peers": (peers.measure, lambda: peers.measure(10)),
}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", nargs="*", metavar="part", help=", ".join(PARTS))
    parser.add_argument(
        "--quick", action="store_true", help="a tenth of the samples: for trying out, not for the record"
    )
    given = parser.parse_args()
    if unknown := set(given.parts) - PARTS.keys():
        parser.error(f"no such part: {', '.join(sorted(unknown))}")
    kept = True
    for name in given.parts or PARTS:
        loads = "/".join(f"{load:.1f}" for load in os.getloadavg()[:2])
        print(f"\n{name}   ({os.cpu_count()} processors, load {loads} before)", flush=True)
        for figure in PARTS[name][given.quick]():
            print(f"  {figure}", flush=True)
            kept &= figure.kept
    return 0 if kept else 1


if __name__ == "__main__":
    sys.exit(main())
