"""``python -m tests.scripted --port 0 --world tickets``: serve until ended, printing the base URL first.

A line of input is another latency, in seconds.
"""

from __future__ import annotations

import argparse
import sys
import time

from tests.scripted.server import Script, ScriptedServer
from tests.scripted.world import World


def _say_yes(request: dict[str, object]) -> str:
    return "yes"


def main() -> None:
    """Read the command line and serve."""
    parser = argparse.ArgumentParser(prog="tests.scripted")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--world", choices=("tickets", "yes"), default="tickets")
    parser.add_argument("--rows", type=int, default=240)
    parser.add_argument("--latency", type=float, default=0.0, help="seconds before each answer")
    parser.add_argument("--key", default=None, help="answer 401 to whoever does not bring it")
    given = parser.parse_args()
    script: Script = World(given.rows).script if given.world == "tickets" else _say_yes
    with ScriptedServer(script, latency=given.latency, key=given.key, port=given.port) as server:
        print(server.base_url, flush=True)
        try:
            for line in sys.stdin:
                server.latency = float(line)
            while True:
                time.sleep(3600)
        except KeyboardInterrupt:
            pass


if __name__ == "__main__":
    main()
