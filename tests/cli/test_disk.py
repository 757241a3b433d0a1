"""`apo` on a disk that is full, or a folder that cannot be written: what is paid for is not lost with it."""

from __future__ import annotations

import json
import os
import random
import shutil
import subprocess
import sys
from collections.abc import Iterator

import pytest

from tests.cli.conftest import APO, Apo, Finished, Outcome
from tests.scripted import ScriptedServer

pytestmark = pytest.mark.skipif(os.name != "posix", reason="limits are POSIX's")
# Python ignores the signal for a file that would grow too large, and gets an error, as from a disk that is full.
_LIMITED = (
    "import os, resource, sys\n"
    "most = int(sys.argv[1])\n"
    "resource.setrlimit(resource.RLIMIT_FSIZE, (most, most))\n"
    "os.execv(sys.argv[2], sys.argv[2:])\n"
)

# Who owns a folder obeys its rights, the superuser too: the capability to pass over them is given up for good.
_BOUND = (
    "import ctypes, os, sys\n"
    "given_up = [ctypes.CDLL(None).prctl(24, capability, 0, 0, 0) for capability in (1, 2)]\n"
    "assert os.geteuid() or given_up == [0, 0]\n"
    "os.execv(sys.argv[1], sys.argv[1:])\n"
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
    for key in ("best", "stopped"):
        assert found[key] == adopted.outcome.object[key]
    assert done.stderr.count("This run cannot be kept") == 1
    assert (found["verdict"], found["holdout"]) == ("keep", None), "a look that cannot be counted is not taken"
    # With room again, the same command ends the same way: nothing half written is taken for the whole.
    resumed = again("optimize", "tickets.prompt", "--json", "--resume")
    assert resumed.code == 0, resumed.err
    assert resumed.object["best"] == adopted.outcome.object["best"]


def bound(apo: Apo, *args: str) -> Outcome:
    """`apo` where nobody passes over the rights of files."""
    command = [sys.executable, "-c", _BOUND, APO, *args]
    done = subprocess.run(
        command, cwd=apo.folder, env=apo.environ, capture_output=True, text=True, check=False, timeout=100
    )
    return Outcome(done.returncode, done.stdout, done.stderr)


@pytest.fixture
def read_only(again: Apo) -> Iterator[Apo]:
    """The folder of a finished search and an evaluation, whose cache may be read and not written."""
    assert again("evaluate", "tickets.prompt").code == 0
    kept = [again.folder / "cache", *(again.folder / "cache").rglob("*")]
    for path in kept:
        path.chmod(0o500 if path.is_dir() else 0o400)
    yield again
    for path in kept:
        path.chmod(0o700)


@pytest.mark.skipif(sys.platform != "linux", reason="capabilities are Linux's")
def test_what_lies_in_a_folder_that_is_read_only_is_used_and_not_paid_for_again(
    read_only: Apo, adopted: Finished
) -> None:
    asked = len(adopted.server.log)
    evaluated = bound(read_only, "evaluate", "tickets.prompt", "--json")
    assert evaluated.code == 0, evaluated.err
    assert evaluated.object["cached"] == 168
    resumed = bound(read_only, "optimize", "tickets.prompt", "--json", "--resume")
    assert resumed.object["best"] == adopted.outcome.object["best"]
    assert len(adopted.server.log) == asked
    searched = bound(read_only, "optimize", "tickets.prompt", "--json", "--seed", "5", "--max-calls", "400")
    assert searched.code == 0, searched.err
    assert searched.err.count("Answers cannot be kept") == 1
    assert searched.err.count("This run cannot be kept") == 1
    assert bound(read_only, "cache", "stats", "--json").object["answers"] > 100
    cleared = bound(read_only, "cache", "clear", "--yes")
    assert cleared.out == "Deleted 0 answers and 0 runs.\n"
    assert "still there" in cleared.err


@pytest.mark.parametrize("damage", ["noise", "half"])
def test_whatever_a_power_cut_made_of_the_files_nothing_but_time_is_lost(
    again: Apo, adopted: Finished, damage: str
) -> None:
    draw = random.Random(7)
    for path in [path for path in (again.folder / "cache").rglob("*") if path.is_file()]:
        data = path.read_bytes()
        path.write_bytes(draw.randbytes(len(data)) if damage == "noise" else data[: len(data) // 2])
    assert again("runs").code == 0
    assert again("cache", "stats").code == 0
    assert again("report").code in (0, 2)
    resumed = again("optimize", "tickets.prompt", "--json", "--resume")
    assert resumed.code == 0, resumed.err
    for key in ("best", "verdict", "stopped"):
        assert resumed.object[key] == adopted.outcome.object[key]
    assert again("report", "--json").object["best"]
    told = again("cache", "clear", "--yes")
    assert told.code == 0
    assert again("cache", "stats", "--json").object["answer_bytes"] < 100_000


def test_two_at_once_in_one_folder_find_the_same_and_spoil_nothing(apo: Apo, scripted: ScriptedServer) -> None:
    scripted.latency = 0.01
    search = ("optimize", "tickets.prompt", "--json", "--max-calls", "300")
    both = [apo.start(*search) for _ in range(2)]
    found = []
    for process in both:
        out, err = process.communicate(timeout=100)
        assert process.returncode == 0, err
        found.append(json.loads(out))
    for key in ("run", "best", "holdout", "verdict", "calls", "stopped"):
        assert found[0][key] == found[1][key]
    asked = len(scripted.log)
    assert apo(*search, "--resume").object["best"] == found[0]["best"]
    assert apo("evaluate", "tickets.prompt").code == 0
    assert len(scripted.log) == asked, "whatever either of them was answered is known"
    assert not list((apo.folder / "cache").rglob("*damaged*"))


def test_a_folder_that_cannot_be_made_costs_the_record_and_not_the_result(again: Apo, adopted: Finished) -> None:
    again.environ["APO_CACHE_DIR"] = str(again.folder / "tickets.prompt" / "cache")
    done = again("optimize", "tickets.prompt", "--json")
    assert done.code == 0, done.err
    assert done.object["best"] == adopted.outcome.object["best"]
    assert done.err.count("This run cannot be kept") == 1
    assert done.err.count("Answers cannot be kept") == 1
    assert done.object["verdict"] == "keep", "nobody knows how many looks there were"
