"""A prompt whose example file has a million rows is opened, and read while its rows are looked through."""

from __future__ import annotations

import time
from pathlib import Path

from benchmarks.server.figures import Figure, ms
from benchmarks.server.memory import Peak, family, highest
from benchmarks.server.scene import scene

ROWS = 1_000_000
MEMORY = 300.0
ANSWER = 10.0
# How long the rows are given to be looked through, in seconds.
_LONGEST = 300.0
_LEAST = 10.0
_STILL = 3.0


def measure(rows: int = ROWS) -> list[Figure]:
    """Hovers from the moment of opening until the engine has been idle for a while, and the most memory meanwhile."""
    with scene(rows) as stage, stage.client() as client:
        size = (stage.folder / "tickets.jsonl").stat().st_size / 1e6
        client.start({"background": "off"})
        with Peak(client.process.pid) as peak:
            opened = time.perf_counter()
            uri = client.open("long.prompt", (stage.folder / "long.prompt").read_text("utf-8"))
            first = client.diagnostics(uri).at - opened
            times, busy, ended = [], _ticks(client.process.pid), opened
            most: dict[int, float] = {}
            here = {"textDocument": {"uri": uri}, "position": {"line": 8, "character": 5}}
            while time.perf_counter() - opened < _LONGEST:
                times.append(client.request("textDocument/hover", here)[1])
                most |= {pid: highest(pid) for pid in family(client.process.pid)}
                time.sleep(0.05)
                now = _ticks(client.process.pid)
                if now > busy:
                    busy, ended = now, time.perf_counter()
                if time.perf_counter() - max(ended, opened + _LEAST) > _STILL:
                    break
    looked = f"{size:.0f} MB, looked through for {ended - opened:.0f} s"
    return [
        Figure(f"{rows:,} rows: open to diagnostics", 1000 * first, "ms", None, looked),
        ms(f"{rows:,} rows: hover", times, ANSWER),
        Figure(f"{rows:,} rows: peak memory of all processes (PSS)", peak.mib, "MiB", MEMORY),
        Figure(f"{rows:,} rows: each process's own peak, added (VmHWM)", sum(most.values()), "MiB"),
    ]


def _ticks(pid: int) -> int:
    """The processor time of the descendants of a process, which is spent by what looks through the rows."""
    total = 0
    for one in family(pid)[1:]:
        try:
            fields = Path(f"/proc/{one}/stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue
        total += int(fields[11]) + int(fields[12])
    return total
