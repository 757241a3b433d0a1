"""A run killed at any moment goes on with `--resume`, and pays for no answer twice."""

from __future__ import annotations

import shutil
import time

import pytest

from tests.cli.conftest import Apo, Finished, make_apo
from tests.scripted import ScriptedServer
from tests.scripted.world import World

WIDTH = 8


@pytest.mark.parametrize("share", [0.05, 0.4, 0.8])
def test_a_killed_search_goes_on_and_repeats_only_what_was_in_flight(adopted: Finished, apo: Apo, share: float) -> None:
    for name in ("tickets.prompt", "tickets.jsonl"):
        shutil.copy(adopted.apo.folder / name, apo.folder / name)
    with ScriptedServer(World(240, guess=0.2).script, latency=0.01) as server:
        search = make_apo(apo.folder, server)
        process = search.start("optimize", "tickets.prompt", "--json", "--concurrency", str(WIDTH))
        while len(server.log) < share * adopted.requests:
            assert process.poll() is None
            time.sleep(0.002)
        process.kill()
        process.communicate()
        resumed = search("optimize", "tickets.prompt", "--json", "--concurrency", str(WIDTH), "--resume")
        requests = len(server.log)
    assert resumed.code == 0, resumed.err
    reference = adopted.outcome.object
    for key in ("best", "holdout", "calls", "verdict", "stopped"):
        assert resumed.object[key] == reference[key]
    assert requests <= adopted.requests + WIDTH
