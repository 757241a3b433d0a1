"""What the server holds when nothing happens: ten prompts open, a run over, and the engine let go."""

from __future__ import annotations

import time

from benchmarks.server.figures import Figure
from benchmarks.server.keystrokes import ended
from benchmarks.server.memory import family, held, tree
from benchmarks.server.scene import PROMPTS, scene

MEMORY = 150.0
# How long the engine process may stay after its last job, in seconds.
_LONGEST = 330.0


def measure(longest: float = _LONGEST) -> list[Figure]:
    """MiB before a run, right after one, and once the engine process has gone (or has stayed for too long)."""
    with scene() as stage, stage.client() as client:
        pid = client.process.pid
        client.start({"background": "off"})
        uris = stage.open_all(client)
        for uri in uris.values():
            client.diagnostics(uri)
        opened = held(pid)
        client.command("apo.gradients", uris["long.prompt"])
        client.wait(ended, 120)
        time.sleep(1)
        after, began = tree(pid), time.perf_counter()
        while len(family(pid)) > 1 and time.perf_counter() - began < longest:
            time.sleep(0.5)
        stayed = time.perf_counter() - began
        gone = "engine still there" if len(family(pid)) > 1 else f"engine gone after {stayed:.0f} s"
        return [
            Figure(f"{PROMPTS} prompts open: the server alone", opened, "MiB"),
            Figure(f"{PROMPTS} prompts open, right after a run: all processes", after, "MiB"),
            Figure(f"{PROMPTS} prompts open, at rest: all processes", tree(pid), "MiB", MEMORY, gone),
        ]
