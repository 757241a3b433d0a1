"""Processes that run one experiment at the same time, begin at random moments and are killed at random ones.

``python -m benchmarks.two_processes [--times N]``: after each of 200 times, every record in the store must be whole.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import random
import signal
import sqlite3
import sys
import time
from collections import Counter
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

from apo_engine import api
from apo_engine.prompt.file import PromptFile
from apo_engine.search.events import HoldoutOpened, RunEnded, RunStarted, decode
from benchmarks.luck import Luck, answering, options
from tests.scripted.world import World

TIMES, ROWS, CALLS = 200, 60, 150
# Of the first of two or three processes, a run takes about so many seconds.
_SPAN = 0.7


@dataclass
class Tally:
    """What was found after all times."""

    processes: int = 0
    killed: int = 0
    runs: int = 0
    followed: int = 0
    faults: list[str] = field(default_factory=list)


def once(number: int, folder: Path, tally: Tally) -> None:
    """Two or three processes on one experiment."""
    rng = random.Random(number)
    prompt = World(ROWS).write(folder)
    children = []
    for _ in range(rng.choice((2, 2, 3))):
        wait, fresh = rng.uniform(0, _SPAN), rng.random() < 0.3
        child = os.fork()
        if child == 0:
            _run(prompt, folder, wait, fresh=fresh)
        children.append(child)
    tally.processes += len(children)
    doomed = [child for child in children if rng.random() < 0.4]
    for child in doomed:
        time.sleep(rng.uniform(0, _SPAN))
        with contextlib.suppress(ProcessLookupError):
            os.kill(child, signal.SIGKILL)
    codes = {child: os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children}
    tally.killed += sum(code == -signal.SIGKILL for code in codes.values())
    tally.faults += [f"{number}: process ended with {code}" for code in codes.values() if code not in (0, -9)]
    results = [path.read_text().split() for path in folder.glob("result-*")]
    tally.followed += len(results) - len({run for run, _ in results})
    _check(number, folder / "cache" / "store.sqlite", dict(results), tally)


def _run(path: Path, folder: Path, wait: float, *, fresh: bool) -> None:
    code = 1
    try:
        time.sleep(wait)
        prompt = api.load_prompt(path)
        with answering(Luck(World(ROWS), pause=0.01)):
            found = asyncio.run(_search(prompt, folder, fresh=fresh))
        (folder / f"result-{os.getpid()}").write_text(f"{found.run} {found.best.id}")
        code = 0
    finally:
        os._exit(code)


async def _search(prompt: PromptFile, folder: Path, *, fresh: bool) -> api.Optimization:
    return await api.optimize(prompt, options(folder / "cache", calls=CALLS, fresh=fresh))


def _check(number: int, store: Path, results: dict[str, str], tally: Tally) -> None:
    """Every run's events are numbered without a gap, belong to it, and end as its processes were told."""
    if not store.exists():
        return
    with closing(sqlite3.connect(store)) as database:
        (sound,) = database.execute("PRAGMA integrity_check").fetchone()
        runs = database.execute("SELECT position, run, finished FROM runs").fetchall()
        rows = database.execute("SELECT position, number, data FROM events ORDER BY position, number").fetchall()
        (looks,) = database.execute("SELECT count(*) FROM executions").fetchone()
    faults = [] if sound == "ok" else [f"{number}: {sound}"]
    opened = 0
    for position, run, finished in runs:
        numbers = [row[1] for row in rows if row[0] == position]
        events = [decode(row[2]) for row in rows if row[0] == position]
        kinds = Counter(type(event) for event in events)
        opened += kinds[HoldoutOpened]
        if numbers != list(range(1, len(numbers) + 1)):
            faults.append(f"{number}: the events of {run} have a gap")
        if events and not (isinstance(events[0], RunStarted) and events[0].run == run and kinds[RunStarted] == 1):
            faults.append(f"{number}: {run} holds events of another run")
        last = events[-1] if events else None
        if finished and not (isinstance(last, RunEnded) and kinds[RunEnded] == 1):
            faults.append(f"{number}: {run} is finished without an end")
        if run in results and not (finished and isinstance(last, RunEnded) and last.best.id == results[run]):
            faults.append(f"{number}: {run} was told otherwise than it is stored")
    if missing := results.keys() - {run for _, run, _ in runs}:
        faults.append(f"{number}: {missing} are not stored")
    if looks > len(runs) or (opened and not looks):
        faults.append(f"{number}: {opened} times opened, {looks} looks")
    tally.runs += len(runs)
    tally.faults += faults


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--times", type=int, default=TIMES)
    times = parser.parse_args(arguments).times
    tally = Tally()
    for number in range(times):
        with TemporaryDirectory(prefix="apo-two-") as name:
            once(number, Path(name), tally)
    print("| times | processes | killed | runs stored | results of a run that was followed | torn records |")
    print("|---|---|---|---|---|---|")
    figures = (times, tally.processes, tally.killed, tally.runs, tally.followed, len(tally.faults))
    print(f"| {' | '.join(map(str, figures))} |")
    for fault in tally.faults:
        print(fault, file=sys.stderr)
    return int(bool(tally.faults))


if __name__ == "__main__":
    sys.exit(main())
