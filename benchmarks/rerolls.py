"""Users who run a search again with ``--fresh`` until it says "adopt", where no edit can help: how many are told a lie.

``python -m benchmarks.rerolls [--users N] [--runs N]``
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

from apo_engine import api
from apo_engine.prompt.file import PromptFile
from benchmarks.luck import Luck, answering, options
from tests.scripted.world import World

USERS, RUNS, BOUND = 200, 10, 10
ROWS, CALLS = 80, 260


def looks_until_adopted(user: int, runs: int, folder: Path) -> tuple[int, int | None]:
    """How often a user looked at the hold-out, and at which look "adopt" was said; None if it never was."""
    world = World(ROWS, seed=f"user{user}")
    prompt = api.load_prompt(world.write(folder))
    model = Luck(world)
    looks = 0
    for run in range(runs):
        model.salt = f"{user}:{run}"
        with answering(model):
            found = asyncio.run(_search(prompt, folder))
        if found.verdict is None:
            continue
        # The first look of a new store does not know whether there were others.
        assert found.verdict.earlier_looks == (looks or None), "a look was lost"
        looks += 1
        if found.verdict.decision == "adopt":
            return looks, looks
    return looks, None


async def _search(prompt: PromptFile, folder: Path) -> api.Optimization:
    return await api.optimize(prompt, options(folder / "cache", calls=CALLS, fresh=True))


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--users", type=int, default=USERS)
    parser.add_argument("--runs", type=int, default=RUNS)
    given = parser.parse_args(arguments)
    began, looks, claims = time.monotonic(), 0, []
    for user in range(given.users):
        with TemporaryDirectory(prefix="apo-rerolls-") as name:
            looked, adopted = looks_until_adopted(user, given.runs, Path(name))
        looks += looked
        if adopted is not None:
            claims.append(adopted)
    allowed = BOUND * given.users / USERS
    print('| users | runs each, at most | looks | users told "adopt" | at most | at look number |')
    print("|---|---|---|---|---|---|")
    at = ", ".join(map(str, sorted(claims))) or "–"
    print(f"| {given.users} | {given.runs} | {looks:,} | {len(claims)} | {allowed:g} | {at} |")
    print(f"\n{time.monotonic() - began:.0f} s", file=sys.stderr)
    return int(len(claims) > max(1, allowed))


if __name__ == "__main__":
    sys.exit(main())
