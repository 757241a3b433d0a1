"""A run is cancelled, by its progress and by the command, while 32 requests are out."""

from __future__ import annotations

import time
from typing import Any

from benchmarks.server.client import Client
from benchmarks.server.figures import Figure, ms
from benchmarks.server.keystrokes import ended, reports
from benchmarks.server.scene import scene

CANCELS = 15
ACKNOWLEDGED = 100.0


def measure(cancels: int = CANCELS) -> list[Figure]:
    """From the cancelling to the end of the progress, and to the lens that offers a run again."""
    by_progress, by_command, lens_back = [], [], []
    with scene(latency=0.3) as stage, stage.client() as client:
        client.start({"background": "off", "budget": {"calls": 1_000_000}})
        uri = client.open("short-1.prompt", (stage.folder / "short-1.prompt").read_text("utf-8"))
        client.diagnostics(uri)
        for _ in range(cancels):
            token = _running(client, uri)
            sent = client.notify("window/workDoneProgress/cancel", {"token": token})
            by_progress.append(client.wait(ended).at - sent)
            token = _running(client, uri)
            _, sent = client.send("workspace/executeCommand", {"command": "apo.cancel", "arguments": [uri]})
            lenses, _ = client.request("textDocument/codeLens", {"textDocument": {"uri": uri}})
            assert any(lens["command"]["title"] == "Optimize" for lens in lenses)
            lens_back.append(time.perf_counter() - sent)
            by_command.append(client.wait(ended).at - sent)
    return [
        ms("cancel in the progress, to its end", by_progress, ACKNOWLEDGED),
        ms("apo.cancel, to the end of the progress", by_command, ACKNOWLEDGED),
        ms("apo.cancel, to the lens that offers a run", lens_back, ACKNOWLEDGED),
    ]


def _running(client: Client, uri: str) -> Any:
    """The token of a run that is well under way."""
    client.drain()
    client.command("apo.optimize", uri)
    began = client.wait(reports)
    time.sleep(0.2)
    return began.params["token"]
