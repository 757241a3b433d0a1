"""From the start of the process to the arrival of the answer to `initialize`, all servers in turns.

A busy machine slows all of them, so the ratio of the medians depends little on it.
"""

from __future__ import annotations

import os
import statistics
import sys
import tempfile
from pathlib import Path

from benchmarks.server.client import Client
from benchmarks.server.figures import Figure
from benchmarks.server.peers import peers
from benchmarks.server.scene import COMMAND

BARE = (sys.executable, "-c", "from pygls.lsp.server import LanguageServer; LanguageServer('bare', '1').start_io()")
RATIO = 1.2
STARTS = 21


def measure(starts: int = STARTS) -> list[Figure]:
    """The median of each server, and this one's ratio to a bare pygls server."""
    commands = {"apo-language-server": COMMAND, "bare pygls": BARE, **peers()}
    times: dict[str, list[float]] = {name: [] for name in commands}
    with tempfile.TemporaryDirectory() as folder:
        for turn in range(starts + 1):
            for name, command in commands.items():
                client = Client(command, os.environ, Path(folder))
                try:
                    client.start()
                    # The first start reads the disk.
                    if turn:
                        times[name].append(client.greeted - client.began)
                finally:
                    client.kill()
    medians = {name: statistics.median(taken) for name, taken in times.items()}
    ratio = medians["apo-language-server"] / medians["bare pygls"]
    figures = [
        Figure(f"start to initialize, {name}, median", 1000 * medians[name], "ms", None, _range(taken))
        for name, taken in times.items()
    ]
    return [*figures, Figure("start to initialize, ratio to bare pygls", ratio, "", RATIO)]


def _range(taken: list[float]) -> str:
    return f"{1000 * min(taken):.0f} to {1000 * max(taken):.0f}, n {len(taken)}"
