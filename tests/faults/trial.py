"""One command against a world with faults, and what it decided."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.cli.conftest import APO, Outcome, make_apo
from tests.scripted import ScriptedServer
from tests.scripted.server import Script
from tests.scripted.world import World

#: The world of these tests: its search finds a much better prompt, in some hundred requests.
WORLD = World(60, guess=0.2)
#: What must not depend on faults, by command.
DECIDED: Mapping[str, tuple[str, ...]] = {
    "optimize": ("start", "best", "holdout", "calls", "verdict", "stopped"),
    "evaluate": ("score", "interval", "n", "invalid", "accuracy", "confusion", "failing"),
}
#: For how long an endpoint is away.
AWAY_SECONDS = 3.0
_ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Trial:
    """How a command ended, how many requests the server at ``port`` saw, and how long it all took."""

    outcome: Outcome
    requests: int
    port: int
    seconds: float


def decided(command: str, outcome: Outcome) -> dict[str, Any]:
    """What a command that ended well decided."""
    found = outcome.object
    return {key: found[key] for key in DECIDED[command]}


def attempt(
    folder: Path,
    script: Script,
    command: str,
    *args: str,
    hurried: bool = False,
    port: int = 0,
    latency: float = 0.0,
    timeout: float = 100.0,
    meanwhile: Callable[[ScriptedServer], None] | None = None,
) -> Trial:
    """Run ``apo command`` in ``folder`` against this script; what was answered is known again at the same ``port``.

    A ``hurried`` one waits for no answer as long as users would. ``meanwhile`` happens to the server, in a thread.

    Raises:
        subprocess.TimeoutExpired: it is not over after ``timeout`` seconds.
    """
    folder.mkdir(parents=True, exist_ok=True)
    if not (folder / "tickets.prompt").exists():
        WORLD.write(folder)
    program = [sys.executable, "-m", "tests.faults.hurried"] if hurried else [APO]
    with ScriptedServer(script, port=port, latency=latency) as server:
        environ = make_apo(folder, server).environ
        if meanwhile is not None:
            threading.Thread(target=meanwhile, args=(server,), daemon=True).start()
        began = time.monotonic()
        done = subprocess.run(
            [*program, command, "tickets.prompt", "--json", *args],
            cwd=folder,
            env={**environ, "PYTHONPATH": os.pathsep.join((str(_ROOT), str(_ROOT / "server")))},
            capture_output=True,
            check=False,
            timeout=timeout,
        )
        seconds = time.monotonic() - began
        outcome = Outcome(done.returncode, done.stdout.decode(), done.stderr.decode())
        return Trial(outcome, len(server.log), server.port, seconds)


def go_away(server: ScriptedServer) -> None:
    """Refuse every connection for some seconds in the middle of a search."""
    while len(server.log) < 100:
        time.sleep(0.005)
    server.leave()
    time.sleep(AWAY_SECONDS)
    server.come_back()
