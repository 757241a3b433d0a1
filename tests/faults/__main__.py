"""``python -m tests.faults``: what each fault at each share of the requests does to a search, as a table."""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from tests.faults.trial import AWAY_SECONDS, WORLD, Trial, attempt, decided, go_away
from tests.scripted import Script, ScriptedServer
from tests.scripted.faults import FINAL, HARMLESS, PASSING, SLOW, UNWILLING, Fault, Faulty

_SHARES = (0.05, 0.2, 0.5)
# The most that a search may take: where every second request is refused, it mostly waits.
_SECONDS = 400.0
# What an answer takes, so that requests that are under way at once meet the same fault.
_LATENCY = 0.02
# The exit code that blames the endpoint.
_ENDPOINT = 3
_SAME, _STOPS, _ENDS, _GIVES_UP = "the same", "stops at once", "ends, asking nothing twice", "stops, saying why"
_SOUND = {_SAME, _STOPS, _ENDS, _GIVES_UP}
_OUTAGES: Mapping[str, Callable[[ScriptedServer], None]] = {
    f"connection refused for {AWAY_SECONDS:g} s": go_away,
    "connection refused": ScriptedServer.leave,
}


def main() -> int:
    """Print the table; 1 when a fault changed a result, or a command did not stop in order."""
    parser = argparse.ArgumentParser(prog="python -m tests.faults", description=__doc__)
    parser.add_argument("--command", choices=("optimize", "evaluate"), default="optimize")
    parser.add_argument("--shares", type=float, nargs="+", default=_SHARES, metavar="SHARE")
    parser.add_argument("--only", nargs="+", metavar="FAULT", help="leave out all others")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        bench = _Bench(Path(folder), options.command)
        reference = bench.run("no fault", WORLD.script)
        if reference.outcome.code:
            print(reference.outcome.err)
            return 1
        print("| fault | of all requests | result | requests | seconds |")
        print("|---|---:|---|---:|---:|")
        _print("none", "0%", "the reference", reference)
        sound = True
        for name, share, result, trial in _rows(bench, reference, options.shares, options.only):
            sound = sound and result in _SOUND
            _print(name, share, result, trial)
    return 0 if sound else 1


def _rows(
    bench: _Bench, reference: Trial, shares: Sequence[float], only: Sequence[str] | None
) -> Iterator[tuple[str, str, str, Trial]]:
    for name, faults, share in _trials(shares):
        if only and name not in only:
            continue
        trial = bench.run(f"{name} {share}", Faulty(WORLD.script, *faults, share=share), hurried=name in SLOW)
        judge = _at_once if name in FINAL else _in_order if name in UNWILLING else bench.judge
        yield name, f"{share:.0%}", judge(reference, trial), trial
    for name, meanwhile in _OUTAGES.items():
        if only and name not in only:
            continue
        trial = bench.run(name, WORLD.script, meanwhile=meanwhile)
        judge = bench.judge if meanwhile is go_away else _given_up
        yield name, "", judge(reference, trial), trial


def _trials(shares: Sequence[float]) -> Iterator[tuple[str, tuple[Fault, ...], float]]:
    mendable: Mapping[str, Fault] = {**PASSING, **HARMLESS, **SLOW}
    for name, fault in mendable.items():
        for share in shares:
            yield name, (fault,), share
    for share in shares:
        yield "those that pass, in turn", (*PASSING.values(), *HARMLESS.values()), share
    for name, fault in UNWILLING.items():
        for share in shares:
            yield name, (fault,), share
    for name, fault in FINAL.items():
        yield name, (fault,), 1.0


class _Bench:
    """Runs one command, each time in a folder of its own."""

    def __init__(self, folder: Path, command: str) -> None:
        self._folder = folder
        self._command = command

    def run(
        self,
        name: str,
        script: Script,
        *,
        hurried: bool = False,
        meanwhile: Callable[[ScriptedServer], None] | None = None,
    ) -> Trial:
        """One trial."""
        place = self._folder / "".join(letter if letter.isalnum() else "-" for letter in name)
        return attempt(
            place, script, self._command, hurried=hurried, latency=_LATENCY, timeout=_SECONDS, meanwhile=meanwhile
        )

    def judge(self, reference: Trial, trial: Trial) -> str:
        """What became of the result."""
        if trial.outcome.code:
            return f"**exit code {trial.outcome.code}**"
        same = decided(self._command, trial.outcome) == decided(self._command, reference.outcome)
        return _SAME if same else "**another**"


def _at_once(reference: Trial, trial: Trial) -> str:
    return _STOPS if (trial.outcome.code, trial.requests) == (_ENDPOINT, 1) else "**stops late**"


def _in_order(reference: Trial, trial: Trial) -> str:
    # What is not answered counts as a wrong answer, so another result is right.
    calls = trial.outcome.object["calls"] if trial.outcome.code == 0 else {}
    return _ENDS if sum(calls.values()) >= trial.requests else "**asks again**"


def _given_up(reference: Trial, trial: Trial) -> str:
    told = "Check that the server runs" in trial.outcome.err
    return _GIVES_UP if trial.outcome.code == _ENDPOINT and told else f"**exit code {trial.outcome.code}**"


def _print(name: str, share: str, result: str, trial: Trial) -> None:
    print(f"| {name} | {share} | {result} | {trial.requests:,} | {trial.seconds:.1f} |", flush=True)


if __name__ == "__main__":
    raise SystemExit(main())
