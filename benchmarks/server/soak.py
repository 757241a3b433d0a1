"""Hours of editing by script: do memory, file handles, tasks and the database stay flat?

    python -m benchmarks.server.soak [--minutes 60]

Three prompts are edited, saved, asked about, closed and opened again, while each save has its rows scored in the
background, and critiques and searches are asked for and now and then cancelled. The texts are a few that come again:
the answers to them are in the database before half the time is over, and then it has no reason to grow. What is
looked at is the last half; a figure that grows beyond its bound makes the exit code 1.
"""

from __future__ import annotations

import argparse
import random
import re
import signal
import statistics
import sys
import time
from dataclasses import astuple, dataclass
from pathlib import Path

from benchmarks.server.client import Client
from benchmarks.server.figures import Figure
from benchmarks.server.memory import family, held
from benchmarks.server.scene import Scene, scene

_SAMPLES = 24
_ROWS = 60
_PROMPTS = 3
_WORDS = ("briefly", "calmly", "with care", "at once")
# Seconds between two things that the user does.
_PACE = 0.25
_DOES = ("type",) * 12 + ("ask",) * 6 + ("save",) * 3 + ("gradients", "optimize", "cancel", "reopen")


@dataclass(frozen=True)
class Sample:
    """What the processes hold at a moment; MiB, and the database in MiB."""

    minute: float
    server: float
    handles: int
    threads: int
    tasks: int
    engine: float
    engine_handles: int
    database: float


class User:
    """Somebody at an editor, who does one thing at a time."""

    def __init__(self, stage: Scene, client: Client, seed: int = 5) -> None:
        self._stage = stage
        self._client = client
        self._draw = random.Random(seed)
        self._texts: dict[str, str] = {}
        self._uris: dict[str, str] = {}
        self.done = 0
        for number in range(1, _PROMPTS + 1):
            self._open(f"short-{number}.prompt")

    def act(self) -> None:
        """Do the next thing."""
        name = self._draw.choice(list(self._texts))
        uri = self._uris[name]
        match self._draw.choice(_DOES):
            case "type":
                self._type(name)
            case "ask":
                at = {"textDocument": {"uri": uri}, "position": {"line": 7, "character": 12}}
                self._client.request("textDocument/hover", at)
                self._client.request("textDocument/completion", at)
                self._client.request("textDocument/codeLens", {"textDocument": {"uri": uri}})
            case "save":
                (self._stage.folder / name).write_text(self._texts[name], "utf-8")
                self._client.notify("textDocument/didSave", {"textDocument": {"uri": uri}})
            case "reopen":
                self._client.notify("textDocument/didClose", {"textDocument": {"uri": uri}})
                self._open(name)
            case command:
                self._client.command(f"apo.{command}", uri)
        self._client.drain()
        self.done += 1

    def _open(self, name: str) -> None:
        self._texts[name] = (self._stage.folder / name).read_text("utf-8")
        self._uris[name] = self._client.open(name, self._texts[name])

    def _type(self, name: str) -> None:
        """Put another word where one of a few stands: the texts come again."""
        plain = re.sub(r" Answer [a-z ]+, please\.", "", self._texts[name])
        head, role, rest = plain.partition('\n{{role "user"}}')
        text = f"{head} Answer {self._draw.choice(_WORDS)}, please.{role}{rest}"
        self._client.change(self._uris[name], [{"text": text}])
        self._texts[name] = text


def measure(minutes: float) -> tuple[list[Sample], list[Figure]]:
    """The samples, and what the last half of them says."""
    command = (sys.executable, "-m", "benchmarks.server.counted")
    samples: list[Sample] = []
    with scene(_ROWS, latency=0.02) as stage:
        environ = {**stage.environ, "PYTHONPATH": ":".join(filter(None, sys.path))}
        with Client(command, environ, stage.folder) as client:
            client.start({"background": "evaluate", "budget": {"calls": 400}})
            user = User(stage, client)
            began = time.monotonic()
            for number in range(1, _SAMPLES + 1):
                while time.monotonic() - began < 60 * minutes * number / _SAMPLES:
                    user.act()
                    time.sleep(_PACE)
                samples.append(_look(client, stage, (time.monotonic() - began) / 60))
                print(_line(samples[-1]), flush=True)
            errors = client.log().count("ERROR")
    later = samples[len(samples) // 2 :]
    figures = [
        _growth("server: memory", [one.server for one in later], "MiB", 4.0),
        _growth("server: file handles", [one.handles for one in later], "", 3.0),
        _growth("server: threads", [one.threads for one in later], "", 2.0),
        _growth("server: tasks", [one.tasks for one in later], "", 3.0),
        _growth("engine: memory", [one.engine for one in later if one.engine], "MiB", 6.0),
        _growth("engine: file handles", [one.engine_handles for one in later if one.engine], "", 4.0),
        _growth("database", [one.database for one in later], "MiB", 1.0),
        Figure(f"{user.done:,} things done in {minutes:g} minutes: errors in the log", errors, "", 0),
    ]
    return samples, figures


def _look(client: Client, stage: Scene, minute: float) -> Sample:
    pid, *engine = family(client.process.pid)
    # What comes and goes with a run under way is no growth: the least of some moments is what stays.
    moments = []
    for _ in range(4):
        moments.append((_handles(pid), _tasks(client), sum(map(_handles, engine[:1]))))
        time.sleep(0.25)
    handles, tasks, engine_handles = (min(column) for column in zip(*moments, strict=True))
    database = sum(file.stat().st_size for file in Path(stage.environ["APO_CACHE_DIR"]).glob("answers.sqlite*"))
    threads = len(list(Path(f"/proc/{pid}/task").iterdir()))
    return Sample(
        minute, held(pid), handles, threads, tasks, sum(map(held, engine[:1])), engine_handles, database / 2**20
    )


def _handles(pid: int) -> int:
    try:
        return len(list(Path(f"/proc/{pid}/fd").iterdir()))
    except OSError:
        return 0


def _tasks(client: Client) -> int:
    client.process.send_signal(signal.SIGUSR1)
    time.sleep(0.1)
    said = re.findall(r"^tasks: (\d+)$", client.log(), re.MULTILINE)
    return int(said[-1]) if said else 0


def _growth(name: str, values: list[float] | list[int], unit: str, bound: float) -> Figure:
    """How much the straight line through the values rises."""
    slope = statistics.linear_regression(range(len(values)), values).slope * len(values) if len(values) > 1 else 0.0
    remark = f"{values[0]:.4g} to {values[-1]:.4g}" if values else "none"
    return Figure(f"{name}: growth over the last half", slope, unit, bound, remark)


def _line(sample: Sample) -> str:
    return "".join(f"{value:>10.1f}" if isinstance(value, float) else f"{value:>10}" for value in astuple(sample))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=60)
    given = parser.parse_args()
    heads = ("minute", "server", "handles", "threads", "tasks", "engine", "handles", "database")
    print("".join(f"{head:>10}" for head in heads), flush=True)
    _, figures = measure(given.minutes)
    for figure in figures:
        print(f"  {figure}", flush=True)
    return 0 if all(figure.kept for figure in figures) else 1


if __name__ == "__main__":
    sys.exit(main())
