"""How long `apo --help` takes beside a bare interpreter, and what `import apo_engine` loads.

    python benchmarks/cli_start.py [--rounds 30]

Both commands run in turns in the same minute, so that the ratio of their medians depends little on the machine.
"""

from __future__ import annotations

import argparse
import json
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

HIGHEST_RATIO = 8.0
HEAVY = ("openai", "tiktoken", "pygls", "scipy", "numpy", "xllamacpp", "rich", "ruamel", "genai_prices", "rapidfuzz")


def seconds(command: Sequence[str]) -> float:
    began = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - began


def loaded(statement: str) -> list[str]:
    """Which heavy packages a statement loads, in a process of its own."""
    probe = f"import json, sys; {statement}; print(json.dumps(sorted({{m.partition('.')[0] for m in sys.modules}})))"
    answer = subprocess.run([sys.executable, "-c", probe], check=True, capture_output=True, text=True)
    return [name for name in json.loads(answer.stdout) if name in HEAVY]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=30)
    rounds = parser.parse_args().rounds
    apo = shutil.which("apo", path=str(Path(sys.executable).parent)) or "apo"
    commands = {"python -c pass": [sys.executable, "-c", "pass"], "apo --help": [apo, "--help"]}
    times: dict[str, list[float]] = {name: [] for name in commands}
    for _ in range(rounds + 1):
        for name, command in commands.items():
            times[name].append(seconds(command))
    medians = {name: statistics.median(measured[1:]) for name, measured in times.items()}
    ratio = medians["apo --help"] / medians["python -c pass"]
    print(f"{'command':<18}{'median':>10}")
    for name, median in medians.items():
        print(f"{name:<18}{1000 * median:>7.1f} ms")
    print(f"{'ratio':<18}{ratio:>10.2f}   (at most {HIGHEST_RATIO:.0f})")
    heavy = loaded("import apo_engine")
    print(f"import apo_engine loads of the heavy packages: {', '.join(heavy) or 'none'}")
    return 0 if ratio <= HIGHEST_RATIO and not heavy else 1


if __name__ == "__main__":
    sys.exit(main())
