"""`apo` on a disk that is full, or a folder that cannot be written: what is paid for is not lost with it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys

import pytest

from tests.cli.conftest import APO, Apo, Finished

pytestmark = pytest.mark.skipif(os.name != "posix", reason="limits are POSIX's")
# Python ignores the signal for a file that would grow too large, and gets an error, as from a disk that is full.
_LIMITED = (
    "import os, resource, sys\n"
    "most = int(sys.argv[1])\n"
    "resource.setrlimit(resource.RLIMIT_FSIZE, (most, most))\n"
    "os.execv(sys.argv[2], sys.argv[2:])\n"
)


def limited(apo: Apo, size: int, *args: str) -> subprocess.CompletedProcess[str]:
    """`apo` where no file may grow larger than this, in bytes."""
    command = [sys.executable, "-c", _LIMITED, str(size), APO, *args]
    return subprocess.run(
        command, cwd=apo.folder, env=apo.environ, capture_output=True, text=True, check=False, timeout=100
    )


@pytest.mark.parametrize("size", [0, 4_096, 30_000, 70_000, 200_000])
def test_a_full_disk_costs_the_record_and_not_the_result(again: Apo, adopted: Finished, size: int) -> None:
    shutil.rmtree(again.folder / "cache")
    done = limited(again, size, "optimize", "tickets.prompt", "--json")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    for key in ("best", "holdout", "verdict", "stopped"):
        assert found[key] == adopted.outcome.object[key]
    assert "cannot be kept" in done.stderr
    # With room again, the same command ends the same way: nothing half written is taken for the whole.
    resumed = again("optimize", "tickets.prompt", "--json", "--resume")
    assert resumed.code == 0, resumed.err
    assert resumed.object["best"] == adopted.outcome.object["best"]


def test_a_folder_that_cannot_be_made_costs_the_record_and_not_the_result(again: Apo, adopted: Finished) -> None:
    again.environ["APO_CACHE_DIR"] = str(again.folder / "tickets.prompt" / "cache")
    done = again("optimize", "tickets.prompt", "--json")
    assert done.code == 0, done.err
    assert done.object["best"] == adopted.outcome.object["best"]
    assert done.err.count("This run cannot be kept") == 1
    assert done.err.count("Answers cannot be kept") == 1
    assert done.err.count("opens the unseen rows could not be noted") == 1
