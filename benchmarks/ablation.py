"""What each habit of the search brings: the engine with one setting or one part exchanged, on the same tasks.

    python -m benchmarks.ablation [--seeds 16] [--jobs 2] [--only SUBSTRING …]

Runs in virtual time (`benchmarks.in_process`), on two kinds of tasks: as they are, and with critics and editors that
err about twice as often; what concerns length also on tasks where long prompts are followed less and editors pad.
True accuracy after about 500 to 4,000 calls of the task model, as the difference to the engine as it is on the same
tasks: mean ± standard error over tasks.
"""

from __future__ import annotations

import argparse
import multiprocessing
import statistics
import sys
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import product

from apo_engine.runs.desk import Desk
from benchmarks.in_process import Build, Outcome, search
from benchmarks.search_quality import mean_and_error, table
from benchmarks.variants import failures, length, memory, parents, worked_examples
from benchmarks.world.minds import Minds, Noise
from benchmarks.world.task import Task

# Caps on calls of all roles that leave about 500, 1,000, 2,000 and 4,000 to the task model.
CAPS = (520, 1030, 2070, 4100)


class PaddingMinds(Minds):
    """Every other edit adds a sentence that says nothing."""

    _PADDING = (
        "Read the whole message with care before you decide which of the labels fits it best.",
        "Think about what the writer most likely wants, and keep that in mind throughout.",
        "Be as accurate as you can, and do not let polite words at the beginning or the end mislead you.",
        "Every message has one label that fits better than the others, so take the time to find it.",
    )

    def edit(self, prompt: str, critique: str, salt: str) -> str:
        text = super().edit(prompt, critique, salt)
        if self._task.chance("pads", salt) < 0.5:
            text += "\n" + self._task.pick(self._PADDING, "padding", salt)
        return text


@dataclass(frozen=True)
class Kind:
    """A kind of task."""

    noise: Noise = field(default_factory=Noise)
    dilution: float = 0.0
    minds: type[Minds] = Minds


KINDS = {
    "tasks as they are": Kind(),
    "critics and editors err more": Kind(Noise(vague=0.35, mistaken=0.2, broad=0.15, forgets=0.2, loses=0.05)),
    "long prompts are followed less": Kind(dilution=0.2, minds=PaddingMinds),
}
PLAIN, NOISY, DILUTED = KINDS


@dataclass(frozen=True)
class Variant:
    """The engine with other settings of the optimizer, or set up in another way."""

    settings: Mapping[str, object] = field(default_factory=dict)
    build: Build = Desk.search
    kinds: Sequence[str] = (PLAIN, NOISY)


ENGINE = "the engine as it is"
_LENGTH = (PLAIN, DILUTED)
VARIANTS = {
    ENGINE: Variant(kinds=tuple(KINDS)),
    "one reason per critique: `reasons: 1`": Variant({"reasons": 1}),
    "an edit for each reason: `joint: false`": Variant({"joint": False}),
    "the paper's mix: `joint: false, reasons: 1, paraphrases: 2, groups: 4, group_size: 4`": Variant(
        {"joint": False, "reasons": 1, "paraphrases": 2, "groups": 4, "group_size": 4}
    ),
    "`paraphrases: 1`": Variant({"paraphrases": 1}),
    "`group_size: 4`": Variant({"group_size": 4}),
    "`groups: 1`": Variant({"groups": 1}),
    "`beam: 1`": Variant({"beam": 1}),
    "`selection: uniform`": Variant({"selection": "uniform"}),
    "`selection: ucb`": Variant({"selection": "ucb"}),
    "`selection: ucb-e`": Variant({"selection": "ucb-e"}),
    "`selection: successive-rejects`": Variant({"selection": "successive-rejects"}),
    "`patience: 2`": Variant({"patience": 2}),
    "`minibatch: 16`": Variant({"minibatch": 16}),
    "`critic: evidence`": Variant({"critic": "evidence"}),
    "Pareto parents: drawn by the rows they are best on": Variant(build=parents.chosen(parents.by_front)),
    "Pareto parents: the leader and the one that solves most of what it fails": Variant(
        build=parents.chosen(parents.complementing, 2)
    ),
    "two parents in every round": Variant(build=parents.chosen(parents.leading, 2)),
    "clustered failures: one confusion of labels per critique": Variant(build=failures.grouped(failures.by_confusion)),
    "clustered failures: like words per critique": Variant(build=failures.grouped(failures.by_likeness)),
    "spread failures: unlike words per critique": Variant(build=failures.grouped(failures.by_difference)),
    "memory: no edit for critiques tried in vain": Variant(build=memory.forgoing),
    "memory: a child by the best gradients of another line": Variant(build=memory.transferring),
    "one child per round with worked examples": Variant(build=worked_examples.showing),
    "length penalty: .05 per length of the first prompt": Variant(build=length.penalised(0.05), kinds=_LENGTH),
    "the shorter of two equals": Variant(build=length.penalised(1e-6), kinds=_LENGTH),
}


