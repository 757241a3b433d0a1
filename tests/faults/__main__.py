"""``python -m tests.faults``: what each fault at each share of the requests does to a search, as a table."""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

from tests.faults.trial import WORLD, Trial, attempt, decided
from tests.scripted import Script
from tests.scripted.faults import FINAL, HARMLESS, PASSING, SLOW, Fault, Faulty

_SHARES = (0.05, 0.2, 0.5)
# The most that a search may take: where every second request is refused, it mostly waits.
_SECONDS = 400.0
# What an answer takes, so that requests that are under way at once meet the same fault.
_LATENCY = 0.02


def main() -> int:
    """Print the table; 1 when a fault changed a result, or a command did not stop in order."""
    parser = argparse.ArgumentParser(prog="python -m tests.faults", description=__doc__)
    parser.add_argument("--command", choices=("optimize", "evaluate"), default="optimize")
    parser.add_argument("--shares", type=float, nargs="+", default=_SHARES, metavar="SHARE")
    parser.add_argument("--only", nargs="+", metavar="FAULT", help="leave out all others")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        reference = _try(Path(folder), "reference", WORLD.script, options.command)
        if reference.outcome.code:
            print(reference.outcome.err)
            return 1
        print("| fault | of all requests | result | requests | seconds |")
        print("|---|---:|---|---:|---:|")
        _print("none", 0.0, "the reference", reference)
        sound = True
        for name, faults, share in _trials(options.shares):
            if options.only and name not in options.only:
                continue
            script = Faulty(WORLD.script, *faults, share=share)
            trial = _try(Path(folder), f"{name} {share}", script, options.command, hurried=name in SLOW)
            same, result = _judge(options.command, reference, trial, final=name in FINAL)
            sound = sound and same
            _print(name, share, result, trial)
    return 0 if sound else 1


def _trials(shares: tuple[float, ...]) -> Iterator[tuple[str, tuple[Fault, ...], float]]:
    mendable: Mapping[str, Fault] = {**PASSING, **HARMLESS, **SLOW}
    for name, fault in mendable.items():
        for share in shares:
            yield name, (fault,), share
    for share in shares:
        yield "all but slow ones in turn", (*PASSING.values(), *HARMLESS.values()), share
    for name, fault in FINAL.items():
        yield name, (fault,), 1.0


def _try(folder: Path, name: str, script: Script, command: str, *, hurried: bool = False) -> Trial:
    place = folder / "".join(letter if letter.isalnum() else "-" for letter in name)
    return attempt(place, script, command, hurried=hurried, latency=_LATENCY, timeout=_SECONDS)


def _judge(command: str, reference: Trial, trial: Trial, *, final: bool) -> tuple[bool, str]:
    """Whether the fault did what it may, in words."""
    code = trial.outcome.code
    if final:
        in_order = code == 3 and trial.requests == 1
        return in_order, f"stops {'at once' if in_order else 'late'}, with exit code {code}"
    if code:
        return False, f"stops with exit code {code}: {trial.outcome.err.strip().splitlines()[-1]}"
    same = decided(command, trial.outcome) == decided(command, reference.outcome)
    return same, "the same" if same else "**another**"


def _print(name: str, share: float, result: str, trial: Trial) -> None:
    print(f"| {name} | {share:.0%} | {result} | {trial.requests:,} | {trial.seconds:.1f} |", flush=True)


if __name__ == "__main__":
    raise SystemExit(main())
