"""How good the prompts are that a search finds for its calls, and what it costs to find them.

    python -m benchmarks.search_quality [--seeds 10] [--calls 500 1000 2000 4000] [--peers]

Every seed draws another task (`benchmarks/world`). The first table shows the true accuracy, on 4,000 messages that no
optimizer saw, of the best prompt after N calls of the task model: mean ± standard error over the tasks. This project's
calls for its hold-out count too, and a run of it that passes N, or asks anything twice, ends the benchmark. The peers
hold nothing out.
The second table is of one run of each in turn, with 1,000 calls, each answered after 0.1 s.
"""

from __future__ import annotations

import argparse
import statistics
import sys
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import groupby

from benchmarks.contestants import PEERS, PEERS_PYTHON, Cost, apo, peer, validation_rows
from benchmarks.peers.job import stood_at
from benchmarks.world.endpoint import Traffic, endpoint
from benchmarks.world.task import Task

OURS = "apo"
WIDTH = 32


@dataclass(frozen=True)
class Score:
    """True accuracy after ``calls`` calls, and this project's verdict on its prompt (None: the peers give none)."""

    calls: int
    accuracy: float
    adopted: bool | None = None


def ours(seed: int, calls: Sequence[int]) -> list[Score]:
    """A run for each cap: a plan depends on its cap."""
    task, scores = Task(seed), []
    for cap in calls:
        with endpoint(seed) as served:
            found = apo(task, served, cap)
            traffic = served.traffic()
        if traffic.task > cap or traffic.repeated:
            raise RuntimeError(f"Seed {seed}, cap {cap}: {traffic}")
        scores.append(Score(cap, task.accuracy(found.prompt), found.adopted))
    return scores


def theirs(name: str) -> Callable[[int, Sequence[int]], list[Score]]:
    """One run tells of all caps with as many validation rows: but for those, a cap only says where a peer stops."""

    def scores(seed: int, calls: Sequence[int]) -> list[Score]:
        task, found = Task(seed), []
        for _, group in groupby(sorted(calls), validation_rows):
            caps = list(group)
            with endpoint(seed) as served:
                trail, _ = peer(name, task, served, caps[-1], seed)
                traffic = served.traffic()
            if traffic.task > caps[-1]:
                raise RuntimeError(f"{name}, seed {seed}: {traffic}")
            found += [Score(cap, task.accuracy(stood_at(trail, cap))) for cap in caps]
        return found

    return scores


def quality(names: Sequence[str], seeds: int, calls: Sequence[int], jobs: int) -> dict[str, list[Score]]:
    """The scores of each contestant on all tasks; ``jobs`` runs at a time."""

    def run(name: str, seed: int) -> list[Score]:
        found = (ours if name == OURS else theirs(name))(seed, calls)
        print(f"{name:16} seed {seed}: {' '.join(f'{score.accuracy:.3f}' for score in found)}", file=sys.stderr)
        return found

    with ThreadPoolExecutor(jobs) as pool:
        runs = {name: [pool.submit(run, name, seed) for seed in range(seeds)] for name in names}
        return {name: [score for done in futures for score in done.result()] for name, futures in runs.items()}


def timed(name: str, calls: int, latency: float) -> tuple[Traffic, Cost]:
    """One run on the first task with nothing beside it."""
    task = Task(0)
    with endpoint(0, latency) as served:
        cost = apo(task, served, calls).cost if name == OURS else peer(name, task, served, calls, 0)[1]
        return served.traffic(), cost


def table(head: Sequence[str], lines: Iterable[Sequence[str]]) -> str:
    return "\n".join(f"| {' | '.join(line)} |" for line in (head, ["---"] * len(head), *lines))


def mean_and_error(values: Sequence[float]) -> str:
    mean = f"{statistics.fmean(values):.3f}"
    return f"{mean} ± {statistics.stdev(values) / len(values) ** 0.5:.3f}" if len(values) > 1 else mean


def quality_table(found: dict[str, list[Score]], calls: Sequence[int], seeds: int) -> str:
    lines = []
    for name, scores in found.items():
        lines.append([name, *(mean_and_error([s.accuracy for s in scores if s.calls == cap]) for cap in calls)])
        verdicts = [[s.adopted for s in scores if s.calls == cap and s.adopted is not None] for cap in calls]
        if all(verdicts):
            lines.append([f"{name}: verdict “adopt”", *(f"{sum(v)} of {len(v)}" for v in map(list, verdicts))])
    tasks = [Task(seed) for seed in range(seeds)]
    lines.append(["the prompt at the start", *[mean_and_error([t.accuracy(t.seed_text) for t in tasks])] * len(calls)])
    lines.append(["the best there is", *[mean_and_error([t.accuracy(t.best_text()) for t in tasks])] * len(calls)])
    return table(["", *(f"{cap:,} calls" for cap in calls)], lines)


def cost_table(names: Sequence[str], calls: int, latency: float) -> str:
    lines = []
    for name in names:
        traffic, cost = timed(name, calls, latency)
        floor = max(traffic.requests / WIDTH, traffic.chain) * latency
        lines.append(
            [
                name,
                f"{cost.seconds:.1f} s",
                f"{floor:.1f} s",
                f"{traffic.task:,} + {traffic.writing:,}",
                f"{traffic.chain:,}",
                f"{cost.cpu / traffic.requests * 1000:.1f} ms",
                f"{traffic.repeated:,}",
            ]
        )
    head = ["", "wall-clock", "floor", "requests, task + writing", "in sequence", "CPU per request", "repeated"]
    return table(head, lines)


def main() -> int:
    parser = argparse.ArgumentParser(prog="benchmarks.search_quality", description=__doc__)
    parser.add_argument("--seeds", type=int, default=10, help="tasks (10)")
    parser.add_argument("--calls", type=int, nargs="+", default=[500, 1000, 2000, 4000])
    parser.add_argument("--peers", action="store_true", help="run the other optimizers too")
    parser.add_argument("--jobs", type=int, default=2, help="runs at a time, for quality alone (2)")
    parser.add_argument("--timed-calls", type=int, default=1000, help="calls of the timed run; 0 for none (1,000)")
    parser.add_argument("--latency", type=float, default=0.1, help="of the timed run, in seconds (0.1)")
    given = parser.parse_args()
    if given.peers and not PEERS_PYTHON.exists():
        parser.error(f"{PEERS_PYTHON} is missing: `make bench-peers` builds it and runs this.")
    names = [OURS, *PEERS] if given.peers else [OURS]
    print(quality_table(quality(names, given.seeds, given.calls, given.jobs), given.calls, given.seeds), flush=True)
    if given.timed_calls:
        print("\n" + cost_table(names, given.timed_calls, given.latency))
    return 0


if __name__ == "__main__":
    sys.exit(main())
