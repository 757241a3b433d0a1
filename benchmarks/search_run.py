"""One `apo optimize` as a process against a scripted endpoint: wall-clock beside its floor, and what a rerun asks.

    python benchmarks/search_run.py [--calls 1000] [--latency 0.1] [--width 32]

The floor is max(requests / width, longest dependent chain) × latency: what an endpoint of that latency allows if every
slot is always busy, or if every request that must wait for another follows it at once. The chain is read off the
endpoint's log as the most requests of which each began only after the one before had ended; that counts waits which
are not needed too, so it is an upper bound of the dependent chain.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent


@contextmanager
def endpoint(latency: float) -> Iterator[str]:
    """A scripted endpoint in a process of its own, as its base URL."""
    command = [sys.executable, "-m", "tests.scripted", "--port", "0", "--latency", str(latency)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        yield process.stdout.readline().strip()
        process.terminate()


def log(base_url: str) -> list[dict[str, Any]]:
    with urllib.request.urlopen(base_url.removesuffix("/v1") + "/log") as answer:
        exchanges: list[dict[str, Any]] = json.load(answer)["exchanges"]
    return exchanges


def optimize(folder: Path, base_url: str, calls: int, width: int) -> tuple[dict[str, Any], float]:
    """The result and the wall-clock of a run in seconds, start of the interpreter included."""
    apo = shutil.which("apo", path=str(Path(sys.executable).parent)) or "apo"
    command = [apo, "optimize", "tickets.prompt", "--json", "--max-calls", str(calls), "--concurrency", str(width)]
    environ = {**os.environ, "OPENAI_BASE_URL": base_url, "APO_CACHE_DIR": str(folder / "cache")}
    began = time.perf_counter()
    done = subprocess.run(command, cwd=folder, env=environ, check=True, capture_output=True, text=True)
    return json.loads(done.stdout), time.perf_counter() - began


def chain(exchanges: list[dict[str, Any]]) -> int:
    """The most requests of which each began after the one before had ended (greedy by earliest end)."""
    length, free_at = 0, float("-inf")
    for exchange in sorted(exchanges, key=lambda exchange: exchange["ended"]):
        if exchange["began"] >= free_at:
            length, free_at = length + 1, exchange["ended"]
    return length


def main() -> int:
    sys.path.insert(0, str(ROOT))
    from tests.scripted.world import World

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--calls", type=int, default=1000)
    parser.add_argument("--latency", type=float, default=0.1)
    parser.add_argument("--width", type=int, default=32)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as name, endpoint(given.latency) as base_url:
        folder = Path(name)
        World(240).write(folder)
        result, seconds = optimize(folder, base_url, given.calls, given.width)
        exchanges = log(base_url)
        again, seconds_again = optimize(folder, base_url, given.calls, given.width)
        repeated = len(log(base_url)) - len(exchanges)
    busy = len(exchanges) / given.width * given.latency
    following = chain(exchanges) * given.latency
    floor = max(busy, following)
    same = {key: again[key] for key in ("best", "holdout", "verdict")} == {
        key: result[key] for key in ("best", "holdout", "verdict")
    }
    print(f"requests                          {len(exchanges):>8,}")
    print(f"requests in sequence              {chain(exchanges):>8,}")
    print(f"every slot busy                   {busy:>8.1f} s")
    print(f"floor                             {floor:>8.1f} s")
    print(f"wall-clock, process start to end  {seconds:>8.1f} s   ({seconds / floor:.2f} × the floor)")
    print(f"requests of the same run again    {repeated:>8,}     ({seconds_again:.1f} s, same result: {same})")
    return 0 if repeated == 0 and same else 1


if __name__ == "__main__":
    sys.exit(main())
