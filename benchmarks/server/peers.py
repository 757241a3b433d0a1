"""Other language servers, each in its own way of working, on a file of the language that it is for."""

from __future__ import annotations

import os
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks.server.client import Client
from benchmarks.server.figures import Figure

ENVIRONMENT = Path(__file__).resolve().parents[2] / ".venv-servers" / "bin"
SERVERS = {"pylsp": ("pylsp",), "jedi-language-server": ("jedi-language-server",), "ruff": ("ruff", "server")}
LINES = 500
SAMPLES = 60
# What a server does not tell within this time, in seconds, it does not tell after a keystroke.
_LONGEST = 3.0


def peers() -> dict[str, tuple[str, ...]]:
    """The commands of those that are installed (`make bench-servers` does)."""
    found = {name: (str(ENVIRONMENT / command[0]), *command[1:]) for name, command in SERVERS.items()}
    return {name: command for name, command in found.items() if Path(command[0]).exists()}


def measure(samples: int = SAMPLES) -> list[Figure]:
    """A 500-line Python file, nothing else running: the medians of what each server offers."""
    figures = []
    for name, command in peers().items():
        with tempfile.TemporaryDirectory() as folder:
            for what, taken in _times(command, Path(folder), samples).items():
                remark = f"slowest {1000 * max(taken):.0f}, n {len(taken)}" if taken else "never came"
                median = 1000 * statistics.median(taken) if taken else float("nan")
                figures.append(Figure(f"{what}, {name}, median", median, "ms", None, remark))
    for name in SERVERS.keys() - peers().keys():
        figures.append(Figure(f"{name} is not installed: make bench-servers does", float("nan"), ""))
    return figures


def _times(command: tuple[str, ...], folder: Path, samples: int) -> dict[str, list[float]]:
    client = Client(command, os.environ, folder)
    try:
        offered = client.start()
        uri = client.open("long.py", _module(), "python")
        time.sleep(2)
        times: dict[str, list[float]] = {"keystroke to diagnostics": []}
        for number in range(samples):
            client.drain()
            # What stands there is wrong at every second keystroke, so that there is something to tell.
            end = {"line": LINES // 2, "character": 0 if number % 2 == 0 else 1}
            start = {"line": LINES // 2, "character": 0}
            _, sent = client.change(
                uri, [{"range": {"start": start, "end": end}, "text": "=" if number % 2 == 0 else ""}]
            )
            try:
                times["keystroke to diagnostics"].append(client.diagnostics(uri, seconds=_LONGEST).at - sent)
            except TimeoutError:
                if not times["keystroke to diagnostics"]:
                    break
            _ask(client, uri, offered, times)
        return times
    finally:
        client.kill()


def _ask(client: Client, uri: str, offered: dict[str, Any], times: dict[str, list[float]]) -> None:
    here = {"textDocument": {"uri": uri}, "position": {"line": 21, "character": 14}}
    for name, method, provider in (
        ("hover", "textDocument/hover", "hoverProvider"),
        ("completion", "textDocument/completion", "completionProvider"),
    ):
        if offered.get(provider):
            times.setdefault(name, []).append(client.request(method, here)[1])


def _module() -> str:
    lines = ["import json", "", ""]
    number = 0
    while len(lines) < LINES:
        number += 1
        lines += [
            f"def rule_{number}(text: str) -> str:",
            f'    """What rule {number} says of a text."""',
            "    words = json.loads(text)",
            f"    return str(words.get('rule_{number}', '')).strip()",
            "",
            "",
        ]
    return "\n".join(lines[:LINES])
