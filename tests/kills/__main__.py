"""``python -m tests.kills``: kill -9 at random moments of a search, and what became of it, as a table."""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

from tests.kills.chain import Search, chain, command, engine, reference, server

_WAYS: dict[str, Search] = {"apo": command, "the server, an editor attached": server, "its engine process": engine}
# Of so many kills in a row, one search is hit.
_IN_A_ROW = 5


def main() -> int:
    """Print the table; 1 when a result changed, or an answer that had been kept was asked for again."""
    parser = argparse.ArgumentParser(prog="python -m tests.kills", description=__doc__)
    parser.add_argument("--kills", type=int, default=200, help="in all, shared out among the three ways to search")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    print("| killed | kills | ended the same | requests in vain before a kill, at most | asked again though kept |")
    print("|---|---:|---:|---:|---:|")
    sound = True
    for name, search in _WAYS.items():
        with tempfile.TemporaryDirectory() as folder:
            expected = reference(search, _made(folder, "reference"))
            chains = []
            while (left := -(-options.kills // len(_WAYS)) - sum(one.kills for one in chains)) > 0:
                number = len(chains)
                seed = 1000 * options.seed + number
                chains.append(chain(search, expected, _made(folder, str(number)), seed, min(left, _IN_A_ROW)))
        same = sum(one.same for one in chains)
        worst, twice = max(one.repeated for one in chains), sum(one.paid_twice for one in chains)
        kills = sum(one.kills for one in chains)
        print(f"| {name} | {kills} | {same} of {len(chains)} | {worst} | {twice} |", flush=True)
        sound = sound and all(one.sound for one in chains)
    return 0 if sound else 1


def _made(base: str, name: str) -> Path:
    folder = Path(base) / name
    folder.mkdir()
    return folder


if __name__ == "__main__":
    raise SystemExit(main())
