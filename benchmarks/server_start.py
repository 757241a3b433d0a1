"""How long the language server takes to answer `initialize`, against a bare pygls server.

    python benchmarks/server_start.py [--runs 15]

Both servers start in turns, so that a busy machine slows both. The time runs from the start of the process to the
arrival of the whole answer.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import time

BARE = "from pygls.lsp.server import LanguageServer; LanguageServer('bare', '1').start_io()"
SERVERS = {
    "bare pygls": [sys.executable, "-c", BARE],
    "apo-language-server": [sys.executable, "-m", "apo_server"],
}
LIMIT = 1.3


def message(method: str, identity: int | None, params: object) -> bytes:
    content = {"jsonrpc": "2.0", "method": method, "params": params}
    body = json.dumps(content if identity is None else {**content, "id": identity}).encode()
    return b"Content-Length: %d\r\n\r\n" % len(body) + body


def time_to_initialize(command: list[str]) -> float:
    began = time.perf_counter()
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
        assert process.stdin and process.stdout
        process.stdin.write(message("initialize", 1, {"processId": None, "rootUri": None, "capabilities": {}}))
        process.stdin.flush()
        length = 0
        while (line := process.stdout.readline()) not in (b"\r\n", b""):
            if line.lower().startswith(b"content-length:"):
                length = int(line.split(b":")[1])
        answer = json.loads(process.stdout.read(length))
        taken = time.perf_counter() - began
        assert answer["id"] == 1 and "capabilities" in answer["result"]
        process.kill()
    return taken


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=15)
    runs = parser.parse_args().runs
    times: dict[str, list[float]] = {name: [] for name in SERVERS}
    for command in SERVERS.values():
        time_to_initialize(command)  # the first start reads the disk
    for _ in range(runs):
        for name, command in SERVERS.items():
            times[name].append(time_to_initialize(command))
    print(f"{'server':22}{'median':>10}{'fastest':>10}{'slowest':>10}   ({runs} runs each, ms)")
    for name, taken in times.items():
        figures = (statistics.median(taken), min(taken), max(taken))
        print(f"{name:22}" + "".join(f"{1000 * figure:>10.0f}" for figure in figures))
    ratio = statistics.median(times["apo-language-server"]) / statistics.median(times["bare pygls"])
    print(f"ratio of medians: {ratio:.2f} (at most {LIMIT} is the aim)")


if __name__ == "__main__":
    main()