@dataclass(frozen=True)
class Job:
    """One search."""

    variant: str
    kind: str
    calls: int
    seed: int


def run(job: Job) -> Outcome:
    variant, kind = VARIANTS[job.variant], KINDS[job.kind]
    task = _task(job.kind, job.seed)
    found = search(task, kind.minds(task, kind.noise), job.calls, job.seed, variant.settings, variant.build)
    if found.task + found.writing > job.calls:
        raise RuntimeError(f"{job}: {found}")
    return found


@lru_cache(maxsize=4)
def _task(kind: str, seed: int) -> Task:
    return Task(seed, dilution=KINDS[kind].dilution)


def ablation(names: Sequence[str], seeds: int, jobs: int) -> dict[Job, Outcome]:
    """All searches of these variants, ``jobs`` at a time."""
    # Seeds outermost, so that a process keeps to the rows of one task for a while.
    todo = [
        Job(name, kind, calls, seed)
        for seed, kind, name, calls in product(range(seeds), KINDS, names, CAPS)
        if kind in VARIANTS[name].kinds
    ]
    began = time.monotonic()
    found: dict[Job, Outcome] = {}
    with multiprocessing.get_context("fork").Pool(jobs) as pool:
        for job, outcome in zip(todo, pool.imap(run, todo, chunksize=8), strict=True):
            found[job] = outcome
            if len(found) % 400 == 0:
                print(f"{len(found):,} of {len(todo):,}, {time.monotonic() - began:.0f} s", file=sys.stderr, flush=True)
    return found


def differences(found: Mapping[Job, Outcome], name: str, kind: str, calls: int, seeds: int) -> list[float]:
    """To the engine as it is, by task."""
    return [
        found[Job(name, kind, calls, seed)].accuracy - found[Job(ENGINE, kind, calls, seed)].accuracy
        for seed in range(seeds)
    ]


def over_budgets(found: Mapping[Job, Outcome], name: str, kinds: Sequence[str], seeds: int) -> list[float]:
    """The mean difference of each task over budgets and kinds."""
    each = [differences(found, name, kind, calls, seeds) for kind in kinds for calls in CAPS]
    return [statistics.fmean(values) for values in zip(*each, strict=True)]


def report(found: Mapping[Job, Outcome], kind: str, names: Sequence[str], seeds: int) -> str:
    """A table: the engine's accuracy, then what each variant differs by, largest effect first."""
    here = [name for name in names if name != ENGINE and kind in VARIANTS[name].kinds]
    here.sort(key=lambda name: -abs(statistics.fmean(over_budgets(found, name, [kind], seeds))))
    engine = [[found[Job(ENGINE, kind, calls, seed)] for seed in range(seeds)] for calls in CAPS]
    lines = [
        [ENGINE, *(mean_and_error([one.accuracy for one in column]) for column in engine), "", _seconds(engine[1])]
    ]
    for name in here:
        columns = [signed(differences(found, name, kind, calls, seeds)) for calls in CAPS]
        runs = [found[Job(name, kind, CAPS[1], seed)] for seed in range(seeds)]
        lines.append([name, *columns, signed(over_budgets(found, name, [kind], seeds)), _seconds(runs)])
    head = ["500 calls", "1,000 calls", "2,000 calls", "4,000 calls", "mean", "seconds for 1,000"]
    return table([kind, *head], lines)


def signed(values: Sequence[float]) -> str:
    error = statistics.stdev(values) / len(values) ** 0.5 if len(values) > 1 else 0.0
    return f"{statistics.fmean(values):+.3f} ± {error:.3f}".replace("-", "−")


def _seconds(runs: Sequence[Outcome]) -> str:
    return f"{statistics.fmean(one.seconds for one in runs):.1f}"


def main() -> int:
    parser = argparse.ArgumentParser(prog="benchmarks.ablation", description=__doc__)
    parser.add_argument("--seeds", type=int, default=16, help="tasks (16)")
    parser.add_argument("--jobs", type=int, default=2, help="searches at a time (2)")
    parser.add_argument("--only", nargs="+", default=[""], help="variants whose name holds one of these")
    given = parser.parse_args()
    names = [name for name in VARIANTS if name == ENGINE or any(part in name for part in given.only)]
    found = ablation(names, given.seeds, given.jobs)
    print("\n\n".join(report(found, kind, names, given.seeds) for kind in KINDS))
    for name, times in Counter(job.variant for job, one in found.items() if not one.judged).items():
        print(f"{name}: {times} runs left too few calls for the hold-out", file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main())
